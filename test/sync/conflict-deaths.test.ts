/** A daemon dies while it gives way to another mount's version of a session: the next one must not store half of one that was here. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { signature } from '../../src/bucket/object-metadata.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { Ledger, ledgerPath } from '../../src/sync/ledger/ledger.ts';
import { yieldSession } from '../../src/sync/reconcile/conflict.ts';
import { listSession } from '../../src/sync/reconcile/listing.ts';
import { Reconciliation } from '../../src/sync/reconcile/reconcile.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { foreignObjects, Machine } from './support.ts';

const S = 'u-+1';
const name = (file: string) => toObjectName(`${S}/${file}`, 'file');

const THERE: Record<string, (bucket: MemoryBucket) => void> = {
  'changed a file': (bucket) => theirs(bucket, 'creds.json'),
  'deleted a file': (bucket) => void bucket.objects.delete(name('key-2.json')),
  'made a file': (bucket) => theirs(bucket, 'key-9.json'),
};

const HERE: Record<string, (machine: Machine) => Promise<void>> = {
  'changed another file': (machine) => machine.write(`${S}/key-1.json`, 'ok new'),
  'made another file': (machine) => machine.write(`${S}/key-5.json`, 'ok new'),
  'changed all': async (machine) => {
    for (const file of ['key-2.json', 'key-1.json', 'creds.json', 'key-9.json'])
      await machine.write(`${S}/${file}`, 'ok new');
    await machine.delete(`${S}/key-3.json`);
  },
};

function theirs(bucket: MemoryBucket, file: string): void {
  bucket.store(name(file), Buffer.from('ok theirs'), signature('another', 2));
}

async function compare(bucket: MemoryBucket, ledger: Ledger, remove = async () => {}): Promise<Set<string>> {
  const comparing = new Reconciliation(ledger, {
    ...{ served: () => false, only: S, wroteElsewhere: () => true, holds: async () => false },
    ...{ remove, foreign: foreignObjects() },
  });
  await comparing.add(bucket.objects.values());
  return (await comparing.end()).conflicts;
}

async function inConflict(t: TestContext, there: string, here: string) {
  const bucket = new MemoryBucket();
  const cachePath = temporaryDirectory(t);
  const machine = new Machine(t, bucket, { cachePath });
  for (const file of ['creds.json', 'key-1.json', 'key-2.json', 'key-3.json'])
    await machine.write(`${S}/${file}`, 'ok');
  await machine.sync.flusher.flush(S);
  THERE[there]?.(bucket);
  await HERE[here]?.(machine);
  return { bucket, machine, cachePath };
}

for (const there of Object.keys(THERE))
  for (const here of Object.keys(HERE))
    test(`another mount ${there}, this one ${here}: a conflict, until nothing is left that changed here`, async (t) => {
      const { bucket, machine, cachePath } = await inConflict(t, there, here);
      const begun = readFileSync(ledgerPath(cachePath)).length;
      const never = async () => assert.fail('what is in conflict is no deletion to be carried out');
      assert.deepEqual([...(await compare(bucket, machine.ledger, never))], [S]);
      const listed = await listSession(bucket, S, foreignObjects());
      await yieldSession(machine.ledger, machine.cache, S, listed, 5);
      assert.equal(machine.ledger.isDirty(S), false);
      const bytes = readFileSync(ledgerPath(cachePath));
      let deaths = 0;
      for (let end = begun; end <= bytes.length; end = bytes.indexOf('\n', end) + 1 || bytes.length + 1) {
        const path = temporaryDirectory(t);
        writeFileSync(ledgerPath(path), bytes.subarray(0, end));
        const ledger = Ledger.open({ cachePath: path, bucket: bucket.address, cachedObjects: () => [] });
        const conflicts = await compare(bucket, ledger);
        const left = ledger.dirtyOf(S).map((entry) => entry.name);
        ledger.close();
        if (left.length > 0)
          assert.ok(conflicts.has(S), `${left} would be stored, after ${end - begun} bytes`);
        deaths++;
      }
      assert.ok(deaths > 1);
    });

test('a backup that changed here does not stand for the file that another mount deleted', async (t) => {
  const { bucket, machine } = await inConflict(t, 'deleted a file', 'changed another file');
  const backup = bucket.store(name('creds.json.bak'), Buffer.from('ok'), signature(machine.ledger.id, 1));
  await machine.write(`${S}/creds.json.bak`, 'ok');
  machine.ledger.same(name('creds.json.bak'), backup);
  await machine.write(`${S}/creds.json.bak`, 'ok newer');
  bucket.objects.delete(name('creds.json'));
  await yieldSession(machine.ledger, machine.cache, S, await listSession(bucket, S, foreignObjects()), 5);
  assert.deepEqual(machine.ledger.dirtyOf(S), []);
  assert.equal(machine.ledger.get(name('creds.json.bak'))?.local, 'absent');
});

test('what another mount deleted is kept aside as well, and is gone from the session', async (t) => {
  const { bucket, machine, cachePath } = await inConflict(t, 'deleted a file', 'changed another file');
  const listed = await listSession(bucket, S, foreignObjects());
  const kept = await yieldSession(machine.ledger, machine.cache, S, listed, 5);
  assert.deepEqual(kept.sort(), [name('key-1.json'), name('key-2.json')]);
  assert.equal(machine.ledger.get(name('key-2.json')), undefined);
  assert.throws(() => machine.read(`${S}/key-2.json`), /ENOENT/);
  assert.equal(readdirSync(join(cachePath, 'set-aside')).length, 2);
});

test('what lies beside a database that another mount deleted goes with it, also after a death in the middle', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, { cachePath: temporaryDirectory(t) });
  for (const file of ['auth.db', 'creds.json']) await machine.write(`${S}/${file}`, 'ok');
  await machine.sync.flusher.flush(S);
  await machine.cache.put(`${S}/auth.db-wal`, Buffer.from('ok log'));
  bucket.objects.delete(name('auth.db'));
  await machine.write(`${S}/creds.json`, 'ok new');
  const listed = await listSession(bucket, S, foreignObjects());
  const { files } = machine.cache;
  const removeFile = files.removeFile.bind(files);
  files.removeFile = () => Promise.reject(new Error('the daemon dies'));
  await assert.rejects(yieldSession(machine.ledger, machine.cache, S, listed, 5), /the daemon dies/);
  files.removeFile = removeFile;
  await yieldSession(machine.ledger, machine.cache, S, listed, 6);
  for (const file of ['auth.db', 'auth.db-wal'])
    assert.equal(existsSync(machine.cache.files.locate(name(file))), false, file);
});

test('what changes while deletions of another mount are carried out is in conflict, not forgotten', async (t) => {
  const { bucket, machine } = await inConflict(t, 'deleted a file', 'nothing');
  // In the place of the file another mount made a folder, with a file that is made here, too.
  theirs(bucket, 'key-2.json/x.json');
  const conflicts = await compare(bucket, machine.ledger, () =>
    machine.ledger.changed([name('key-2.json/x.json')], []),
  );
  assert.deepEqual([...conflicts], [S]);
  assert.equal(machine.ledger.get(name('key-2.json/x.json'))?.local, 'changed');
});

test('a file that is made anew while its deletion is carried out stays in the ledger', async (t) => {
  const { bucket, machine } = await inConflict(t, 'deleted a file', 'nothing');
  await compare(bucket, machine.ledger, async () => {
    const deleted = machine.ledger.get(name('key-2.json'));
    assert.ok(deleted !== undefined);
    machine.ledger.forget(deleted);
    await machine.write(`${S}/key-2.json`, 'ok new');
  });
  assert.equal(machine.ledger.get(name('key-2.json'))?.local, 'changed');
});
