/** Folders in the root of which only the name is known, until a call needs what is in them. */
import assert from 'node:assert/strict';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type DirectoryEntry, PARKED, ROOT_NODE } from '../../src/fs/contract.ts';
import type { BucketView } from '../../src/fs/state/remote.ts';
import { Errno } from '../../src/lib/errno.ts';
import { systemError } from '../../src/lib/system-error.ts';
import { Cache } from '../../src/store/cache/cache.ts';
import { type Harness, newAttributes, newEntry } from './harness.ts';
import { BUCKET, find, foldersInMemory, harness, mkdir, names, read, unlink, write } from './support.ts';

/** A session, a user's folder beside it, a folder of another name, and one with a folder in it. */
const FOLDERS = ['ann-+1', 'ann', 'other', 'deep-+2'];

/** A start on a cache that has all of it, and a journal that has nothing. */
async function started(t: TestContext, bucket?: BucketView): Promise<Harness> {
  const h = harness(t, bucket && { bucket });
  for (const folder of FOLDERS) {
    mkdir(h, folder);
    write(h, `${folder}/creds.json`, `{"of":"${folder}"}`);
    write(h, `${folder}/+key.json`, '{"key":1}');
  }
  mkdir(h, 'deep-+2/sub');
  write(h, 'deep-+2/sub/a.txt', 'a');
  mkdir(h, 'empty-+3');
  write(h, 'top.json', '{"top":1}');
  h.settle();
  await h.checkpoint();
  h.restart();
  return h;
}

function linksOf(h: Harness, path: string): number {
  const out = newAttributes();
  assert.equal(h.fs.getattr(find(h, path), out), 0);
  return out.nlink;
}

/** Until the result is called, the disk does not give what is in the folder, or in any. */
function failReads(t: TestContext, code: string, folder?: string): () => void {
  const { walkBelowSync } = Cache.prototype;
  const failing = t.mock.method(Cache.prototype, 'walkBelowSync', function (this: Cache, path, visit) {
    if (folder === undefined || path === folder) throw systemError(code, 'scandir', path);
    walkBelowSync.call(this, path, visit);
  } satisfies Cache['walkBelowSync']);
  return () => failing.mock.restore();
}

describe('a folder in the root', () => {
  for (const hybrid of [false, true]) {
    it(`is read when a call needs what is in it, and not by a listing of the root${hybrid ? ', with a bucket' : ''}`, async (t) => {
      const h = await started(t, hybrid ? BUCKET : undefined);
      assert.deepEqual(names(h, ''), [...FOLDERS, 'empty-+3', 'top.json'].sort());
      assert.equal(linksOf(h, 'ann-+1'), 2);
      assert.equal(read(h, 'top.json'), '{"top":1}');
      assert.deepEqual(foldersInMemory(h), []);
      assert.equal(read(h, 'ann-+1/creds.json'), '{"of":"ann-+1"}');
      assert.deepEqual(foldersInMemory(h), ['ann-+1']);
      for (const folder of FOLDERS)
        assert.deepEqual(names(h, folder).slice(0, 2), ['+key.json', 'creds.json'], folder);
      assert.equal(read(h, 'deep-+2/sub/a.txt'), 'a');
    });
  }

  it('tells how many folders are in it', async (t) => {
    const h = await started(t);
    assert.equal(linksOf(h, 'deep-+2'), 3);
    assert.equal(linksOf(h, 'ann'), 2);
  });

  it('counts with all its files, and each file once', async (t) => {
    const h = await started(t);
    const all = 2 * FOLDERS.length + 2;
    assert.deepEqual([h.fs.files, h.fs.uncounted, h.fs.hasPending], [all, 0, false]);
    read(h, 'ann-+1/creds.json');
    assert.equal(h.fs.files, all);
    unlink(h, 'ann-+1/creds.json');
    write(h, 'other/new.json', '{}');
    write(h, 'other/newer.json', '{}');
    assert.equal(h.fs.files, all + 1);
    h.restart();
    assert.equal(h.fs.files, all + 1);
  });

  it('is read at the start where the journal has something of it: what is gone stays gone', async (t) => {
    const h = await started(t);
    unlink(h, 'ann-+1/creds.json');
    write(h, 'deep-+2/creds.json', '{"new":1}');
    h.restart();
    assert.deepEqual(foldersInMemory(h), ['ann-+1', 'deep-+2']);
    assert.deepEqual(names(h, 'ann-+1'), ['+key.json']);
    assert.equal(read(h, 'deep-+2/creds.json'), '{"new":1}');
    assert.equal(h.fs.dirtyFiles(), 1);
  });

  it('is renamed, replaced and removed with what is in it', async (t) => {
    const h = await started(t);
    const entry = newEntry();
    assert.equal(h.fs.rmdir(ROOT_NODE, 'other'), Errno.ENOTEMPTY);
    assert.equal(h.fs.rename(ROOT_NODE, 'ann-+1', ROOT_NODE, 'deep-+2', 0), Errno.ENOTEMPTY);
    assert.equal(h.fs.rename(ROOT_NODE, 'ann-+1', ROOT_NODE, 'empty-+3', 0), 0);
    assert.equal(read(h, 'empty-+3/creds.json'), '{"of":"ann-+1"}');
    assert.equal(h.fs.lookup(ROOT_NODE, 'ann-+1', entry), 0);
    assert.equal(entry.nodeId, 0);
    await h.checkpoint();
    h.restart();
    assert.deepEqual(names(h, 'empty-+3'), ['+key.json', 'creds.json']);
    assert.equal(read(h, 'empty-+3/creds.json'), '{"of":"ann-+1"}');
  });

  it('keeps the numbers that the kernel knows over a take-over', async (t) => {
    const h = await started(t);
    const file = find(h, 'deep-+2/sub/a.txt');
    await h.checkpoint();
    h.takeOver();
    const out = Buffer.alloc(10);
    assert.equal(h.fs.read(file, 0, 10, out, 0), 1);
    assert.equal(find(h, 'deep-+2/sub/a.txt'), file);
    const other = find(h, 'ann/creds.json');
    assert.ok(other > file);
  });

  it('that the disk does not give now is an error for its callers, said once, and asked for again', async (t) => {
    const h = await started(t);
    const at = join(h.cachePath, 'sessions/other');
    const aside = join(h.cachePath, 'aside');
    renameSync(at, aside);
    writeFileSync(at, '');
    const entry = newEntry();
    const folder = find(h, 'other');
    for (let call = 0; call < 2; call++) {
      assert.equal(h.fs.lookup(folder, 'creds.json', entry), Errno.EIO);
      assert.equal(h.fs.mknod(folder, 'creds.json', 0o100600, { uid: 0, gid: 0, pid: 1 }, entry), Errno.EIO);
    }
    const said = () => h.logs.filter(({ message }) => message.startsWith('a folder cannot be read')).length;
    assert.equal(said(), 1);
    assert.equal(read(h, 'ann/creds.json'), '{"of":"ann"}');
    rmSync(at);
    assert.equal(h.fs.lookup(folder, 'creds.json', entry), Errno.EIO, 'it is gone, not empty');
    renameSync(aside, at);
    assert.equal(read(h, 'other/creds.json'), '{"of":"other"}');
  });

  it('that cannot be read is there all the same, and so is the rest of the root', async (t) => {
    const h = await started(t);
    const entry = newEntry();
    failReads(t, 'ENOENT');
    assert.equal(h.fs.lookup(ROOT_NODE, 'deep-+2', entry), 0);
    assert.notEqual(entry.nodeId, 0);
    const listed: string[] = [];
    const add = ({ name, handle }: DirectoryEntry) => {
      h.fs.enter(handle, entry);
      return listed.push(name) > 0;
    };
    assert.equal(h.fs.readdir(ROOT_NODE, 0, add), 0);
    assert.deepEqual(listed.sort(), [...FOLDERS, 'empty-+3', 'top.json'].sort());
    assert.equal(h.fs.lookup(find(h, 'deep-+2'), 'creds.json', entry), Errno.EIO);
    assert.equal(h.fs.rmdir(ROOT_NODE, 'deep-+2'), Errno.EIO, 'and not missing');
    assert.equal(h.fs.rename(ROOT_NODE, 'deep-+2', ROOT_NODE, 'new', 0), Errno.EIO);
    assert.equal(h.fs.rename(ROOT_NODE, 'empty-+3', ROOT_NODE, 'deep-+2', 0), Errno.EIO);
  });

  it('that cannot be read costs a take-over nothing but the numbers of its files', async (t) => {
    const h = await started(t);
    const lost = find(h, 'deep-+2/creds.json');
    const kept = find(h, 'ann/creds.json');
    const folder = find(h, 'deep-+2');
    await h.checkpoint();
    const repair = failReads(t, 'EIO', 'deep-+2');
    h.takeOver();
    const out = newAttributes();
    assert.equal(h.fs.getattr(kept, out), 0);
    assert.equal(h.fs.getattr(lost, out), Errno.ESTALE);
    const entry = newEntry();
    assert.equal(h.fs.lookup(folder, 'creds.json', entry), Errno.EIO);
    repair();
    assert.equal(h.fs.lookup(folder, 'creds.json', entry), 0);
    assert.ok(entry.nodeId > kept, 'no number means another file');
    assert.equal(read(h, 'deep-+2/creds.json'), '{"of":"deep-+2"}');
  });

  it('that is absent is waited for, whatever the disk says of what is here of it', async (t) => {
    const h = await started(t, BUCKET);
    const folder = find(h, 'ann-+1');
    h.hybrid.markAbsent(['ann-+1']);
    failReads(t, 'EIO');
    assert.equal(h.fs.rename(folder, 'creds.json', folder, 'creds.json.bak', 0), PARKED);
    assert.equal(h.fs.unlink(folder, 'creds.json'), PARKED);
    assert.deepEqual(foldersInMemory(h), []);
  });

  it('that cannot be read stays where memory is short, and another one goes', async (t) => {
    const h = await started(t, { ...BUCKET, writeThrough: true });
    failReads(t, 'EIO', 'ann-+1');
    const gone = [...FOLDERS, 'empty-+3'].map(() => h.hybrid.evictLeastUsed([]));
    assert.deepEqual(
      gone.sort(),
      [...FOLDERS, 'empty-+3', undefined].filter((name) => name !== 'ann-+1').sort(),
    );
  });

  it('becomes what came from the bucket', async (t) => {
    const h = await started(t, BUCKET);
    h.hybrid.markAbsent(['ann-+1']);
    assert.deepEqual(foldersInMemory(h), []);
    await h.opened.cache.remove('ann-+1/+key.json');
    h.restore('ann-+1');
    assert.deepEqual(names(h, 'ann-+1'), ['creds.json']);
  });
});
