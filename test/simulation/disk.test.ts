/** What a power cut leaves of a file of the simulated disk. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../drivers/support/prng.ts';
import { FileInode } from './platform/inode.ts';

const [FIRST, NEW_FIRST] = ['length 0000 of it', 'length 2048 of it'].map((text) =>
  Buffer.from(text.padEnd(20)),
);
const DURABLE = Buffer.from('x'.repeat(2_028));
const BEYOND = Buffer.from('y'.repeat(1_500));

/** What is there after power cuts of many chances. */
function* left(change: (file: FileInode) => void): Generator<Buffer> {
  for (let seed = 1; seed < 60; seed++) {
    const file = new FileInode(1, 0o600);
    file.write(0, Buffer.concat([FIRST as Buffer, DURABLE]));
    file.sync();
    change(file);
    file.cut(new Prng(seed));
    yield Buffer.from(file.view);
  }
}

test('what was synced stays beside what is overwritten, which is as before or as it is now', () => {
  const firsts = new Set<string>();
  const sizes = new Set<number>();
  const overwrite = (file: FileInode) => {
    file.write(file.size, BEYOND);
    file.write(0, NEW_FIRST as Buffer);
  };
  for (const bytes of left(overwrite)) {
    firsts.add(bytes.toString('latin1', 0, 20));
    sizes.add(bytes.length);
    assert.ok(bytes.subarray(20, 20 + DURABLE.length).equals(DURABLE));
  }
  assert.deepEqual([...firsts].sort(), [`${FIRST}`, `${NEW_FIRST}`]);
  assert.ok(sizes.size > 3, 'what was not synced may be cut anywhere');
});

test('of what was cut off nothing is sure', () => {
  const sizes = new Set<number>();
  const rewrite = (file: FileInode) => {
    file.truncate(100);
    file.write(100, BEYOND);
  };
  for (const bytes of left(rewrite)) {
    sizes.add(bytes.length);
    assert.equal(`${bytes.subarray(0, 20)}`, `${FIRST}`);
  }
  assert.ok(sizes.size > 3);
});
