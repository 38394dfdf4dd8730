import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './repository.ts';

/** What bin/sessionfs runs. */
export const cliMain = bundledProgram(join(repository, 'dist'));

/** Throws where the bundle is missing, or older than what tsc made: it would hide a change. */
export function bundledProgram(dist: string): string {
  const program = join(dist, 'bundle/cli/main.js');
  const made = statSync(program, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const compiled = readdirSync(join(dist, 'src'), { recursive: true, withFileTypes: true });
  const newer = compiled.find(
    (entry) => entry.isFile() && statSync(join(entry.parentPath, entry.name)).mtimeMs > made,
  );
  if (newer !== undefined)
    throw new Error(`${program} is older than ${join(newer.parentPath, newer.name)}: run \`npm run build\``);
  return program;
}
