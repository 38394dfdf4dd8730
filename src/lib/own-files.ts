/**
 * The files of this package that sessionfs starts or reads. No other module knows where they are. In `dist/src`, which tsc makes, this
 * one is `lib/own-files.js`, and scripts/bundle tells each program of `dist/bundle` that it is there, too.
 */
import { fileURLToPath } from 'node:url';

type Program =
  | 'cli/main'
  | 'api/status-probe'
  | 'daemon/main'
  | 'drivers/direct/kernel-thread'
  | 'drivers/direct/sync-thread'
  | 'lib/bulk-thread';

/** A program of the same build as the caller. */
export function programFile(program: Program): string {
  return fileURLToPath(new URL(`../${program}.js`, import.meta.url));
}

/** A file of the status page, which scripts/bundle puts beside the programs. */
export function statusPageFile(name: string): string {
  return fileURLToPath(new URL(`../../bundle/status-page/${name}`, import.meta.url));
}

export const packageManifest = fileURLToPath(new URL('../../../package.json', import.meta.url));
