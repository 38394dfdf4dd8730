/** What a computer of the world `remote` may find again in a bucket that it is given. */
import assert from 'node:assert/strict';
import { register } from 'node:module';
import { test } from 'node:test';

register(new URL('platform/hooks.js', import.meta.url));
const { Ledger } = await import('../../src/sync/ledger/ledger.ts');
const { mkdirSync } = await import('./platform/fs.ts');
const { Machine, runOn } = await import('./platform/machine.ts');
const { bringAlong } = await import('./remote/cache-content.ts');
const { Computer } = await import('./remote/computer.ts');
const { SimulatedStore } = await import('./remote/store.ts');
const { Truth } = await import('./remote/truth.ts');

const [A, B] = ['bucket-a', 'bucket-b'];

for (const [what, buckets, ledgersOf, returns] of [
  ['a bucket of which the cache has no ledger', [B], [A], true],
  ['a bucket of which the cache has a ledger', [B], [A, B], false],
  ['its bucket, after one of which the cache has no ledger', [B, A], [A], false],
] as const)
  test(`what a computer deletes before it has compared the session with the bucket ${returns ? 'may' : 'must not'} come back from ${what}`, () => {
    const machine = new Machine(1);
    runOn(machine);
    const truth = new Truth(() => []);
    const stores = new Map([A, B].map((name) => [name, new SimulatedStore(machine, name, () => {})]));
    const storeOf = (name: string) => stores.get(name) as InstanceType<typeof SimulatedStore>;
    const computer = new Computer('m0', { machine, truth, settings: {}, storeOf });
    const { cache, view } = computer;
    mkdirSync(cache, 0o700);
    for (const name of ledgersOf)
      Ledger.open({ cachePath: cache, bucket: `gs://${name}`, cachedObjects: () => [] }).close();
    for (const name of buckets) {
      computer.useBucket(name);
      bringAlong(computer, truth);
    }
    const { store } = computer;
    const [session, name] = ['u-+1', 'key-0.json'];
    const path = `${session}/${name}`;
    const version = truth.lineage.write(path, undefined);
    const find = () => view.found(store, session, new Map([[name, version]]));
    find();
    view.statesOf(session).set(name, truth.lineage.delete('m0', path, version));
    view.opened(session, undefined);
    assert.throws(find, /what is deleted stays deleted/, 'the bucket was not asked');
    view.compared(store, session);
    view.opened(session, undefined);
    if (returns) find();
    else assert.throws(find, /what is deleted stays deleted/);
    runOn(undefined);
  });
