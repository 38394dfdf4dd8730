/** The package's own file is the one place that says the version. Seen from dist/src. */
import { readFileSync } from 'node:fs';

const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');

export const version: string = (JSON.parse(text) as { version: string }).version;
