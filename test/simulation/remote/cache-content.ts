/** What lies in a computer's cache, and what that is to the bucket that the computer has now. */
import { join } from 'node:path';
import { fromObjectName } from '../../../src/naming/object-name.ts';
import { readLedger } from '../../../src/sync/ledger/reading.ts';
import type { LedgerState } from '../../../src/sync/ledger/state.ts';
import { readdirSync, readFileSync, statSync } from '../platform/fs.ts';
import type { Computer } from './computer.ts';
import type { Truth } from './truth.ts';

export const LEDGER = 'bucket.log';

/** By path: bytes of files. */
export type CacheContent = Map<string, Buffer | 'directory'>;

/** Parents before what is in them. */
export function contentOf(directory: string, content: CacheContent = new Map()): CacheContent {
  for (const name of readdirSync(directory) as string[]) {
    const path = join(directory, name);
    if (statSync(path).isDirectory()) contentOf(path, content.set(path, 'directory'));
    else content.set(path, Buffer.from(readFileSync(path) as Buffer));
  }
  return content;
}

/**
 * The cache was put back from a copy, or is given another bucket: it takes for new what it holds and what its ledger of the
 * bucket, if it has one, has never stored there; and it replaces what that ledger knows to be there. Without one nothing tells which
 * version of a session the bucket had, as where the ledger was lost.
 */
export function bringAlong(computer: Computer, truth: Truth): void {
  const { cache, store } = computer;
  const content = contentOf(cache);
  const ledgers = ledgersIn(cache, content);
  const ledger = ledgers.find(({ bucket }) => bucket === `gs://${store.name}`);
  if (ledger === undefined) computer.view.hasNoLedger(store);
  for (const [path, bytes] of content) {
    const objectName = path.slice(cache.length + 1);
    const identity = fromObjectName(objectName);
    if (bytes === 'directory' || identity === undefined || identity.directoryMeta) continue;
    truth.bringAlong(store, identity.path, bytes, ledger);
  }
}

/** That of the bucket that the cache had last comes first. */
function ledgersIn(cache: string, content: CacheContent): LedgerState[] {
  return [...content.keys()]
    .filter((path) => path === join(cache, LEDGER) || path.startsWith(`${join(cache, LEDGER)}.`))
    .sort()
    .flatMap((path) => readLedger(path)?.state ?? []);
}
