/** What only the directory has: other processes, crashes between two steps, other programs, disks that go away. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ABSENT, type Bucket } from '../../src/bucket/bucket.ts';
import { openDirectoryBucket } from '../../src/bucket/directory/directory-bucket.ts';
import { directoryError } from '../../src/bucket/directory/error.ts';
import { DirectoryLayout } from '../../src/bucket/directory/layout.ts';
import { self } from '../../src/bucket/directory/lock-owner.ts';
import { cleanUp } from '../support/cleanup.ts';
import { DaemonProcess } from '../support/daemon-process.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { ofKind } from './subjects.ts';

const writer = join(repository, 'dist/test/bucket/directory-writer.js');
const fresh = { ifGeneration: ABSENT, metadata: {} };

function rig(t: TestContext, timeoutMs?: number): { path: string; layout: DirectoryLayout; bucket: Bucket } {
  const path = join(temporaryDirectory(t), 'bucket');
  return { path, layout: new DirectoryLayout(path), bucket: openDirectoryBucket(path, { timeoutMs }) };
}

function start(t: TestContext, ...args: string[]): DaemonProcess {
  const started = new DaemonProcess(process.execPath, [writer, ...args], cleanEnvironment(), repository);
  cleanUp(t, async () => {
    started.killAll();
    await started.waitForExit(30_000);
  });
  return started;
}

test('an object is a plain file of its name, and lists in the order of bytes', async (t) => {
  const { path, bucket } = rig(t);
  const names = ['a', 'a b', 'a.b/c', 'a/b'.replace('a/', 'aa/'), 'é', 'z'];
  for (const name of [...names].reverse()) await bucket.put(name, Buffer.from(name), fresh);
  for (const name of names) assert.equal(fs.readFileSync(join(path, name), 'utf8'), name);
  const listed = (await bucket.list('')).objects.map((object) => object.name);
  assert.deepEqual(
    listed,
    [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  );
});

test('folders go with their last object', async (t) => {
  const { path, bucket } = rig(t);
  const { generation } = await bucket.put('a/b/c', Buffer.from('x'), fresh);
  await bucket.delete('a/b/c', { ifGeneration: generation });
  assert.deepEqual(fs.readdirSync(path), ['.sessionfs-objects']);
  await bucket.put('a', Buffer.from('now a file'), fresh);
});

test('a name that would lie elsewhere is refused', async (t) => {
  const { bucket } = rig(t);
  const names = ['', '.', '..', '../x', 'a/../b', '/a', 'a/', 'a//b', 'a/./b', 'a\0b', 'a\nb', 'a\ud800'];
  for (const name of [...names, 'x'.repeat(256), '.sessionfs-objects/format']) {
    await assert.rejects(bucket.put(name, Buffer.from('x'), fresh), ofKind('rejected'), name);
    await assert.rejects(bucket.get(name), ofKind('rejected'), name);
  }
});

test('a file and a folder of one name do not fit, and the error says so', async (t) => {
  const { bucket } = rig(t);
  await bucket.put('a/b', Buffer.from('x'), fresh);
  for (const name of ['a', 'a/b/c']) {
    await assert.rejects(bucket.put(name, Buffer.from('x'), fresh), (error: { hint?: string }) => {
      assert.match(error.hint ?? '', /file and a folder/);
      return ofKind('rejected')(error);
    });
  }
  assert.equal((await bucket.list('')).objects.length, 1);
});

test('files that another program put there are objects; one that it changed is corrupt', async (t) => {
  const { path, bucket } = rig(t);
  await bucket.put('ours', Buffer.from('one'), fresh);
  fs.mkdirSync(join(path, 'u'));
  fs.writeFileSync(join(path, 'u/theirs'), 'copied');
  fs.symlinkSync('/etc/passwd', join(path, 'u/link'));
  const { objects } = await bucket.list('');
  assert.deepEqual(
    objects.map((object) => object.name),
    ['ours', 'u/theirs'],
  );
  const theirs = await bucket.get('u/theirs');
  assert.equal(theirs.generation, objects[1]?.generation);
  assert.equal(theirs.bytes.toString(), 'copied');
  await assert.rejects(bucket.get('u/link'), ofKind('missing'));

  fs.writeFileSync(join(path, 'ours'), 'two');
  await assert.rejects(bucket.get('ours'), ofKind('corrupt'));
  const { generation } = await bucket.head('ours');
  await bucket.put('ours', Buffer.from('three'), { ifGeneration: generation, metadata: {} });
  assert.equal((await bucket.get('ours')).bytes.toString(), 'three');
});

test('a put that a crash ended before its content was moved never was', async (t) => {
  const { layout, bucket } = rig(t);
  const old = await bucket.put('x', Buffer.from('old'), fresh);
  const paths = layout.object('x');
  const record = JSON.parse(fs.readFileSync(paths.version, 'utf8'));
  fs.writeFileSync(paths.data('99'), 'newer');
  fs.writeFileSync(paths.pending, JSON.stringify({ ...record, generation: '99', size: 5 }));
  assert.equal((await bucket.head('x')).generation, old.generation);
  assert.equal((await bucket.get('x')).bytes.toString(), 'old');
  assert.ok(!fs.existsSync(paths.pending) && !fs.existsSync(paths.data('99')));
});

for (const [title, look] of [
  ['a look', async (bucket: Bucket) => (await bucket.head('x')).generation],
  ['a listing', async (bucket: Bucket) => (await bucket.list('')).objects[0]?.generation],
  ['a get', async (bucket: Bucket) => (await bucket.get('x')).generation],
] as const) {
  test(`a put that a crash ended after its content was moved is finished by ${title}`, async (t) => {
    const { layout, bucket } = rig(t);
    const paths = layout.object('x');
    const put = await bucket.put('x', Buffer.from('new'), { ...fresh, uploadId: 'mine' });
    // As it was one step before the end.
    fs.renameSync(paths.version, paths.pending);
    assert.equal(await look(bucket), put.generation);
    assert.ok(fs.existsSync(paths.version) && !fs.existsSync(paths.pending));
    assert.deepEqual(await bucket.put('x', Buffer.from('new'), { ...fresh, uploadId: 'mine' }), put);
  });
}

test('a delete that a crash ended after the content is done', async (t) => {
  const { path, layout, bucket } = rig(t);
  await bucket.put('x', Buffer.from('old'), fresh);
  fs.unlinkSync(join(path, 'x'));
  assert.ok(fs.existsSync(layout.object('x').version));
  await assert.rejects(bucket.head('x'), ofKind('missing'));
  assert.deepEqual((await bucket.list('')).objects, []);
  await bucket.put('x', Buffer.from('new'), fresh);
});

test('a writer that is killed at any moment leaves whole objects, which the next one can change', async (t) => {
  const { path, bucket } = rig(t);
  await bucket.list('');
  for (let round = 0; round < 25; round++) {
    const victim = start(t, 'replace', path);
    while (!victim.log().includes('.')) {
      assert.equal(victim.exit, undefined, victim.log());
      await sleep(2);
    }
    await sleep(Math.random() * 30);
    victim.killAll();
    await victim.waitForExit(30_000);
    for (const { name, generation } of (await bucket.list('')).objects) {
      const object = await bucket.get(name);
      assert.equal(object.generation, generation);
      const turn = Number(object.metadata.turn);
      assert.ok(
        object.bytes.equals(Buffer.alloc(1 + (turn % 50) * 1000, `${turn} `)),
        `${name} of turn ${turn}`,
      );
      await bucket.put(name, object.bytes, { ifGeneration: generation, metadata: object.metadata });
    }
  }
});

test('processes that count together never lose a turn', async (t) => {
  const { path, bucket } = rig(t);
  await bucket.put('counter', Buffer.from('0'), fresh);
  const counters = Array.from({ length: 4 }, () => start(t, 'count', path, '25'));
  for (const counter of counters) {
    const { code } = await counter.waitForExit(60_000);
    assert.equal(code, 0, counter.log());
  }
  assert.equal((await bucket.get('counter')).bytes.toString(), '100');
});

test('the lock of a dead process is broken, also by several at once, and that of a dead breaker', async (t) => {
  const { layout, bucket, path } = rig(t);
  await bucket.list('');
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  const { lock } = layout.object('x');
  const dead = JSON.stringify({ ...self(), pid, nonce: 'dead' });
  fs.writeFileSync(lock, dead);
  const puts = Array.from({ length: 8 }, () => openDirectoryBucket(path).put('x', Buffer.from('x'), fresh));
  const results = await Promise.allSettled(puts);
  assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
  assert.deepEqual(fs.readdirSync(layout.folder('locks')), []);

  // A number that was used again belongs to another process.
  fs.writeFileSync(lock, JSON.stringify({ ...self(), started: '1', nonce: 'reused' }));
  const { generation } = await bucket.head('x');
  await bucket.delete('x', { ifGeneration: generation });
});

test('the lock of a live process, or of another machine, is waited for, and the wait has an end', async (t) => {
  const { layout, bucket } = rig(t, 300);
  await bucket.put('y', Buffer.from('y'), fresh);
  const { lock } = layout.object('x');
  for (const holder of [
    { ...self(), nonce: 'alive' },
    { ...self(), machine: 'another', nonce: 'far' },
  ]) {
    fs.writeFileSync(lock, JSON.stringify(holder));
    await assert.rejects(bucket.put('x', Buffer.from('x'), fresh), ofKind('unreachable', /300 ms/));
    assert.equal(fs.readFileSync(lock, 'utf8'), JSON.stringify(holder));
    assert.equal((await bucket.get('y')).bytes.toString(), 'y');
  }
  fs.unlinkSync(lock);
  await bucket.put('x', Buffer.from('x'), fresh);
});

test('the directory is made where its parent is there, and only then', async (t) => {
  const { path, bucket } = rig(t);
  assert.ok(!fs.existsSync(path), 'opening makes nothing');
  await bucket.list('');
  const lost = openDirectoryBucket(join(path, 'no/parent'));
  await assert.rejects(lost.list(''), ofKind('missing', /no such directory/));
  await bucket.put('file', Buffer.from('x'), fresh);
  await assert.rejects(
    openDirectoryBucket(join(path, 'file')).list(''),
    ofKind('rejected', /not a directory/),
  );
});

test('a disk that is no longer mounted is unreachable, never empty', async (t) => {
  const { path, bucket } = rig(t);
  await bucket.put('x', Buffer.from('x'), fresh);
  fs.renameSync(path, `${path}-away`);
  for (const mountPoint of [false, true]) {
    if (mountPoint) fs.mkdirSync(path);
    await assert.rejects(bucket.list(''), ofKind('unreachable'));
    await assert.rejects(bucket.get('x'), ofKind('unreachable'));
    await assert.rejects(bucket.put('y', Buffer.from('y'), fresh), ofKind('unreachable'));
  }
  fs.rmdirSync(path);
  fs.renameSync(`${path}-away`, path);
  assert.equal((await bucket.get('x')).bytes.toString(), 'x');
});

test('a directory that this user may not use is a matter of permission', async (t) => {
  const { bucket } = rig(t);
  await bucket.put('x', Buffer.from('x'), fresh);
  process.seteuid?.(65534);
  try {
    await assert.rejects(bucket.get('x'), ofKind('permission', /EACCES/));
    await assert.rejects(bucket.put('x', Buffer.from('x'), fresh), ofKind('permission', /EACCES/));
  } finally {
    process.seteuid?.(0);
  }
});

test('what a crash left aside for a day is removed, but nothing that is still spoken of', async (t) => {
  const { path, layout, bucket } = rig(t);
  await bucket.put('x', Buffer.from('x'), fresh);
  const [x, y] = [layout.object('x'), layout.object('y')];
  fs.writeFileSync(x.data('7'), 'aside');
  fs.writeFileSync(y.data('8'), 'pending');
  fs.writeFileSync(y.pending, 'spoken of');
  await openDirectoryBucket(path).list('');
  assert.ok(fs.existsSync(x.data('7')), 'too young');
  await openDirectoryBucket(path, { now: () => Date.now() + 25 * 3600 * 1000 }).list('');
  assert.ok(!fs.existsSync(x.data('7')));
  assert.ok(fs.existsSync(y.data('8')));
});

test('each failure of a disk has its class, and a hint where an operator can do something', () => {
  for (const [code, kind] of [
    ['ENOSPC', 'unreachable'],
    ['EDQUOT', 'unreachable'],
    ['EIO', 'unreachable'],
    ['ESTALE', 'unreachable'],
    ['EROFS', 'permission'],
    ['EMFILE', 'throttled'],
  ] as const) {
    const error = directoryError('cannot write', Object.assign(new Error('failed'), { code }));
    assert.equal(error.kind, kind, code);
    assert.ok(error.hint, code);
    assert.match(error.message, new RegExp(`cannot write: ${code}`));
  }
});
