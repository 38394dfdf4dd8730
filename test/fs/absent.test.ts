/** Sessions whose content is still in the bucket: what waits, what does not, and who is told. */

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { PARKED, ROOT_NODE } from '../../src/fs/contract.ts';
import { Errno } from '../../src/lib/errno.ts';
import { S_IFREG } from '../../src/lib/file-type.ts';
import { CALLER, type Harness, newAttributes, newEntry } from './harness.ts';
import { BUCKET, find, harness, mkdir, read, write } from './support.ts';

const SESSION = 'u-+1';
const OTHER = 'u-+2';
const WITH_SESSION = { ...BUCKET, absent: [SESSION] };

function names(h: Harness, node: number): string[] | number {
  const found: string[] = [];
  const status = h.fs.readdir(node, 0, ({ name }) => found.push(name) > 0);
  return status === 0 ? found.sort() : status;
}

/** A mount with an absent session (restored before, with a file and a folder in it) and one that is there. */
async function withAbsent(
  t: TestContext,
): Promise<{ h: Harness; session: number; inner: number; file: number }> {
  const h = harness(t, { bucket: BUCKET });
  const session = mkdir(h, SESSION);
  const inner = mkdir(h, `${SESSION}/sub`);
  const file = write(h, `${SESSION}/creds.json`, '{"a":1}');
  mkdir(h, OTHER);
  write(h, `${OTHER}/creds.json`, '{"b":1}');
  await h.checkpoint();
  h.hybrid.markAbsent([SESSION]);
  return { h, session, inner, file };
}

const out = Buffer.alloc(100);
type Call = (h: Harness, at: { session: number; inner: number; file: number }) => unknown;

const waiting: Record<string, Call> = {
  'lookup in it': (h, { session }) => h.fs.lookup(session, 'creds.json', newEntry()),
  'lookup of what it does not have': (h, { session }) => h.fs.lookup(session, 'nothing', newEntry()),
  'lookup in a folder of it': (h, { inner }) => h.fs.lookup(inner, 'x', newEntry()),
  'mknod in it': (h, { session }) => h.fs.mknod(session, 'x', S_IFREG | 0o600, CALLER, newEntry()),
  'mkdir in it': (h, { session }) => h.fs.mkdir(session, 'x', 0o700, CALLER, newEntry()),
  'symlink in it': (h, { session }) => h.fs.symlink(session, 'x', 'y', CALLER, newEntry()),
  'unlink in it': (h, { session }) => h.fs.unlink(session, 'creds.json'),
  'rmdir in it': (h, { session }) => h.fs.rmdir(session, 'sub'),
  'rename from it': (h, { session }) => h.fs.rename(session, 'creds.json', ROOT_NODE, 'x', 0),
  'rename into it': (h, { session }) => h.fs.rename(ROOT_NODE, OTHER, session, 'x', 0),
  'readdir of it': (h, { session }) => names(h, session),
  'readdir of a folder of it': (h, { inner }) => names(h, inner),
  'rmdir of it': (h) => h.fs.rmdir(ROOT_NODE, SESSION),
  'rename of it': (h) => h.fs.rename(ROOT_NODE, SESSION, ROOT_NODE, 'x', 0),
  'rename onto it': (h) => h.fs.rename(ROOT_NODE, OTHER, ROOT_NODE, SESSION, 0),
  'setattr of it': (h, { session }) => h.fs.setattr(session, { mode: 0o750 }, newAttributes()),
  'getattr of a file in it': (h, { file }) => h.fs.getattr(file, newAttributes()),
  'read of a file in it': (h, { file }) => h.fs.read(file, 0, 100, out, 0),
  'write to a file in it': (h, { file }) => h.fs.write(file, 0, Buffer.from('{}'), false),
  'truncation of a file in it': (h, { file }) => h.fs.setattr(file, { size: 0 }, newAttributes()),
  'fsync of a file in it': (h, { file }) => h.fs.fsync(file),
  'fallocate of a file in it': (h, { file }) => h.fs.fallocate(file, 0, 10, false),
};

describe('an absent session', () => {
  for (const [name, call] of Object.entries(waiting)) {
    it(`makes ${name} wait, changes nothing, and is asked for once`, async (t) => {
      const { h, ...at } = await withAbsent(t);
      const { bytes } = h.progress;
      assert.equal(call(h, at), PARKED);
      assert.equal(call(h, at), PARKED);
      assert.deepEqual(h.wanted, [SESSION]);
      assert.equal(h.progress.bytes, bytes, 'something was journaled');
      assert.equal(read(h, `${OTHER}/creds.json`), '{"b":1}');
      h.restore(SESSION);
      assert.equal(read(h, `${SESSION}/creds.json`), '{"a":1}');
      assert.notEqual(call(h, at), PARKED);
    });
  }

  it('is listed and looked at without waiting, and never kept by the kernel', async (t) => {
    const { h, session } = await withAbsent(t);
    assert.deepEqual(names(h, ROOT_NODE), [SESSION, OTHER]);
    const entry = newEntry();
    assert.equal(h.fs.lookup(ROOT_NODE, SESSION, entry), 0);
    assert.deepEqual([entry.nodeId, entry.attributesValidMs], [session, 0]);
    const attributes = newAttributes();
    assert.equal(h.fs.getattr(session, attributes), 0);
    assert.equal(attributes.attributesValidMs, 0);
    assert.deepEqual(h.wanted, []);
    h.restore(SESSION);
    assert.equal(h.fs.getattr(session, attributes), 0);
    assert.ok(attributes.attributesValidMs > 0);
  });

  it('is wanted again when it is absent again', async (t) => {
    const { h, session } = await withAbsent(t);
    assert.equal(names(h, session), PARKED);
    h.restore(SESSION);
    h.hybrid.markAbsent([SESSION]);
    assert.equal(names(h, session), PARKED);
    assert.deepEqual(h.wanted, [SESSION, SESSION]);
  });

  it('is unwanted once the last one who waited is interrupted, and wanted again by the next one', async (t) => {
    const { h, session } = await withAbsent(t);
    const wait = (request: number) => {
      h.fs.begin(request);
      assert.equal(names(h, session), PARKED);
    };
    for (const request of [2, 4, 4]) wait(request);
    h.fs.interrupted(2);
    h.fs.interrupted(6);
    assert.deepEqual(h.unwanted, []);
    h.fs.interrupted(4);
    assert.deepEqual(h.unwanted, [SESSION]);
    wait(8);
    assert.deepEqual(h.wanted, [SESSION, SESSION]);
    h.restore(SESSION);
    h.fs.interrupted(8);
    assert.deepEqual(h.unwanted, [SESSION]);
  });

  it('is unwanted once it is refused: a caller that began to wait meanwhile is refused too', async (t) => {
    const { h, session } = await withAbsent(t);
    h.fs.begin(2);
    assert.equal(names(h, session), PARKED);
    h.hybrid.refuse(SESSION, () => assert.equal(names(h, session), Errno.EBUSY));
    assert.deepEqual(h.unwanted, [SESSION]);
    assert.equal(names(h, session), PARKED);
    assert.deepEqual(h.wanted, [SESSION, SESSION]);
  });

  it('is a directory with default attributes where the cache has none, from the start', (t) => {
    const h = harness(t, { bucket: WITH_SESSION });
    const attributes = newAttributes();
    assert.equal(h.fs.getattr(find(h, SESSION), attributes), 0);
    assert.deepEqual([attributes.mode, attributes.uid], [0o040700, CALLER.uid]);
    assert.equal(h.fs.sessions, 1);
    assert.equal(h.fs.mkdir(ROOT_NODE, SESSION, 0o700, CALLER, newEntry()), Errno.EEXIST);
    assert.deepEqual(h.urgent, []);
  });

  it('keeps its number through a take-over', (t) => {
    const h = harness(t, { bucket: WITH_SESSION });
    const session = find(h, SESSION);
    h.takeOver();
    assert.equal(find(h, SESSION), session);
    assert.equal(names(h, session), PARKED);
    assert.ok(h.invalidated.includes(`inode ${session} -1`));
  });

  it('keeps its number through a take-over where no more than its name is known', (t) => {
    const h = harness(t, { bucket: BUCKET });
    for (const name of [SESSION, OTHER]) h.hybrid.learnName(name, true);
    const numbers = [SESSION, OTHER].map((name) => find(h, name));
    // Nothing was in the bucket.
    h.hybrid.restore(OTHER, [], []);
    h.takeOver();
    assert.deepEqual(
      [SESSION, OTHER].map((name) => find(h, name)),
      numbers,
    );
    for (const number of numbers) {
      assert.equal(names(h, number), PARKED);
      assert.ok(h.invalidated.includes(`inode ${number} -1`));
    }
    assert.deepEqual(h.wanted, [SESSION, OTHER]);
  });

  it('gives what is in it the numbers back that it had before a take-over, where nothing of it was here', async (t) => {
    const h = harness(t, { bucket: BUCKET });
    mkdir(h, SESSION);
    const inner = mkdir(h, `${SESSION}/sub`);
    const paths = [`${SESSION}/creds.json`, `${SESSION}/sub/key.json`, `${SESSION}/gone.json`] as const;
    const [file, deep, gone] = paths.map((path) => write(h, path, '{"a":1}')) as [number, number, number];
    await h.checkpoint();
    assert.equal(h.hybrid.evictLeastUsed([]), SESSION);
    const sealed = paths.map((path) => h.opened.cache.readSync(path));
    for (const path of paths) await h.opened.cache.remove(path);
    await h.opened.cache.rmdir(`${SESSION}/sub`);
    h.takeOver({ bucket: WITH_SESSION });
    h.takeOver({ bucket: WITH_SESSION });
    const calls = [
      h.fs.getattr(inner, newAttributes()),
      names(h, inner),
      h.fs.read(file, 0, 100, out, 0),
      h.fs.write(deep, 0, Buffer.from('{}'), false),
      h.fs.setattr(gone, { mode: 0o640 }, newAttributes()),
    ];
    assert.deepEqual(calls, [PARKED, PARKED, PARKED, PARKED, PARKED]);
    assert.deepEqual(h.wanted, [SESSION]);
    assert.equal(h.fs.getattr(gone + 1, newAttributes()), Errno.ESTALE);
    for (const [index, path] of paths.slice(0, 2).entries())
      await h.opened.cache.put(path, sealed[index] as Buffer);
    h.restore(SESSION);
    assert.equal(h.fs.read(deep, 0, 100, out, 0), 7);
    assert.deepEqual([find(h, paths[0]), find(h, paths[1]), find(h, `${SESSION}/sub`)], [file, deep, inner]);
    assert.equal(h.fs.getattr(gone, newAttributes()), Errno.ESTALE);
    for (const told of [`inode ${inner} -1`, `inode ${file} 0`, `inode ${deep} 0`])
      assert.ok(h.invalidated.includes(told), told);
    assert.ok(!h.invalidated.includes(`entry ${inner} key.json`), 'an application may be in it');
  });

  it('is none that was removed or renamed before a take-over, nor a file', async (t) => {
    const h = harness(t, { bucket: BUCKET });
    for (const name of ['v-+1', 'v-+2', 'v-+3']) mkdir(h, name);
    write(h, 'root.json', '{"a":1}');
    write(h, 'gone', 'x');
    await h.checkpoint();
    h.fs.rmdir(ROOT_NODE, 'v-+1');
    h.fs.rename(ROOT_NODE, 'v-+2', ROOT_NODE, 'v-+4', 0);
    h.fs.unlink(ROOT_NODE, 'gone');
    h.takeOver();
    assert.deepEqual(names(h, ROOT_NODE), ['root.json', 'v-+3', 'v-+4']);
    await h.checkpoint();
    h.takeOver();
    assert.deepEqual(names(h, ROOT_NODE), ['root.json', 'v-+3', 'v-+4']);
    assert.deepEqual(names(h, find(h, 'v-+3')), []);
  });

  it('does not become one where a file has its name', (t) => {
    const h = harness(t, { bucket: BUCKET });
    write(h, SESSION, 'plain');
    h.hybrid.markAbsent([SESSION, '.sessionfs', '', 'a/b']);
    assert.equal(read(h, SESSION), 'plain');
    assert.deepEqual(names(h, ROOT_NODE), [SESSION]);
    assert.equal(h.logs.length, 1);
    h.hybrid.restore(SESSION, [`${SESSION}/creds.json`], []);
    assert.equal(read(h, SESSION), 'plain');
  });

  it('makes the kernel forget what it knows of it and in it', async (t) => {
    const { h, session, inner, file } = await withAbsent(t);
    for (const expected of [
      `entry 1 ${SESSION}`,
      `inode ${session} -1`,
      `entry ${session} sub`,
      `inode ${inner} -1`,
      `entry ${session} creds.json`,
      `inode ${file} 0`,
    ]) {
      assert.ok(h.invalidated.includes(expected), `${expected}: ${h.invalidated}`);
    }
    h.hybrid.markAbsent(['v-+3']);
    assert.ok(h.invalidated.includes('entry 1 v-+3'), 'the name may be known to be free');
  });

  it('commits nothing by itself, and gives nothing up', async (t) => {
    const h = harness(t, { bucket: BUCKET });
    mkdir(h, SESSION);
    write(h, `${SESSION}/begun.json`, '{"a":');
    h.hybrid.markAbsent([SESSION]);
    const { bytes } = h.progress;
    h.settle();
    assert.deepEqual(h.fs.settleAll(), []);
    assert.equal(h.progress.bytes, bytes);
  });

  it('does not delay the answer to a request that the daemon before has carried out', async (t) => {
    const { h, session, inner } = await withAbsent(t);
    h.restore(SESSION);
    h.fs.begin(77);
    assert.equal(h.fs.rmdir(session, 'sub'), 0);
    h.takeOver({ bucket: WITH_SESSION });
    h.fs.begin(77);
    assert.equal(h.fs.rmdir(session, 'sub'), 0);
    h.fs.begin(78);
    assert.equal(h.fs.rmdir(session, 'sub'), PARKED);
    assert.equal(h.fs.getattr(inner, newAttributes()), Errno.ESTALE);
  });
});

describe('while the names in the bucket are not known', () => {
  const unknown = { absent: [], namesKnown: false, rootListable: false };
  const onUnknown: Record<string, (h: Harness) => unknown> = {
    lookup: (h) => h.fs.lookup(ROOT_NODE, 'x', newEntry()),
    mkdir: (h) => h.fs.mkdir(ROOT_NODE, 'x', 0o700, CALLER, newEntry()),
    mknod: (h) => h.fs.mknod(ROOT_NODE, 'x', S_IFREG | 0o600, CALLER, newEntry()),
    symlink: (h) => h.fs.symlink(ROOT_NODE, 'x', 'y', CALLER, newEntry()),
    'rename to': (h) => h.fs.rename(ROOT_NODE, 'here', ROOT_NODE, 'x', 0),
    readdir: (h) => names(h, ROOT_NODE),
  };

  function withFolder(t: TestContext): Harness {
    const h = harness(t);
    mkdir(h, 'here');
    h.restart({ bucket: unknown });
    return h;
  }

  for (const [name, call] of Object.entries(onUnknown)) {
    it(`${name} of a name that the root does not have waits until they are`, (t) => {
      const h = withFolder(t);
      assert.equal(call(h), PARKED);
      h.hybrid.learnNames();
      assert.notEqual(call(h), PARKED);
      assert.deepEqual(h.wanted, []);
    });
  }

  it('what the root has, and .sessionfs, never wait', (t) => {
    const h = withFolder(t);
    assert.notEqual(find(h, 'here'), 0);
    assert.equal(h.fs.lookup(find(h, 'here'), 'x', newEntry()), 0);
    assert.equal(h.fs.mkdir(ROOT_NODE, 'here', 0o700, CALLER, newEntry()), Errno.EEXIST);
    const control = find(h, '.sessionfs');
    assert.notEqual(control, 0);
    assert.equal(h.fs.lookup(control, 'wake', newEntry()), Errno.ENOENT);
    assert.deepEqual(names(h, control), []);
    assert.equal(h.fs.rmdir(ROOT_NODE, 'here'), 0);
  });

  it('no name may be kept as free, and the root not be kept at all', (t) => {
    const h = withFolder(t);
    const entry = newEntry();
    const folder = find(h, 'here');
    assert.equal(h.fs.lookup(folder, 'x', entry), 0);
    assert.deepEqual([entry.nodeId, entry.entryValidMs], [0, 0]);
    const attributes = newAttributes();
    h.fs.getattr(ROOT_NODE, attributes);
    const { mtimeSec } = attributes;
    assert.equal(attributes.attributesValidMs, 0);
    h.nowMs += 5000;
    h.hybrid.learnNames();
    h.fs.getattr(ROOT_NODE, attributes);
    assert.ok(attributes.attributesValidMs > 0);
    assert.equal(attributes.mtimeSec, mtimeSec + 5);
    h.fs.lookup(folder, 'x', entry);
    assert.ok(entry.entryValidMs > 0);
  });

  it('the root is listed if that was permitted', (t) => {
    const h = withFolder(t);
    h.restart({ bucket: { ...unknown, rootListable: true } });
    assert.deepEqual(names(h, ROOT_NODE), ['here']);
    h.hybrid.markAbsent([SESSION]);
    assert.deepEqual(names(h, ROOT_NODE), ['here', SESSION]);
  });
});

describe('urgent', () => {
  it('is a new session, once until the journal was rolled', (t) => {
    const h = harness(t, { bucket: BUCKET });
    mkdir(h, SESSION);
    mkdir(h, `${SESSION}/sub`);
    write(h, `${SESSION}/creds.json`, '{"a":1}');
    write(h, `${SESSION}/other.json`, '{"a":1}');
    assert.deepEqual(h.urgent.splice(0), [[SESSION, 'new']]);
    h.fs.rollJournal();
    write(h, `${SESSION}/creds.json`, '{"a":2}');
    write(h, `${SESSION}/creds.json`, '{"a":3}');
    assert.deepEqual(h.urgent.splice(0), [[SESSION, 'creds']]);
    h.fs.rollJournal();
    write(h, `${SESSION}/other.json`, '{"a":2}');
    write(h, `${SESSION}/sub/creds.json`, '{"a":2}');
    write(h, 'creds.json', '{"a":2}');
    assert.deepEqual(h.urgent, []);
  });

  it('is a creds.json that is renamed into place, renamed away, or removed', (t) => {
    const h = harness(t, { bucket: BUCKET });
    const session = mkdir(h, SESSION);
    write(h, `${SESSION}/creds.json.tmp`, '{"a":1}');
    const steps = [
      () => h.fs.rename(session, 'creds.json.tmp', session, 'creds.json', 0),
      () => h.fs.rename(session, 'creds.json', session, 'old.json', 0),
      () => h.fs.rename(session, 'old.json', session, 'creds.json', 0),
      () => h.fs.unlink(session, 'creds.json'),
    ];
    for (const step of steps) {
      h.fs.rollJournal();
      h.urgent.length = 0;
      assert.equal(step(), 0);
      assert.deepEqual(h.urgent, [[SESSION, 'creds']]);
    }
  });

  it('is a session that gets its name', (t) => {
    const h = harness(t, { bucket: BUCKET });
    mkdir(h, 'tmp');
    write(h, 'tmp/creds.json', '{"a":1}');
    h.fs.rollJournal();
    h.urgent.length = 0;
    assert.equal(h.fs.rename(ROOT_NODE, 'tmp', ROOT_NODE, SESSION, 0), 0);
    assert.deepEqual(h.urgent, [
      ['tmp', 'creds'],
      [SESSION, 'new'],
    ]);
  });

  it('is not what was begun, or what failed', (t) => {
    const h = harness(t, { bucket: BUCKET });
    mkdir(h, SESSION);
    h.fs.rollJournal();
    h.urgent.length = 0;
    write(h, `${SESSION}/creds.json`, '{"a":');
    h.fs.suspend(true);
    assert.equal(h.fs.mkdir(ROOT_NODE, OTHER, 0o700, CALLER, newEntry()), Errno.ENOSPC);
    assert.deepEqual(h.urgent, []);
  });
});
