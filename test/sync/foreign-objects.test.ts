/** Objects that no mount can have stored: each costs itself, never its session. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { FakeGrants, grantOf } from './lease-support.ts';
import { Machine } from './support.ts';

const S = 'u-+1';
const CREDS = 'sessions/u/+1/creds.json';
const SKIPPED =
  'Objects in the bucket cannot be files of a session (their names, or another object in their way); they are skipped and left alone';
const LONG = 'n'.repeat(300);

const FOREIGN = {
  'a component of 300 bytes': [`sessions/u/+1/${LONG}.json`, `sessions/u/+1/${LONG}/x.json`],
  'a file below a file': [`${CREDS}/x`, `${CREDS}/%dir`],
  NUL: ['sessions/u/+1/a%00b.json', 'sessions/u/+1/%00'],
  'dots after decoding': ['sessions/u/+1/%2E%2E', 'sessions/u/+1/%2E', 'sessions/u/+1/%2E%2E/x.json'],
  'no name of ours': ['sessions/u/+1/', 'sessions/u/+1/a%41', 'sessions/u/+1//x'],
  'the folder of the mount itself': ['sessions/.sessionfs/x.json', 'sessions/.sessionfs%'],
};

function bucketWith(names: readonly string[], isFirst: boolean): MemoryBucket {
  const bucket = new MemoryBucket();
  const foreign = () => names.forEach((name) => void bucket.store(name, Buffer.from('ok foreign')));
  if (isFirst) foreign();
  bucket.store(CREDS, Buffer.from('ok'));
  bucket.store('sessions/u/+1/key.json', Buffer.from('ok'));
  if (!isFirst) foreign();
  return bucket;
}

const told = (machine: Machine) => machine.lines.filter(({ msg }) => msg === SKIPPED);

for (const [what, names] of Object.entries(FOREIGN)) {
  test(`${what}: skipped, logged once, never deleted; the session is restored and backed up`, async (t) => {
    for (const isFirst of [true, false]) {
      const bucket = bucketWith(names, isFirst);
      const machine = new Machine(t, bucket, { grants: new FakeGrants({ epoch: 1, previousEpoch: 1 }) });
      await machine.sync.prepare();
      assert.deepEqual([...machine.absent], [S]);
      await machine.sync.restorer.restore(S);
      assert.deepEqual(machine.restored[0]?.files.sort(), [`${S}/creds.json`, `${S}/key.json`]);
      machine.ledger.serve(S);
      // Compared again while an application uses it.
      await machine.sync.reconcileSession(S, grantOf({ epoch: 3, previousEpoch: 2 }), true);
      assert.deepEqual([...machine.ledger.conflicts], []);
      await machine.write(`${S}/key.json`, 'ok 2');
      await machine.sync.flusher.flushAll();
      assert.deepEqual(
        told(machine)
          .flatMap(({ objects }) => objects)
          .sort(),
        [...names].sort(),
      );
      for (const name of names) assert.equal(bucket.objects.get(name)?.bytes.toString(), 'ok foreign', name);
    }
  });
}

test('a file in whose place this cache has a folder is foreign, and the other way round', async (t) => {
  for (const [here, there] of [
    ['deep/a.json', 'deep'],
    ['a.json', 'a.json/x'],
  ] as const) {
    const { machine, bucket } = await outage(t, `${S}/${here}`);
    bucket.store(`sessions/u/+1/${there}`, Buffer.from('ok foreign'));
    bucket.store('sessions/u/+1/new.json', Buffer.from('ok new'));
    await machine.sync.prepare();
    await machine.sync.restorer.restore(S);
    assert.equal(machine.read(`${S}/${here}`), 'ok');
    assert.equal(machine.read(`${S}/new.json`), 'ok new');
    assert.equal(told(machine).length, 1, there);
  }
});

async function outage(t: TestContext, path: string) {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write(path, 'ok');
  await machine.sync.flusher.flush(S);
  return { machine, bucket };
}

test('what comes to lie below a file of a session in use is skipped, and no conflict', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, { grants: new FakeGrants() });
  await machine.write(`${S}/a.json`, 'ok');
  await machine.sync.flusher.flush(S);
  machine.ledger.serve(S);
  bucket.store('sessions/u/+1/a.json/x', Buffer.from('ok foreign'));
  await machine.sync.reconcileSession(S, grantOf({ epoch: 3, previousEpoch: 2 }), true);
  assert.deepEqual([...machine.ledger.conflicts], []);
  assert.equal(machine.ledger.get('sessions/u/+1/a.json/x'), undefined);
  assert.equal(told(machine).length, 1);
});

test('a file that another mount has replaced by a folder is no reason to skip what is in it', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, { grants: new FakeGrants() });
  await machine.write(`${S}/a.json`, 'ok');
  await machine.sync.flusher.flush(S);
  bucket.objects.clear();
  bucket.store('sessions/u/+1/a.json/x', Buffer.from('ok theirs'));
  await machine.sync.reconcileSession(S, grantOf({ epoch: 3, previousEpoch: 2 }), false);
  await machine.sync.restorer.restore(S);
  assert.equal(machine.read(`${S}/a.json/x`), 'ok theirs');
  assert.deepEqual(told(machine), []);
});

test('what the disk refuses for its name is skipped; a disk that fails is waited for', async (t) => {
  for (const [code, isSkipped] of [
    ['ENAMETOOLONG', true],
    ['ENOSPC', false],
  ] as const) {
    const bucket = bucketWith([], false);
    const machine = new Machine(t, bucket);
    await machine.sync.prepare();
    const { files } = machine.cache;
    const publish = files.publish.bind(files);
    let refused = 0;
    files.publish = async (staged, name, touched) => {
      if (name.endsWith('key.json') && (isSkipped || refused++ === 0))
        throw Object.assign(new Error(code), { code });
      return publish(staged, name, touched);
    };
    await machine.sync.restorer.restore(S);
    const expected = isSkipped ? [`${S}/creds.json`] : [`${S}/creds.json`, `${S}/key.json`];
    assert.deepEqual(machine.restored[0]?.files.sort(), expected);
    assert.equal(told(machine).length, isSkipped ? 1 : 0);
  }
});

test('a session of foreign objects alone is none', async (t) => {
  const bucket = new MemoryBucket();
  bucket.store(`sessions/u/+1/${LONG}`, Buffer.from('ok'));
  const machine = new Machine(t, bucket);
  assert.equal(await machine.sync.hasObjects(S), false);
  bucket.before = () => {
    throw new BucketError('unreachable', 'no answer');
  };
  await assert.rejects(machine.sync.hasObjects(S));
});
