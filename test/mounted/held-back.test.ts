/**
 * Readers of a *.json that lies truncated or half written, as after the death of its writer. The kernel fills a reader's
 * buffer up with zeros when it believes in a larger size than the version has, which it did in one of ten reads once.
 */
import assert from 'node:assert/strict';
import {
  closeSync,
  fchmodSync,
  ftruncateSync,
  futimesSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { sharedMount } from './support/shared-mount.ts';

const OLD = '{"version":1}';
const ROUNDS = 100;
const shared = await sharedMount();

/** Without fstat, as readFileSync with an encoding reads too. */
function readWithoutStat(file: string): string {
  const fd = openSync(file, 'r');
  const out = Buffer.alloc(4096);
  const length = readSync(fd, out, 0, out.length, null);
  closeSync(fd);
  return out.toString('utf8', 0, length);
}

/** Calls `look` again and again while the file lies truncated. */
async function whileTruncated(file: string, look: () => Promise<void> | void): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    writeFileSync(file, OLD);
    const fd = openSync(file, 'w');
    for (let time = 0; time < 4; time++) await look();
    writeSync(fd, OLD);
    closeSync(fd);
  }
}

test('a reader of a truncated *.json gets the old version and not a byte more, with fstat or without', async () => {
  const file = join(shared.folder(), 'creds.json');
  await whileTruncated(file, () => {
    assert.equal(readFileSync(file, 'utf8'), OLD);
    assert.equal(readFileSync(file).toString(), OLD);
    assert.equal(readWithoutStat(file), OLD);
  });
});

test('several readers of a truncated *.json at once get the old version, each of them', async () => {
  const file = join(shared.folder(), 'creds.json');
  await whileTruncated(file, async () => {
    const found = await Promise.all([1, 2, 3].map(() => readFile(file, 'utf8')));
    assert.deepEqual(found, [OLD, OLD, OLD]);
  });
});

for (const oldLength of [10, 700_000, 1_000_000]) {
  test(`after each piece of a *.json readers get the version before, of ${oldLength} bytes, whole`, () => {
    const file = join(shared.folder(), 'creds.json');
    const old = JSON.stringify({ old: 'o'.repeat(oldLength) });
    const text = JSON.stringify({ text: 't'.repeat(700_000) });
    for (let round = 0; round < 10; round++) {
      writeFileSync(file, old);
      const fd = openSync(file, 'w');
      for (let at = 0; at < text.length; at += 131_072) {
        assert.ok(readFileSync(file, 'utf8') === old, `piece at ${at}`);
        writeSync(fd, text.slice(at, at + 131_072));
      }
      closeSync(fd);
      assert.ok(readFileSync(file, 'utf8') === text);
    }
  });
}

/** Takes one page of the kernel, and leaves the whole incomplete. */
const FIRST_PAGE = `{"new":{"first":"${'n'.repeat(5000)}`.slice(0, 4096);

for (const [name, change] of [
  ['chmod', (fd: number) => fchmodSync(fd, 0o640)],
  ['utimes', (fd: number) => futimesSync(fd, 1, 1)],
  ['a shorter length', (fd: number) => ftruncateSync(fd, 5000)],
  ['a longer length', (fd: number) => ftruncateSync(fd, 20_000)],
  ['length 0', (fd: number) => ftruncateSync(fd, 0)],
] as const) {
  test(`${name}, set on a half written *.json, shows none of what was written`, () => {
    const file = join(shared.folder(), 'creds.json');
    const old = JSON.stringify({ old: 'o'.repeat(10_000) });
    writeFileSync(file, old);
    assert.ok(readFileSync(file, 'utf8') === old);
    for (const again of [false, true]) {
      const fd = openSync(file, again ? 'w' : 'r+');
      writeSync(fd, FIRST_PAGE, 0);
      change(fd);
      assert.ok(readWithoutStat(file) === old.slice(0, 4096));
      assert.equal(statSync(file).size, old.length);
      assert.ok(readFileSync(file, 'utf8') === old);
      closeSync(fd);
    }
  });
}
