/** What rename(2) refuses, what becomes of the file that it replaces, and what is moved in the middle of a write. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RENAME_NOREPLACE, ROOT_NODE } from '../../src/fs/contract.ts';
import { Errno } from '../../src/lib/errno.ts';
import type { Harness } from './harness.ts';
import { find, harness, mkdir, read, unlink, write } from './support.ts';

const HALF = '{"half":';

/** In the root, where both names are. */
function rename(h: Harness, from: string, to: string, flags = 0): number {
  return h.fs.rename(ROOT_NODE, from, ROOT_NODE, to, flags);
}

function contentOf(h: Harness, node: number): string {
  const out = Buffer.alloc(1000);
  return out.toString('utf8', 0, h.fs.read(node, 0, out.length, out, 0));
}

test('a folder takes the place of an empty folder, and of no other', (t) => {
  const h = harness(t);
  for (const folder of ['from', 'to']) {
    mkdir(h, folder);
    write(h, `${folder}/a.json`, `{"in":"${folder}"}`);
  }
  const check = () => {
    assert.equal(rename(h, 'from', 'to'), Errno.ENOTEMPTY);
    assert.equal(read(h, 'to/a.json'), '{"in":"to"}');
    assert.equal(read(h, 'from/a.json'), '{"in":"from"}');
  };
  check();
  h.takeOver();
  check();
  unlink(h, 'to/a.json');
  assert.equal(rename(h, 'from', 'to'), 0);
  h.takeOver();
  assert.equal(read(h, 'to/a.json'), '{"in":"from"}');
  assert.equal(find(h, 'from'), 0);
});

test('a file and a folder do not take the place of each other, nor a folder a place in itself', (t) => {
  const h = harness(t);
  mkdir(h, 'folder');
  write(h, 'file', 'x');
  assert.equal(rename(h, 'folder', 'file'), Errno.ENOTDIR);
  assert.equal(rename(h, 'file', 'folder'), Errno.EISDIR);
  assert.equal(h.fs.rename(ROOT_NODE, 'folder', find(h, 'folder'), 'below', 0), Errno.EINVAL);
  write(h, 'other', 'y');
  assert.equal(rename(h, 'file', 'other', RENAME_NOREPLACE), Errno.EEXIST);
  assert.equal(read(h, 'other'), 'y');
});

test('incomplete JSON takes the place of no *.json, and is still there under its own name', (t) => {
  const h = harness(t);
  write(h, 'a.json', '{"a":1}');
  write(h, 'a.tmp', HALF);
  assert.equal(rename(h, 'a.tmp', 'a.json'), Errno.EIO);
  assert.equal(read(h, 'a.json'), '{"a":1}');
  assert.equal(read(h, 'a.tmp'), HALF);
  assert.deepEqual(
    h.logs.map(({ level, fields }) => [level, fields?.file, fields?.from]),
    [['warn', 'a.json', 'a.tmp']],
  );
  write(h, 'a.tmp', '{"a":2}');
  assert.equal(rename(h, 'a.tmp', 'a.json'), 0);
  assert.equal(read(h, 'a.json'), '{"a":2}');
});

test('a folder is renamed away from the longest name that a folder may have', (t) => {
  const h = harness(t);
  const longest = 'n'.repeat(255);
  mkdir(h, longest);
  write(h, `${longest}/a.json`, '{"a":1}');
  assert.equal(rename(h, longest, 'short'), 0);
  assert.equal(rename(h, 'short', longest), 0);
  assert.equal(read(h, `${longest}/a.json`), '{"a":1}');
});

test('a folder is not moved to where a name below it cannot be stored', (t) => {
  const h = harness(t);
  const long = (letter: string) => letter.repeat(200);
  let path = 'deep';
  mkdir(h, path);
  for (const letter of ['a', 'b', 'c']) {
    path += `/${long(letter)}`;
    mkdir(h, path);
  }
  write(h, `${path}/file`, 'x');
  mkdir(h, long('d'));
  mkdir(h, `${long('d')}/${long('e')}`);
  const target = find(h, `${long('d')}/${long('e')}`);
  assert.equal(h.fs.rename(ROOT_NODE, 'deep', target, 'moved', 0), Errno.ENAMETOOLONG);
  assert.equal(read(h, `${path}/file`), 'x');
  assert.equal(find(h, `${long('d')}/${long('e')}/moved`), 0);
});

test('a descriptor on the replaced file goes on reading and writing that file', (t) => {
  const h = harness(t);
  const replaced = write(h, 'a.json', '{"old":1}');
  const moved = write(h, 'b.json', '{"new":1}');
  assert.equal(rename(h, 'b.json', 'a.json'), 0);
  assert.equal(contentOf(h, replaced), '{"old":1}');
  assert.equal(h.fs.write(replaced, 7, Buffer.from('2'), false), 1);
  assert.equal(contentOf(h, replaced), '{"old":2}');
  assert.equal(contentOf(h, moved), '{"new":1}');
  assert.equal(read(h, 'a.json'), '{"new":1}');
});

test('a file that is moved in the middle of a write is completed under its new name, by the next daemon too', (t) => {
  const h = harness(t);
  mkdir(h, 's');
  write(h, 's/a.json', '{"a":1}');
  const node = write(h, 's/a.json', HALF);
  assert.equal(rename(h, 's', 'moved'), 0);
  h.takeOver();
  assert.equal(read(h, 'moved/a.json'), '{"a":1}');
  assert.equal(h.fs.write(node, HALF.length, Buffer.from('2}'), false), 2);
  assert.equal(read(h, 'moved/a.json'), '{"half":2}');
});
