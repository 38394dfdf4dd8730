/** The tree after a session came from the bucket: it is what the cache has, whatever it was before. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { RENAME_EXCHANGE, ROOT_NODE } from '../../src/fs/contract.ts';
import { Errno } from '../../src/lib/errno.ts';
import { systemError } from '../../src/lib/system-error.ts';
import { Cache } from '../../src/store/cache/cache.ts';
import { type Harness, newAttributes, newEntry } from './harness.ts';
import { BUCKET, find, harness, mkdir, names, read, unlink, write } from './support.ts';

const SESSION = 'u-+1';

/** Sealed files as another mount of the same key would have uploaded them, and the cache to copy them into. */
async function sealed(t: TestContext, fill: (other: Harness) => void): Promise<Harness> {
  const other = harness(t);
  fill(other);
  other.settle();
  await other.checkpoint();
  return other;
}

/** Downloads `paths` of another mount into the cache, removes all else, and tells the core. */
async function download(h: Harness, other: Harness, session = SESSION): Promise<void> {
  const { cache } = h.opened;
  const had: string[] = [];
  cache.walkSync((path, kind) => {
    if (kind === 'file' && path.startsWith(`${session}/`)) had.push(path);
  });
  for (const path of had) await cache.remove(path);
  const files: string[] = [];
  const directories: string[] = [];
  other.opened.cache.walkSync((path, kind) => {
    if (path.startsWith(`${session}/`)) (kind === 'file' ? files : directories).push(path);
  });
  for (const path of [session, ...directories]) {
    await cache.mkdir(path, other.opened.cache.readDirectoryMetaSync(path));
  }
  for (const path of files) await cache.put(path, other.opened.cache.readSync(path));
  h.hybrid.restore(session, files, directories);
}

function contentOf(h: Harness, node: number): string | number {
  const out = Buffer.alloc(100);
  const length = h.fs.read(node, 0, 100, out, 0);
  return length < 0 ? length : out.toString('utf8', 0, length);
}

/** The session with one version of everything, in the cache, and absent. */
async function withOld(t: TestContext): Promise<Harness> {
  const h = harness(t, { bucket: BUCKET });
  mkdir(h, SESSION);
  write(h, `${SESSION}/creds.json`, '{"old":1}');
  write(h, `${SESSION}/gone.json`, '{"old":2}');
  mkdir(h, `${SESSION}/sub`);
  mkdir(h, `${SESSION}/old`);
  write(h, `${SESSION}/old/deep.txt`, 'old');
  h.settle();
  await h.checkpoint();
  // Nothing is at hand in memory.
  h.restart();
  return h;
}

const remote = (other: Harness) => {
  mkdir(other, SESSION);
  write(other, `${SESSION}/creds.json`, '{"new":1}');
  write(other, `${SESSION}/added.json`, '{"new":22}');
  mkdir(other, `${SESSION}/sub`);
  write(other, `${SESSION}/sub/x.txt`, 'new');
  mkdir(other, `${SESSION}/empty`);
};

describe('a restored session', () => {
  it('appears whole where there was nothing', async (t) => {
    const h = harness(t, { bucket: { ...BUCKET, absent: [SESSION] } });
    const session = find(h, SESSION);
    await download(h, await sealed(t, remote));
    assert.equal(find(h, SESSION), session);
    assert.deepEqual(names(h, SESSION), ['added.json', 'creds.json', 'empty', 'sub']);
    assert.deepEqual(names(h, `${SESSION}/sub`), ['x.txt']);
    assert.equal(read(h, `${SESSION}/creds.json`), '{"new":1}');
    assert.equal(h.fs.files, 3);
  });

  it('appears in the root also if it was never announced as absent', async (t) => {
    const h = harness(t, { bucket: BUCKET });
    const before = newAttributes();
    h.fs.getattr(ROOT_NODE, before);
    h.nowMs += 5000;
    await download(h, await sealed(t, remote));
    const after = newAttributes();
    h.fs.getattr(ROOT_NODE, after);
    assert.equal(after.mtimeSec, before.mtimeSec + 5);
    assert.deepEqual(h.invalidated, ['inode 1 -1', `entry 1 ${SESSION}`]);
    assert.equal(read(h, `${SESSION}/creds.json`), '{"new":1}');
  });

  it('replaces what was there: other contents, other names, the same numbers', async (t) => {
    const h = await withOld(t);
    const [creds, gone, deep] = ['creds.json', 'gone.json', 'old/deep.txt'].map((name) =>
      find(h, `${SESSION}/${name}`),
    ) as [number, number, number];
    assert.equal(contentOf(h, creds), '{"old":1}');
    assert.equal(contentOf(h, gone), '{"old":2}');
    h.hybrid.markAbsent([SESSION]);
    h.invalidated.length = 0;
    await download(h, await sealed(t, remote));
    assert.deepEqual(names(h, SESSION), ['added.json', 'creds.json', 'empty', 'sub']);
    assert.equal(find(h, `${SESSION}/creds.json`), creds);
    assert.equal(contentOf(h, creds), '{"new":1}');
    const attributes = newAttributes();
    h.fs.getattr(find(h, `${SESSION}/added.json`), attributes);
    assert.equal(attributes.size, 10);
    assert.equal(contentOf(h, gone), '{"old":2}', 'who has it open goes on with it');
    assert.equal(contentOf(h, deep), Errno.EIO, 'nothing is at hand of it');
    assert.deepEqual(h.logs, []);
    const session = find(h, SESSION);
    for (const expected of [
      `inode ${creds} 0`,
      `entry ${session} gone.json`,
      `entry ${session} old`,
      `entry ${session} added.json`,
    ]) {
      assert.ok(h.invalidated.includes(expected), `${expected}: ${h.invalidated}`);
    }
    h.restart();
    assert.equal(read(h, `${SESSION}/creds.json`), '{"new":1}');
  });

  it('takes attributes from the cache, and a time that tells listings apart', async (t) => {
    const h = await withOld(t);
    const session = find(h, SESSION);
    const before = newAttributes();
    h.fs.getattr(session, before);
    h.hybrid.markAbsent([SESSION]);
    const other = await sealed(t, (made) => {
      remote(made);
      assert.equal(made.fs.setattr(find(made, SESSION), { mode: 0o710 }, newAttributes()), 0);
    });
    h.nowMs += 5000;
    await download(h, other);
    const after = newAttributes();
    h.fs.getattr(session, after);
    assert.equal(after.mode, 0o040710);
    assert.notEqual(`${after.mtimeSec}.${after.mtimeNsec}`, `${before.mtimeSec}.${before.mtimeNsec}`);
  });

  it('has no time that its folders had before, whatever the seal says: the kernel may keep a listing of then', async (t) => {
    const h = await withOld(t);
    const open = (path: string) =>
      assert.equal(h.fs.setattr(find(h, path), { mode: 0o710 }, newAttributes()), 0);
    const time = (path: string) => {
      const attributes = newAttributes();
      assert.equal(h.fs.getattr(find(h, path), attributes), 0);
      return attributes.mtimeSec * 1000 + attributes.mtimeNsec / 1e6;
    };
    const folders = [SESSION, `${SESSION}/old`];
    for (const folder of folders) open(folder);
    const listed = folders.map(time);
    h.nowMs += 5000;
    for (const folder of folders) write(h, `${folder}/more.json`, '{"old":3}');
    h.settle();
    await h.checkpoint();
    h.hybrid.markAbsent([SESSION]);
    h.restore(SESSION);
    for (const [index, folder] of folders.entries()) assert.ok(time(folder) > (listed[index] ?? 0), folder);
    const after = folders.map(time);
    h.hybrid.markAbsent([SESSION]);
    h.restore(SESSION, { unchanged: true });
    assert.deepEqual(folders.map(time), after, 'the kernel keeps what it has');
  });

  it('with nothing in it is empty', async (t) => {
    const h = await withOld(t);
    h.hybrid.markAbsent([SESSION]);
    h.hybrid.restore(SESSION, [], []);
    assert.deepEqual(names(h, SESSION), []);
    assert.equal(h.fs.files, 0);
    assert.equal(h.fs.rmdir(ROOT_NODE, SESSION), 0);
  });

  it('may have a folder where a file was, and a file where a folder was', async (t) => {
    const h = await withOld(t);
    h.hybrid.markAbsent([SESSION]);
    await h.opened.cache.rmdir(`${SESSION}/sub`);
    const other = await sealed(t, (made) => {
      mkdir(made, SESSION);
      mkdir(made, `${SESSION}/gone.json`);
      write(made, `${SESSION}/gone.json/x.json`, '{"new":3}');
      write(made, `${SESSION}/sub`, 'file');
    });
    await download(h, other);
    assert.deepEqual(names(h, SESSION), ['gone.json', 'sub']);
    assert.equal(read(h, `${SESSION}/gone.json/x.json`), '{"new":3}');
    assert.equal(read(h, `${SESSION}/sub`), 'file');
  });

  it('ends a plain working copy, for the next daemon too', async (t) => {
    const h = await withOld(t);
    write(h, `${SESSION}/notes.txt`, '');
    await h.checkpoint();
    const notes = find(h, `${SESSION}/notes.txt`);
    assert.equal(h.fs.write(notes, 0, Buffer.from('unfinished'), false), 10);
    h.hybrid.markAbsent([SESSION]);
    const other = await sealed(t, (made) => {
      mkdir(made, SESSION);
      write(made, `${SESSION}/notes.txt`, 'theirs');
    });
    await download(h, other);
    assert.equal(contentOf(h, notes), 'theirs');
    h.settle();
    assert.equal(contentOf(h, notes), 'theirs');
    h.takeOver();
    assert.equal(contentOf(h, notes), 'theirs');
  });

  it('keeps what was being written when the mount was killed, where nothing came from the bucket', async (t) => {
    const h = await withOld(t);
    write(h, `${SESSION}/auth.db`, 'rows');
    h.settle();
    await h.checkpoint();
    assert.equal(h.fs.write(find(h, `${SESSION}/auth.db`), 4, Buffer.from(' and more'), false), 9);
    write(h, `${SESSION}/auth.db-wal`, 'begun');
    const bucket = { ...BUCKET, absent: [SESSION] };
    h.restart({ bucket });
    h.restore(SESSION, { confirmed: true });
    const check = () => {
      assert.equal(read(h, `${SESSION}/auth.db`), 'rows and more');
      assert.equal(read(h, `${SESSION}/auth.db-wal`), 'begun');
      assert.equal(read(h, `${SESSION}/creds.json`), '{"old":1}');
    };
    check();
    h.takeOver({ bucket });
    h.restore(SESSION, { confirmed: true });
    check();
    h.settle();
    await h.checkpoint();
    h.restart({ bucket });
    h.restore(SESSION, { confirmed: true });
    check();
    assert.deepEqual(h.logs, []);
  });

  it('lets a writer complete what it began from nothing', async (t) => {
    const h = await withOld(t);
    const creds = find(h, `${SESSION}/creds.json`);
    assert.equal(h.fs.setattr(creds, { size: 0 }, newAttributes()), 0);
    const begun = write(h, `${SESSION}/added.json`, '');
    const mine = write(h, `${SESSION}/mine.json`, '');
    h.hybrid.markAbsent([SESSION]);
    await download(h, await sealed(t, remote));
    assert.equal(contentOf(h, creds), '{"new":1}');
    assert.equal(contentOf(h, begun), '{"new":22}');
    assert.deepEqual(names(h, SESSION), ['added.json', 'creds.json', 'empty', 'sub']);
    for (const node of [creds, begun, mine]) assert.equal(h.fs.write(node, 0, Buffer.from('[]'), false), 2);
    for (const name of ['creds.json', 'added.json', 'mine.json']) {
      assert.equal(read(h, `${SESSION}/${name}`), '[]');
    }
    const attributes = newAttributes();
    h.fs.getattr(find(h, SESSION), attributes);
    assert.ok(attributes.attributesValidMs > 0, 'a file is still taken for hidden');
  });

  it('keeps what the journal has, which the next checkpoint puts into the cache', async (t) => {
    const h = await withOld(t);
    write(h, `${SESSION}/creds.json`, '{"mine":1}');
    write(h, `${SESSION}/late.json`, '{"mine":2}');
    h.hybrid.markAbsent([SESSION]);
    await download(h, await sealed(t, remote));
    const check = () => {
      assert.equal(read(h, `${SESSION}/creds.json`), '{"mine":1}');
      assert.equal(read(h, `${SESSION}/late.json`), '{"mine":2}');
      assert.equal(read(h, `${SESSION}/added.json`), '{"new":22}');
    };
    check();
    await h.checkpoint();
    check();
    h.restart();
    check();
  });

  it('can be used as any other', async (t) => {
    const h = harness(t, { bucket: { ...BUCKET, absent: [SESSION] } });
    await download(h, await sealed(t, remote));
    const session = find(h, SESSION);
    write(h, `${SESSION}/creds.json`, '{"newer":1}');
    assert.equal(h.fs.rename(session, 'creds.json', session, 'added.json', RENAME_EXCHANGE), 0);
    unlink(h, `${SESSION}/sub/x.txt`);
    assert.equal(h.fs.rename(ROOT_NODE, SESSION, ROOT_NODE, 'v-+2', 0), 0);
    await h.checkpoint();
    h.restart({ bucket: BUCKET });
    assert.equal(read(h, 'v-+2/added.json'), '{"newer":1}');
    assert.equal(read(h, 'v-+2/creds.json'), '{"new":22}');
    assert.deepEqual(names(h, 'v-+2/sub'), []);
    assert.equal(find(h, SESSION), 0);
  });
});

describe('restored top-level files', () => {
  it('are added to the root, which keeps what it has', async (t) => {
    const h = harness(t, { bucket: BUCKET });
    mkdir(h, SESSION);
    write(h, 'mine.json', '{"mine":1}');
    write(h, 'both.json', '{"mine":2}');
    write(h, 'dir.json', '{}');
    const other = await sealed(t, (made) => {
      for (const name of ['theirs.json', 'both.json']) write(made, name, '{"theirs":1}');
    });
    for (const name of ['theirs.json', 'both.json']) {
      await h.opened.cache.put(name, other.opened.cache.readSync(name));
    }
    h.nowMs += 5000;
    h.invalidated.length = 0;
    h.hybrid.restore('', ['theirs.json', 'both.json', SESSION], []);
    assert.deepEqual(h.invalidated, ['inode 1 -1', 'entry 1 theirs.json']);
    assert.deepEqual(names(h, ''), ['both.json', 'dir.json', 'mine.json', 'theirs.json', SESSION]);
    assert.equal(read(h, 'theirs.json'), '{"theirs":1}');
    assert.equal(read(h, 'both.json'), '{"mine":2}');
    const entry = newEntry();
    assert.equal(h.fs.lookup(ROOT_NODE, 'theirs.json', entry), 0);
    assert.equal(entry.size, 12);
  });

  it('keep what was begun in them before a take-over, also while the disk does not give the version before', async (t) => {
    const h = harness(t, { bucket: BUCKET });
    const node = write(h, 'notes.txt', 'earlier notes');
    h.settle();
    await h.checkpoint();
    const later = Buffer.from('later');
    assert.equal(h.fs.write(node, 1, later, false), later.length);
    const { mock } = t.mock.method(Cache.prototype, 'readSync', () => {
      throw systemError('EIO', 'read', 'injected');
    });
    h.takeOver();
    h.hybrid.restore('', ['notes.txt'], []);
    mock.restore();
    assert.equal(read(h, 'notes.txt'), 'elaterr notes');
  });
});
