/** The driver fuse-native between a libfuse that is played and a filesystem core that is real. */
import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LibfuseDriver } from '../../../src/drivers/libfuse/driver.ts';
import { errnoOfThisSystem } from '../../../src/drivers/libfuse/errno.ts';
import { CACHED_SECONDS } from '../../../src/drivers/libfuse/mount.ts';
import { PARKED } from '../../../src/fs/contract.ts';
import { Errno } from '../../../src/lib/errno.ts';
import { CALLER, Harness } from '../../fs/harness.ts';
import { cleanUp } from '../../support/cleanup.ts';
import { FakeFilesystem } from '../support/fake-filesystem.ts';
import { FakeLibfuse } from '../support/fake-libfuse.ts';

const CREATE = 0o100600;
const HIDDEN = '.fuse_hidden0000000100000001';

class Rig {
  readonly libfuse = new FakeLibfuse();
  readonly thread = this.libfuse.thread();
  readonly other = this.libfuse.thread();
  readonly syncs: [number, number][] = [];
  readonly unexpected: unknown[] = [];
  readonly mapped: string[] = [];
  readonly measured: [operation: string, error: number, ms: number][] = [];
  room = false;
  readonly driver: LibfuseDriver;

  constructor(fs: ConstructorParameters<typeof LibfuseDriver>[1]) {
    this.driver = new LibfuseDriver(this.libfuse.binding, fs, CALLER, {
      syncThenReply: (lo, hi) => this.syncs.push([lo, hi]),
      store: () => {},
      answered: () => {},
      makeRoom: () => this.room,
      measured: (operation, error, ms) => this.measured.push([operation, error, ms]),
      afterRequest: () => {},
      unexpected: (error) => this.unexpected.push(error),
      initialized: () => {},
      cannotMap: (path) => this.mapped.push(path),
    });
    this.driver.mount('/mnt', '-o');
  }

  create(path: string, text: string): number {
    const handle = this.libfuse.call(this.thread, 'create', path, CREATE).more[0] as number;
    this.write(path, handle, text, 0);
    return handle;
  }

  write(path: string, handle: number, text: string, offset: number): number {
    const data = Buffer.from(text);
    return this.libfuse.call(this.thread, 'write', path, handle, data, data.length, offset, 0).result;
  }

  read(path: string, handle: number): string {
    const out = Buffer.alloc(100);
    const { result } = this.libfuse.call(this.thread, 'read', path, handle, out, out.length, 0, 0);
    return result < 0 ? `error ${result}` : out.toString('utf8', 0, result);
  }

  status(name: 'getattr' | 'unlink' | 'rmdir', path: string, thread = this.thread): number {
    return this.libfuse.call(thread, name, path).result;
  }

  open(path: string, flags: number): number {
    return this.libfuse.call(this.thread, 'open', path, flags).more[0] as number;
  }
}

function realRig(t: TestContext): { rig: Rig; harness: Harness } {
  const harness = new Harness();
  cleanUp(t, () => harness.remove());
  return { rig: new Rig(harness.fs), harness };
}

function lookupsIn({ opened }: Harness): number {
  const { tree } = opened.core;
  return [...tree.below(tree.root)].reduce((sum, { lookups }) => sum + lookups, 0);
}

test('files are made, written, read, listed, renamed and removed by their paths, and nothing stays looked up', (t) => {
  const { rig, harness } = realRig(t);
  const { libfuse, thread } = rig;
  assert.equal(libfuse.call(thread, 'mkdir', '/u-+1', 0o40700).result, 0);
  const handle = rig.create('/u-+1/creds.json', '{"a":1}');
  assert.equal(rig.read('/u-+1/creds.json', handle), '{"a":1}');
  assert.equal(libfuse.call(thread, 'release', '/u-+1/creds.json', handle).result, 0);
  const listed = libfuse.call(thread, 'readdir', '/u-+1');
  assert.deepEqual(listed.more[0], ['.', '..', 'creds.json']);
  const [mode, , , size] = libfuse.call(thread, 'getattr', '/u-+1/creds.json').more[0] as Uint32Array;
  assert.deepEqual([mode, size], [0o100600, 7]);
  assert.equal(libfuse.call(thread, 'rename', '/u-+1/creds.json', '/u-+1/other.json').result, 0);
  assert.equal(rig.status('getattr', '/u-+1/creds.json'), Errno.ENOENT);
  assert.equal(rig.status('rmdir', '/u-+1'), Errno.ENOTEMPTY);
  assert.equal(libfuse.call(thread, 'symlink', 'other.json', '/u-+1/link').result, 0);
  assert.equal(libfuse.call(thread, 'readlink', '/u-+1/link').more[0], 'other.json');
  assert.equal(lookupsIn(harness), 0);
  for (const name of ['link', 'other.json']) assert.equal(rig.status('unlink', `/u-+1/${name}`), 0);
  assert.equal(rig.status('rmdir', '/u-+1'), 0);
  assert.deepEqual(rig.unexpected, []);
});

test('a truncated *.json keeps its version, and an append goes to the end that the core knows', (t) => {
  const { rig } = realRig(t);
  rig.create('/a.json', '{"old":1}');
  const writer = rig.open('/a.json', constants.O_WRONLY);
  assert.equal(rig.libfuse.call(rig.thread, 'truncate', '/a.json', 0, 0).result, 0);
  const reader = rig.open('/a.json', constants.O_RDONLY);
  assert.equal(rig.read('/a.json', reader), '{"old":1}');
  rig.write('/a.json', writer, '{"new":', 0);
  assert.equal(rig.read('/a.json', reader), '{"old":1}');
  rig.write('/a.json', writer, '2}', 7);
  assert.equal(rig.read('/a.json', reader), '{"new":2}');
  const log = rig.create('/log', 'one');
  const appender = rig.open('/log', constants.O_WRONLY | constants.O_APPEND);
  assert.equal(rig.write('/log', appender, ' two', 999), 4);
  assert.equal(rig.read('/log', log), 'one two');
});

test('a file that was completed after a lookup had missed it is looked up again by the next creator', (t) => {
  const { rig } = realRig(t);
  rig.create('/a.json', '{"a":1}');
  assert.equal(
    rig.libfuse.call(rig.thread, 'create', '/a.json', CREATE).result,
    errnoOfThisSystem(Errno.ESTALE),
  );
});

test('an open file that is removed goes on under the name that libfuse hides it by', (t) => {
  const { rig, harness } = realRig(t);
  const { libfuse, thread } = rig;
  const handle = rig.create('/a.json', '{"a":1}');
  assert.equal(libfuse.call(thread, 'rename', '/a.json', `/${HIDDEN}`).result, 0);
  assert.equal(rig.status('getattr', '/a.json'), Errno.ENOENT);
  assert.equal(rig.read(`/${HIDDEN}`, handle), '{"a":1}');
  assert.equal(rig.status('getattr', `/${HIDDEN}`), 0);
  assert.deepEqual(libfuse.call(thread, 'readdir', '/').more[0], ['.', '..']);
  assert.equal(libfuse.call(thread, 'release', `/${HIDDEN}`, handle).result, 0);
  assert.equal(rig.status('unlink', `/${HIDDEN}`), 0);
  assert.equal(rig.status('getattr', `/${HIDDEN}`), Errno.ENOENT);
  assert.equal(lookupsIn(harness), 0);
});

test('an open file that a refused rename was to replace is there for those that the kernel sends to the name before', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { rig, harness } = realRig(t);
  const { libfuse, thread } = rig;
  const handle = rig.create('/a.json', '{"good":1}');
  libfuse.call(thread, 'release', '/cut', rig.create('/cut', '{"cut'));
  assert.equal(libfuse.call(thread, 'rename', '/a.json', `/${HIDDEN}`).result, 0);
  assert.equal(libfuse.call(thread, 'rename', '/cut', '/a.json').result, Errno.EIO);
  assert.equal(libfuse.call(thread, 'release', `/${HIDDEN}`, handle).result, 0);
  assert.equal(rig.status('unlink', `/${HIDDEN}`), 0);
  const reader = rig.open(`/${HIDDEN}`, constants.O_RDONLY);
  assert.equal(rig.read(`/${HIDDEN}`, reader), '{"good":1}');
  assert.equal(libfuse.call(thread, 'release', `/${HIDDEN}`, reader).result, 0);
  assert.deepEqual(libfuse.call(thread, 'readdir', '/').more[0], ['.', '..', 'a.json', 'cut']);
  t.mock.timers.tick(2 * CACHED_SECONDS * 1000);
  assert.equal(rig.status('getattr', `/${HIDDEN}`), Errno.ENOENT);
  assert.equal(lookupsIn(harness), 0);
});

test('a file that is not open keeps its content under a name like those of hidden files', (t) => {
  const { rig } = realRig(t);
  const { libfuse, thread } = rig;
  libfuse.call(thread, 'release', '/a.json', rig.create('/a.json', '{"a":1}'));
  assert.equal(libfuse.call(thread, 'rename', '/a.json', `/${HIDDEN}`).result, 0);
  assert.equal(rig.status('getattr', '/a.json'), Errno.ENOENT);
  assert.deepEqual(libfuse.call(thread, 'readdir', '/').more[0], ['.', '..', HIDDEN]);
  assert.equal(rig.read(`/${HIDDEN}`, rig.open(`/${HIDDEN}`, constants.O_RDONLY)), '{"a":1}');
});

test('an open file is replaced in one step: a caller that looks it up in between waits, and never finds it missing', (t) => {
  const { rig } = realRig(t);
  const { libfuse, thread, other } = rig;
  const old = rig.create('/a.json', '{"a":1}');
  libfuse.call(thread, 'release', '/b', rig.create('/b', '{"b":22}'));
  assert.equal(libfuse.call(thread, 'rename', '/a.json', `/${HIDDEN}`).result, 0);
  libfuse.ask(other, 'getattr', '/a.json');
  assert.deepEqual(libfuse.answers(other), []);
  assert.equal(libfuse.call(thread, 'rename', '/b', '/a.json').result, 0);
  const found = libfuse.answers(other).map(({ result, more }) => [result, (more[0] as Uint32Array)[3]]);
  assert.deepEqual(found, [[0, 8]]);
  assert.equal(rig.read(`/${HIDDEN}`, old), '{"a":1}');
});

test('a thread that hides a file and then says nothing has removed it', async (t) => {
  const { rig } = realRig(t);
  const { libfuse, thread, other } = rig;
  rig.create('/a.json', '{"a":1}');
  assert.equal(libfuse.call(thread, 'rename', '/a.json', `/${HIDDEN}`).result, 0);
  libfuse.ask(other, 'getattr', '/a.json');
  for (let answers = libfuse.answers(other); ; answers = libfuse.answers(other)) {
    if (answers.length > 0) {
      assert.equal(answers[0]?.result, Errno.ENOENT);
      return;
    }
    await sleep(1);
  }
});

test('a file that was hidden just before the mount went is removed', (t) => {
  const { rig, harness } = realRig(t);
  rig.create('/a.json', '{"a":1}');
  assert.equal(rig.libfuse.call(rig.thread, 'rename', '/a.json', `/${HIDDEN}`).result, 0);
  assert.equal(harness.fs.files, 1);
  rig.driver.requests.finish();
  assert.equal(harness.fs.files, 0);
});

test('a file too unfinished to have a name is stated to its maker, and opened only to be written anew', (t) => {
  const { rig } = realRig(t);
  const handle = rig.create('/new.json', '{"cut');
  assert.equal(rig.libfuse.call(rig.thread, 'fgetattr', '/new.json', handle).result, 0);
  assert.equal(rig.status('getattr', '/new.json'), 0);
  assert.equal(rig.libfuse.call(rig.thread, 'open', '/new.json', constants.O_RDONLY).result, Errno.ENOENT);
  assert.deepEqual(rig.libfuse.call(rig.thread, 'readdir', '/').more[0], ['.', '..']);
  rig.libfuse.call(rig.thread, 'release', '/new.json', handle);
  assert.equal(rig.status('getattr', '/new.json'), Errno.ENOENT);
  const again = rig.open('/new.json', constants.O_WRONLY);
  rig.write('/new.json', again, '{}', 0);
  assert.equal(rig.read('/new.json', again), '{}');
});

test('a read of a large file that comes in pieces gets one version, a reader in steps what is there', (t) => {
  const { rig } = realRig(t);
  const [piece, json] = [128 * 1024, (letter: string) => JSON.stringify(letter.repeat(300_000))];
  const writer = rig.create('/large.json', json('a'));
  const reader = rig.open('/large.json', constants.O_RDONLY);
  const readAt = (offset: number, size = piece) => {
    const out = Buffer.alloc(size);
    const { result } = rig.libfuse.call(rig.thread, 'read', '/large.json', reader, out, size, offset, 0);
    return out.toString('utf8', 0, result);
  };
  const first = readAt(0);
  rig.write('/large.json', writer, json('b'), 0);
  assert.equal(first + readAt(piece) + readAt(2 * piece), json('a'));
  assert.equal(readAt(0) + readAt(piece) + readAt(2 * piece), json('b'));
  const step = readAt(0, 1000);
  rig.write('/large.json', writer, json('c'), 0);
  assert.deepEqual([step[1], readAt(1000)[0]], ['b', 'c']);
});

test('what is parked is answered once it is carried out, and an fsync when the disk has it', () => {
  const fs = new FakeFilesystem();
  const { libfuse, thread, other, driver, syncs } = new Rig(fs);
  fs.answers.push(PARKED, PARKED, 0);
  libfuse.ask(thread, 'statfs', '/');
  driver.requests.retryParked();
  assert.deepEqual(libfuse.answers(thread), []);
  driver.requests.retryParked();
  assert.deepEqual(
    libfuse.answers(thread).map(({ result }) => result),
    [0],
  );
  libfuse.ask(other, 'fsyncdir', '/', 0, 0);
  assert.deepEqual(libfuse.answers(other), []);
  const [[lo, hi]] = syncs as [[number, number]];
  driver.requests.replySynced(lo, hi, Errno.EIO);
  driver.requests.replySynced(lo, hi, 0);
  assert.deepEqual(
    libfuse.answers(other).map(({ result }) => result),
    [Errno.EIO],
  );
});

test('a change that does not fit on the disk waits for room, and fails when there is none', () => {
  const fs = new FakeFilesystem();
  const rig = new Rig(fs);
  fs.status = Errno.ENOSPC;
  rig.room = true;
  rig.libfuse.ask(rig.thread, 'unlink', '/file');
  assert.deepEqual(rig.libfuse.answers(rig.thread), []);
  rig.room = false;
  rig.driver.requests.retryParked();
  assert.equal(rig.libfuse.answers(rig.thread)[0]?.result, Errno.ENOSPC);
});

test('both times arrive, although the native side passes the first one twice', (t) => {
  const { rig } = realRig(t);
  rig.create('/file', 'x');
  const [atimeMs, mtimeMs] = [1_000_000_001_000, 1_500_000_000_123];
  rig.thread.writeBigUInt64LE(BigInt(atimeMs), 104);
  rig.thread.writeBigUInt64LE(BigInt(mtimeMs), 112);
  const [low, high] = [atimeMs % 2 ** 32, Math.floor(atimeMs / 2 ** 32)];
  assert.equal(rig.libfuse.call(rig.thread, 'utimens', '/file', low, high, low, high).result, 0);
  const stat = rig.libfuse.call(rig.thread, 'getattr', '/file').more[0] as Uint32Array;
  const at = (index: number) => (stat[index] ?? 0) + (stat[index + 1] ?? 0) * 2 ** 32;
  assert.deepEqual([at(12), at(14)], [atimeMs, mtimeMs]);
});

test('errors have the numbers of the system that is told', () => {
  for (const value of Object.values(Errno)) assert.equal(errnoOfThisSystem(value), value);
  const darwin = { ENOTEMPTY: 66, ESTALE: 70 };
  assert.equal(errnoOfThisSystem(Errno.ENOTEMPTY, darwin), -66);
  assert.equal(errnoOfThisSystem(-999, darwin), -999);
});

test('names that are no UTF-8, links and device nodes are refused', (t) => {
  const { rig } = realRig(t);
  const { libfuse, thread } = rig;
  assert.equal(libfuse.call(thread, 'create', '/\ufffd', CREATE).result, Errno.EILSEQ);
  assert.equal(rig.status('getattr', '/\ufffd/x'), Errno.EILSEQ);
  assert.equal(libfuse.call(thread, 'link', '/a', '/b').result, Errno.EPERM);
  assert.equal(libfuse.call(thread, 'mknod', '/device', 0o020600, 0).result, Errno.EPERM);
  assert.equal(libfuse.call(thread, 'mknod', '/fifo', 0o010600, 0).result, 0);
});

test('each call is measured once, with its error, when it is answered', () => {
  const fs = new FakeFilesystem();
  const rig = new Rig(fs);
  rig.status('getattr', '/x');
  fs.status = Errno.EIO;
  rig.status('getattr', '/x');
  fs.status = PARKED;
  rig.libfuse.ask(rig.thread, 'unlink', '/x');
  fs.status = 0;
  rig.driver.requests.retryParked();
  assert.deepEqual(
    rig.measured
      .map(([operation, error]) => [operation, error])
      .filter(([operation]) => operation !== 'init'),
    [
      ['getattr', 0],
      ['getattr', Errno.EIO],
      ['unlink', 0],
    ],
  );
});

test('the first file that a database will map as this driver cannot is told, once', (t) => {
  const { rig } = realRig(t);
  rig.create('/notes.txt', 'text');
  assert.deepEqual(rig.mapped, []);
  rig.create('/store.db-shm', '');
  rig.create('/MANIFEST-000001', '');
  rig.open('/store.db-shm', constants.O_RDWR);
  assert.deepEqual(rig.mapped, ['/store.db-shm']);
  const { rig: other } = realRig(t);
  other.create('/MANIFEST-000001', '');
  assert.deepEqual(other.mapped, ['/MANIFEST-000001']);
});
