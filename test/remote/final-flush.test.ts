/** The end of a mount with a bucket: what is given back, and when. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toObjectName } from '../../src/naming/object-name.ts';
import { FinalFlush } from '../../src/remote/final-flush.ts';
import type { MountLeases } from '../../src/remote/mount-leases.ts';
import type { WriteThrough } from '../../src/remote/write-through.ts';
import type { Flusher } from '../../src/sync/backup/flusher.ts';
import { Ledger } from '../../src/sync/ledger/ledger.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const [CLEAN, DIRTY, LATE] = ['user1-+1', 'user2-+2', 'user3-+3'];

test('what is held and stored is given back before what is under way ends, and what that got after it', {
  timeout: 60_000,
}, async (t) => {
  const cachePath = temporaryDirectory(t);
  const ledger = Ledger.open({ cachePath, bucket: 'memory://test', cachedObjects: () => [] });
  t.after(() => ledger.close());
  await ledger.changed([toObjectName(`${DIRTY}/creds.json`, 'file')], []);
  assert.deepEqual(ledger.dirtySessions, [DIRTY]);
  const held = new Set([CLEAN, DIRTY]);
  const released: string[][] = [];
  let endRequest = () => {};
  const leases = {
    get held() {
      return [...held];
    },
    stopAcquiring: () =>
      new Promise<void>((resolve) => {
        endRequest = resolve;
      }),
    release: async (sessions: readonly string[]) => {
      released.push([...sessions]);
      for (const session of sessions) held.delete(session);
      // The request that was under way answers now.
      if (released.length === 1) {
        held.add(LATE);
        endRequest();
      }
    },
  } as unknown as MountLeases;
  const flusher = {} as Flusher;
  const stores = {} as WriteThrough;
  await new FinalFlush({ ledger, leases, flusher, stores }).release(performance.now() + 30_000, []);
  assert.deepEqual(released, [[CLEAN], [LATE]]);
});
