/** `sessionfs unmount`: asks the daemon to stop, and returns when all is flushed, unmounted and the process gone. */
import { join } from 'node:path';
import { UNMOUNT_TIMEOUT_S, type Unmounted, unmountFlushed, unmountForced } from '../api/unmount.ts';
import { loadMountPoint } from '../config/load.ts';
import { integer } from '../config/parsers.ts';
import { journalBytes } from '../kit/export/sealed-session.ts';
import { flagValue, type Invocation, printEither } from './command.ts';

export async function run(invocation: Invocation): Promise<number> {
  const { directory, env, given } = invocation;
  const seconds = integer(0, 86400, 'seconds');
  const timeoutMs = flagValue(invocation, '--timeout', seconds, UNMOUNT_TIMEOUT_S) * 1000;
  const wanted = loadMountPoint(env, directory);
  const unmounted = given.has('--force')
    ? await unmountForced(wanted)
    : await unmountFlushed(wanted, timeoutMs);
  const { mountPoint } = unmounted;
  printEither(invocation, { mountPoint, unmounted: true }, `sessionfs: ${textOf(unmounted)}`);
  return 0;
}

function textOf({ mountPoint, how, cachePath }: Unmounted): string {
  switch (how) {
    case 'flushed':
      return `${mountPoint} is unmounted${leftInJournal(cachePath)}`;
    case 'by-force':
      return `${mountPoint} is unmounted by force; what was not flushed is in the cache and goes out with the next mount`;
    case 'dead':
      return `the daemon of ${mountPoint} had died; its mount is removed, what was written is in the cache`;
    case 'folder-opened':
      return `${mountPoint} was not mounted; its folder, which the last mount had left shut, is open again`;
  }
}

/** After a clean end the journal is empty: everything is in the cache. */
function leftInJournal(cachePath: string | undefined): string {
  const bytes = cachePath === undefined ? 0 : journalBytes(cachePath);
  if (cachePath === undefined || bytes === 0) return '';
  return (
    `; ${bytes} bytes of changes are in ${join(cachePath, 'journal')}, not yet in the cache, and none is lost: ` +
    'the next mount goes on with them, and sessionfs export reads them; the log says what the cache could not take'
  );
}
