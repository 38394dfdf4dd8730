/** The package's own file is the one place that says the version. */
import { readFileSync } from 'node:fs';
import { packageManifest } from './own-files.ts';

const text = readFileSync(packageManifest, 'utf8');

export const version: string = (JSON.parse(text) as { version: string }).version;
