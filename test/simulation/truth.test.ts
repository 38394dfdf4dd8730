/** What the world `remote` takes for stored, and for kept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABSENT, type StoredObject } from '../../src/bucket/bucket.ts';
import { Keyring } from '../../src/crypto/keyring.ts';
import { OWNER, sealedSize, sealInto } from '../../src/crypto/sealed-file.ts';
import { keptVersionName, keptVersionPrefix } from '../../src/naming/kept-version-name.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { LedgerState } from '../../src/sync/ledger/state.ts';
import { KEY } from './daemon-parts.ts';
import { SimulatedDisk } from './platform/disk.ts';
import { mkdirSync, writeFileSync } from './platform/fs.ts';
import { Machine, Process, runOn } from './platform/machine.ts';
import { SimulatedStore } from './remote/store.ts';
import { Truth } from './remote/truth.ts';
import { View } from './remote/view.ts';

test('a file that was set aside counts when the daemon that set it aside has ended', () => {
  const machine = new Machine(1);
  runOn(machine);
  new SimulatedDisk(machine, '/m0');
  const truth = new Truth(() => ['/m0/cache', '/m0/never-made']);
  const store = new SimulatedStore(machine, 'bucket-a', () => {});
  const [path, newPath] = ['u-+1/key-0.json', 'u-+2/key-0.json'];
  const version = truth.lineage.write(path, undefined);
  truth.lineage.place(newPath, undefined, version);
  const moved = new Map([[path, truth.lineage.delete('m0', path, version, newPath)]]);
  const daemon = new Process('m0 d1');
  daemon.dead = true;
  const promise = () => machine.as(daemon, () => truth.promise(store, moved));
  assert.throws(promise, /what a flush says is stored is stored/, 'it is nowhere');
  keepAside('/m0/cache', newPath, sealed(newPath, JSON.stringify({ v: version })));
  promise();
  runOn(undefined);
});

for (const isDeletionStored of [false, true])
  test(`a file that a computer makes anew follows the deletion of another one: ${isDeletionStored ? 'the bucket shows it' : 'not while the bucket lacks it'}`, () => {
    const { truth, store } = begun();
    const path = 'u-+1/key-0.json';
    const name = toObjectName(path, 'file');
    const first = truth.lineage.write(path, undefined);
    const bytes = sealed(path, JSON.stringify({ v: first }));
    const { generation } = store.put('m0 d1', name, bytes, ABSENT, {});
    truth.lineage.delete('m0', path, first);
    if (isDeletionStored) store.delete('m0 d1', name, generation);
    const anew = truth.lineage.write(path, undefined, truth.knownTo({ name: 'm1', store }, path));
    const deleted = truth.lineage.delete('m1', path, anew);
    if (isDeletionStored) store.put('m0 d1', name, bytes, ABSENT, {});
    const promise = () => truth.promise(store, new Map([[path, deleted]]));
    if (isDeletionStored) assert.throws(promise, /what a flush says is stored is stored/, 'it came back');
    else promise();
    runOn(undefined);
  });

test('a flush of one session says nothing of where it was renamed to before, but that nothing is left under its name', () => {
  const { truth, store } = begun();
  const [path, newPath] = ['u-+1/key-0.json', 'u-+2/key-0.json'];
  const version = truth.lineage.write(path, undefined);
  truth.lineage.place(newPath, undefined, version);
  const moved = new Map([[path, truth.lineage.delete('m0', path, version, newPath)]]);
  truth.promise(store, moved, 'one');
  assert.throws(() => truth.promise(store, moved), /what a flush says is stored is stored/, 'it is nowhere');
  store.put('m0 d1', toObjectName(path, 'file'), sealed(path, JSON.stringify({ v: version })), ABSENT, {});
  assert.throws(() => truth.promise(store, moved, 'one'), /what a flush says is stored/, 'it is there still');
  runOn(undefined);
});

test('a file that a computer makes anew does not follow a deletion of what the bucket never had', () => {
  const { truth, store } = begun();
  const [path, newPath] = ['u-+1/key-0.json', 'u-+2/key-0.json'];
  const first = truth.lineage.write(path, undefined);
  const bytes = sealed(path, JSON.stringify({ v: first }));
  store.put('m0 d1', toObjectName(path, 'file'), bytes, ABSENT, {});
  // It goes on before it is stored in its new place, and nothing of that is stored.
  truth.lineage.place(newPath, undefined, first);
  truth.lineage.delete('m0', path, first, newPath);
  truth.lineage.delete('m0', newPath, first);
  const anew = truth.lineage.write(newPath, undefined, truth.knownTo({ name: 'm1', store }, newPath));
  assert.equal(truth.lineage.leadsTo(first, anew), false);
  truth.lineage.place(path, undefined, anew, truth.knownTo({ name: 'm1', store }, path));
  truth.promise(store, new Map([[path, truth.lineage.delete('m1', path, anew)]]));
  runOn(undefined);
});

test('what was deleted again before it was stored is shown by a bucket that had what it came from', () => {
  const { truth, store } = begun();
  const path = 'u-+1/key-0.json';
  const name = toObjectName(path, 'file');
  const first = truth.lineage.write(path, undefined);
  const bytes = sealed(path, JSON.stringify({ v: first }));
  const { generation } = store.put('m0 d1', name, bytes, ABSENT, {});
  const deleted = truth.lineage.delete('m0', path, first);
  store.delete('m0 d1', name, generation);
  const again = truth.lineage.delete('m0', path, truth.lineage.write(path, deleted));
  const anew = truth.lineage.write(path, undefined, truth.knownTo({ name: 'm1', store }, path));
  assert.equal(truth.lineage.leadsTo(again, anew), true);
  runOn(undefined);
});

test('a file that a computer makes anew after a deletion of its own follows what another one deleted since, too', () => {
  const { truth, store } = begun();
  const path = 'u-+1/key-0.json';
  const name = toObjectName(path, 'file');
  const own = truth.lineage.delete('m1', path, truth.lineage.write(path, undefined));
  const other = truth.lineage.write(path, undefined, () => false);
  const bytes = sealed(path, JSON.stringify({ v: other }));
  const { generation } = store.put('m0 d1', name, bytes, ABSENT, {});
  const known = () => truth.knownTo({ name: 'm1', store }, path);
  truth.lineage.delete('m0', path, other);
  assert.equal(truth.lineage.leadsTo(other, truth.lineage.write(path, own, known())), false, 'not shown');
  store.delete('m0 d1', name, generation);
  assert.equal(truth.lineage.leadsTo(other, truth.lineage.write(path, own, known())), true);
  runOn(undefined);
});

test('what an operator brought back behind the holder, who made and deleted a file of that name, is no broken promise', () => {
  const { truth, store, path, deleted, storeAgain } = broughtBack();
  const again = truth.lineage.delete('m0', path, truth.lineage.write(path, deleted));
  truth.promise(store, new Map([[path, again]]));
  storeAgain('m0 d1');
  assert.throws(
    () => truth.promise(store, new Map([[path, again]])),
    /what a flush says is stored is stored/,
  );
  runOn(undefined);
});

test('a file that another computer makes anew behind an operator follows the deletion of what that brought back', () => {
  const { truth, store, path, first } = broughtBack();
  const anew = truth.lineage.write(path, undefined, truth.knownTo({ name: 'm1', store }, path));
  assert.equal(truth.lineage.leadsTo(first, anew), true);
  const name = toObjectName(path, 'file');
  store.put('m1 d1', name, sealed(path, JSON.stringify({ v: anew })), store.head(name).generation, {});
  runOn(undefined);
});

test('nor is it when another mount takes the session over, and stores again all that it restored', () => {
  const { truth, store, path, deleted, storeAgain } = broughtBack();
  const again = truth.lineage.delete('m0', path, truth.lineage.write(path, deleted));
  storeAgain('m1 d1');
  truth.promise(store, new Map([[path, again]]));
  runOn(undefined);
});

for (const [finder, how] of [
  ['m1', 'by the mount that stored it again'],
  ['m0', 'by one that has the session after that mount'],
] as const)
  test(`what an operator brought back, and was found, is gone when its deletion is stored: ${how}`, () => {
    const { truth, store, path, first, deleted, storeAgain } = broughtBack();
    storeAgain('m1 d1');
    const promise = (version: number) => truth.promise(store, new Map([[path, version]]));
    promise(deleted);
    const found = truth.lineage.delete(finder, path, first);
    const anew = truth.lineage.delete(finder, path, truth.lineage.write(path, found));
    for (const deletion of [found, anew])
      assert.throws(() => promise(deletion), /what a flush says is stored is stored/);
    const name = toObjectName(path, 'file');
    store.delete('m1 d1', name, store.head(name).generation);
    promise(anew);
    runOn(undefined);
  });

test('a file that moved away before an operator brought it back is another one where it comes back to', () => {
  const newPath = 'u-+2/key-0.json';
  const { truth, store, path, first, deleted: moved, storeAgain } = broughtBack(newPath);
  storeAgain('m1 d1');
  const changed = truth.lineage.write(newPath, first);
  truth.lineage.place(path, moved, changed);
  truth.lineage.delete('m0', newPath, changed, path);
  truth.promise(store, new Map([[path, truth.lineage.delete('m0', path, changed)]]));
  runOn(undefined);
});

for (const [what, knows, returns] of [
  ['a cache that is given another bucket, or put back from before it had this one,', 'nothing', true],
  ['a cache that was copied before it had stored a file', 'the file', true],
  ['a cache that was copied when it had stored a file', 'its version', false],
] as const)
  test(`${what} ${returns ? 'may' : 'must not'} bring back what was deleted there since`, () => {
    const { truth, store } = begun();
    const path = 'u-+1/key-0.json';
    const name = toObjectName(path, 'file');
    const ledger = new LedgerState();
    const version = truth.lineage.write(path, undefined);
    const bytes = sealed(path, JSON.stringify({ v: version }));
    if (knows === 'the file') ledger.apply(['changed', name, 1]);
    const { generation } = store.put('m0 d1', name, bytes, ABSENT, {});
    if (knows === 'its version') ledger.apply(['same', name, generation, 1, bytes.length, 1]);
    store.delete('m0 d2', name, generation);
    const deleted = truth.lineage.delete('m0', path, truth.lineage.write(path, version));
    assert.equal(truth.follows(path, deleted, version), false);
    truth.bringAlong(store, path, bytes, knows === 'nothing' ? undefined : ledger);
    assert.equal(truth.follows(path, deleted, version), returns);
    runOn(undefined);
  });

for (const [what, knows, replaces] of [
  ['may replace what its ledger knows to be there', 'same', true],
  ['replaces nothing that it lacked', 'absent', false],
  ['replaces nothing that others stored since', 'older', false],
] as const)
  test(`a cache that gets its bucket back ${what}`, () => {
    const { truth, store } = begun();
    const path = 'u-+1/key-0.json';
    const name = toObjectName(path, 'file');
    const there = truth.lineage.write(path, undefined);
    const { generation } = store.put('m0 d1', name, sealed(path, JSON.stringify({ v: there })), ABSENT, {});
    const elsewhere = truth.lineage.write(path, undefined);
    const ledger = new LedgerState();
    const state = knows === 'absent' ? 'absent' : 'same';
    ledger.apply([state, name, knows === 'older' ? 'older' : generation, 1, 1, 1]);
    truth.bringAlong(store, path, sealed(path, JSON.stringify({ v: elsewhere })), ledger);
    assert.equal(truth.follows(path, there, elsewhere), replaces);
    runOn(undefined);
  });

for (const [what, knows, isDeleted, replaces] of [
  ['what an application deleted and the ledger waits to delete', 'deleted', true, true],
  ['what its ledger waits to delete and no application deleted', 'deleted', false, false],
  ['what its ledger knows to be there', 'same', true, false],
  ['what others stored since', 'older', true, false],
] as const)
  test(`a cache that gets its bucket back with an older version ${replaces ? 'may replace' : 'must not replace'} ${what}`, () => {
    const { truth, store } = begun();
    const path = 'u-+1/key-0.json';
    const name = toObjectName(path, 'file');
    const elsewhere = truth.lineage.write(path, undefined);
    const there = truth.lineage.write(path, elsewhere);
    const { generation } = store.put('m0 d1', name, sealed(path, JSON.stringify({ v: there })), ABSENT, {});
    if (isDeleted) truth.lineage.delete('m0', path, there, 'u-+2/key-0.json');
    const ledger = new LedgerState();
    ledger.apply(['same', name, knows === 'older' ? 'older' : generation, 1, 1, 1]);
    if (knows !== 'same') ledger.apply(['deleted', name, 1.001]);
    const bytes = sealed(path, JSON.stringify({ v: elsewhere }));
    truth.promise(store, new Map([[path, there]]));
    truth.bringAlong(store, path, bytes, ledger);
    const replace = () => store.put('m0 d2', name, bytes, generation, {});
    if (replaces) replace();
    else assert.throws(replace, /nothing that a flush stored is lost/);
    runOn(undefined);
  });

for (const isThereBefore of [false, true])
  test(`what is found where a newer version was deleted ${isThereBefore ? 'came back, if it was there before' : 'did not come back, if it was moved there since'}`, () => {
    const { truth, store } = begun();
    const [path, newPath] = ['u-+1/key-0.json', 'u-+2/key-0.json'];
    const older = truth.lineage.write(path, undefined);
    if (isThereBefore) truth.lineage.place(newPath, undefined, older);
    const newer = truth.lineage.write(path, older);
    // It goes on, and back, before it is stored there.
    truth.lineage.place(newPath, undefined, newer);
    const deleted = truth.lineage.delete('m0', newPath, newer);
    truth.promise(store, new Map([[newPath, deleted]]));
    // A computer that has the older one still.
    truth.lineage.place(newPath, undefined, older, truth.knownTo({ name: 'm1', store }, newPath));
    const bytes = sealed(newPath, JSON.stringify({ v: older }));
    const put = () => store.put('m1 d1', toObjectName(newPath, 'file'), bytes, ABSENT, {});
    if (isThereBefore) assert.throws(put, /nothing that a flush stored is lost/);
    else put();
    runOn(undefined);
  });

for (const [what, isBrought, isKept, passes] of [
  ['takes older keys back to a bucket before their credentials, newer ones are kept aside', true, true, true],
  ['takes older keys back, and nothing keeps newer ones', true, false, false],
  ['stores older keys that it does not bring from another bucket', false, true, false],
] as const)
  test(`a cache ${what}: that is ${passes ? 'allowed' : 'told'}`, () => {
    const { truth, store } = begun('/m0/cache');
    const [path, creds] = ['u-+1/key-0.json', 'u-+1/creds.json'];
    const name = toObjectName(path, 'file');
    const older = truth.lineage.write(path, undefined);
    const newer = truth.lineage.write(path, older);
    const key = sealed(path, JSON.stringify({ v: newer }));
    const { generation } = store.put('m0 d1', name, key, ABSENT, {});
    const v = truth.lineage.write(creds, undefined);
    const needing = sealed(creds, JSON.stringify({ v, needs: { 'key-0.json': newer } }));
    store.put('m0 d1', toObjectName(creds, 'file'), needing, ABSENT, {});
    const bytes = sealed(path, JSON.stringify({ v: older }));
    const ledger = new LedgerState();
    ledger.apply(['same', name, generation, 1, 1, 1]);
    if (isBrought) truth.bringAlong(store, path, bytes, ledger);
    if (isKept) keepAside('/m0/cache', path, key);
    const replace = () => store.put('m0 d2', name, bytes, generation, {});
    if (passes) replace();
    else assert.throws(replace, /credentials are never newer than their keys/);
    runOn(undefined);
  });

test('without its ledger a computer may find again what it deleted, until it has compared the session with the bucket', () => {
  const { truth, store } = begun();
  const [session, name] = ['u-+1', 'key-0.json'];
  const path = `${session}/${name}`;
  const view = new View('m0', truth);
  const old = truth.lineage.write(path, undefined);
  const find = (version?: number) =>
    view.found(store, session, new Map(version === undefined ? [] : [[name, version]]));
  const deletes = () => {
    find(old);
    view.statesOf(session).set(name, truth.lineage.delete('m0', path, old));
  };
  const opens = (isBlind: boolean) => {
    if (!isBlind) view.compared(store, session);
    view.opened(session, undefined);
  };
  const cameBack = /what is deleted stays deleted/;
  deletes();
  opens(false);
  assert.throws(() => find(old), cameBack);
  view.hasNoLedger(store);
  deletes();
  opens(true);
  assert.throws(() => find(old), cameBack, 'the bucket was not asked');
  opens(false);
  find(old);
  deletes();
  opens(false);
  assert.throws(() => find(old), cameBack, 'compared before');
  runOn(undefined);
});

for (const isFound of [false, true])
  test(`what an operator brought back ${isFound ? 'stays deleted where it was found before' : 'is there after a logout that could not know of it'}`, () => {
    const { truth, store } = begun();
    const [session, name] = ['u-+1', 'key-0.json'];
    const path = `${session}/${name}`;
    const objectName = toObjectName(path, 'file');
    const view = new View('m0', truth);
    const find = (version: number) => view.found(store, session, new Map([[name, version]]));
    const old = truth.lineage.write(path, undefined);
    const { generation } = store.put(
      'm0 d1',
      objectName,
      sealed(path, JSON.stringify({ v: old })),
      ABSENT,
      {},
    );
    store.delete('m0 d1', objectName, generation);
    const deleted = truth.lineage.delete('m0', path, truth.lineage.write(path, old));
    const unstored = truth.lineage.write(path, deleted);
    store.bringBack(store.old[0] as StoredObject, false);
    const last = isFound ? truth.lineage.write(path, old) : truth.lineage.write(path, unstored);
    view.opened(session, undefined);
    find(last);
    view.statesOf(session).set(name, truth.lineage.delete('m0', path, last));
    assert.throws(() => find(old), /what is deleted stays deleted/, 'by itself');
    view.opened(session, undefined);
    if (isFound) assert.throws(() => find(old), /what is deleted stays deleted/);
    else find(old);
    runOn(undefined);
  });

function begun(...caches: string[]): { truth: Truth; store: SimulatedStore } {
  const machine = new Machine(1);
  runOn(machine);
  new SimulatedDisk(machine, '/m0');
  const truth = new Truth(() => caches);
  return { truth, store: new SimulatedStore(machine, 'bucket-a', (change) => truth.changed(change)) };
}

/** An operator has brought back what m0 deleted, or moved, since it was stored. */
function broughtBack(movedTo?: string) {
  const { truth, store } = begun();
  const path = 'u-+1/key-0.json';
  const name = toObjectName(path, 'file');
  const first = truth.lineage.write(path, undefined);
  const bytes = sealed(path, JSON.stringify({ v: first }));
  const { generation } = store.put('m0 d1', name, bytes, ABSENT, {});
  if (movedTo !== undefined) truth.lineage.place(movedTo, undefined, first);
  const deleted = truth.lineage.delete('m0', path, first, movedTo);
  store.delete('m0 d1', name, generation);
  if (movedTo === undefined) truth.promise(store, new Map([[path, deleted]]));
  store.bringBack(store.old[0] as StoredObject, false);
  const storeAgain = (by: string) => store.put(by, name, bytes, store.head(name).generation, {});
  return { truth, store, path, first, deleted, storeAgain };
}

function keepAside(cache: string, path: string, bytes: Buffer): void {
  mkdirSync(`${cache}/set-aside`, { recursive: true });
  writeFileSync(keptVersionName(`${cache}/set-aside/${keptVersionPrefix(path)}`, 1), bytes);
}

function sealed(path: string, text: string): Buffer {
  const plain = Buffer.from(text);
  const out = Buffer.alloc(sealedSize(plain.length));
  const meta = { mode: 0o100600, uid: OWNER, gid: OWNER, mtimeSec: 1, mtimeNsec: 0 };
  sealInto(out, 0, Keyring.fromHex(KEY), path, meta, plain);
  return out;
}
