/** Incomplete JSON and unsettled files, as `.sessionfs/status.json` and the metrics tell of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errno } from '../../src/lib/errno.ts';
import { S_IFREG } from '../../src/lib/file-type.ts';
import { CALLER, type Harness, newEntry } from './harness.ts';
import { find, harness, mkdir, read, unlink, write } from './support.ts';

const HALF = '{"half":';

function rename(h: Harness, folder: string, from: string, to: string): number {
  const node = find(h, folder);
  return h.fs.rename(node, from, node, to, 0);
}

test('files that are held back are named, the longest unchanged first, until they are complete', (t) => {
  const h = harness(t);
  mkdir(h, 's');
  write(h, 's/first.json', '{}');
  write(h, 's/first.json', HALF);
  h.nowMs += 1500;
  const second = h.fs.mknod(find(h, 's'), 'second.json', S_IFREG | 0o600, CALLER, newEntry());
  assert.equal(second, 0);
  assert.deepEqual(h.fs.heldBack, [
    { file: 's/first.json', bytes: HALF.length, since: new Date(h.nowMs - 1500).toISOString() },
    { file: 's/second.json', bytes: 0, since: new Date(h.nowMs).toISOString() },
  ]);
  write(h, 's/first.json', '{"whole":1}');
  assert.deepEqual(
    h.fs.heldBack.map(({ file }) => file),
    ['s/second.json'],
  );
});

test('a refused rename and what is given up are kept for the status, with their time, the last ten', (t) => {
  const h = harness(t);
  mkdir(h, 's');
  write(h, 's/.x.json.AbCd', HALF);
  const at = new Date(h.nowMs).toISOString();
  assert.equal(rename(h, 's', '.x.json.AbCd', 'x.json'), Errno.EIO);
  assert.deepEqual(h.fs.incomplete, [
    { outcome: 'rename-refused', file: 's/x.json', from: 's/.x.json.AbCd', bytes: HALF.length, at },
  ]);
  assert.deepEqual(
    h.logs.map(({ message, fields }) => [message, fields]),
    [
      [
        'renaming incomplete JSON to a *.json was refused; the version before it stays',
        { file: 's/x.json', from: 's/.x.json.AbCd', bytes: HALF.length },
      ],
    ],
  );
  for (let index = 0; index < 10; index++) {
    write(h, `s/${index}.json`, '{}');
    assert.equal(h.fs.setattr(find(h, `s/${index}.json`), { size: 0 }, newEntry()), 0);
  }
  h.settle();
  assert.deepEqual(
    h.fs.incomplete.map(({ outcome, file, bytes }) => [outcome, file, bytes]),
    Array.from({ length: 10 }, (_, index) => ['given-up', `s/${index}.json`, 0]),
  );
  assert.deepEqual(h.fs.heldBack, []);
});

test('dirty files are counted without those that are gone or in the cache, also after a restart', async (t) => {
  const h = harness(t);
  mkdir(h, 's');
  for (const name of ['a', 'b', 'c']) write(h, `s/${name}.json`, '{}');
  assert.equal(h.fs.dirtyFiles(), 3);
  unlink(h, 's/b.json');
  assert.equal(h.fs.dirtyFiles(), 2);
  assert.equal(h.fs.rename(1, 's', 1, 'moved', 0), 0);
  assert.equal(h.fs.dirtyFiles(), 2);
  h.takeOver();
  assert.equal(h.fs.dirtyFiles(), 2);
  await h.checkpoint();
  assert.equal(h.fs.dirtyFiles(), 0);
  write(h, 'moved/a.json', '{"again":1}');
  write(h, 'moved/a.json', HALF);
  write(h, 'moved/c.json', HALF);
  assert.equal(h.fs.dirtyFiles(), 2, 'one in the journal and held back, one held back');
  h.restart();
  assert.equal(h.fs.dirtyFiles(), 2);
});

test('a folder’s files rest together, also where it takes more than 10 seconds to create them before the first is written', (t) => {
  const h = harness(t);
  mkdir(h, 's');
  mkdir(h, 'other');
  const abandoned = write(h, 'other/pre-key-1.json', HALF);
  const begun: number[] = [];
  const wait = (ms: number) => {
    h.nowMs += ms;
    h.fs.settleIdle();
  };
  for (let key = 1; key <= 60; key++) {
    const entry = newEntry();
    assert.equal(h.fs.mknod(find(h, 's'), `pre-key-${key}.json`, S_IFREG | 0o600, CALLER, entry), 0);
    begun.push(entry.nodeId);
    wait(400);
  }
  assert.equal(
    h.fs.write(abandoned, HALF.length, Buffer.from('1}'), false),
    Errno.EIO,
    'nothing happens there',
  );
  for (const node of begun) {
    assert.equal(h.fs.write(node, 0, Buffer.from('{}'), false), 2);
    wait(400);
  }
  assert.deepEqual(h.fs.heldBack, []);
});

test('but what an application left there is given up within a minute, whatever else it writes', (t) => {
  const h = harness(t);
  mkdir(h, 's');
  write(h, 's/session.json', '{}');
  write(h, 's/session.json', HALF);
  const waited: number[] = [];
  while (h.fs.heldBack.length > 0) {
    write(h, 's/creds.json', '{}');
    h.nowMs += 1000;
    waited.push(h.nowMs);
    h.fs.settleIdle();
  }
  assert.equal(waited.length, 60);
});

test('a *.json that was completed after a lookup had missed it is there for the next creator', (t) => {
  const h = harness(t);
  mkdir(h, 's');
  const entry = newEntry();
  const make = () => h.fs.mknod(find(h, 's'), 'a.json', S_IFREG | 0o600, CALLER, entry);
  assert.equal(make(), 0);
  const first = entry.nodeId;
  assert.equal(find(h, 's/a.json'), 0);
  h.fs.write(first, 0, Buffer.from('{"a":1}'), false);
  assert.equal(make(), Errno.EEXIST);
  assert.equal(read(h, 's/a.json'), '{"a":1}');
});
