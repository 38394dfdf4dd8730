/** Requests that were carried out and are to be stored: the next daemon knows their numbers. */
import assert from 'node:assert/strict';
import { statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Unanswered } from '../../../src/drivers/host/unanswered.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

function open(t: TestContext, cachePath: string, inherit: boolean): Unanswered {
  const unanswered = Unanswered.open(cachePath, inherit);
  t.after(() => unanswered.close());
  return unanswered;
}

test('the next daemon finds what was added and not removed; the next mount nothing', (t) => {
  const cachePath = temporaryDirectory(t);
  const first = open(t, cachePath, false);
  for (const number of [2, 4, 2 ** 52, 6]) first.add(number);
  first.remove(4);
  first.remove(99);
  assert.deepEqual([...first.numbers], [2, 2 ** 52, 6]);
  assert.deepEqual([...open(t, cachePath, true).numbers], [2, 2 ** 52, 6]);
  assert.deepEqual([...open(t, cachePath, false).numbers], []);
  assert.deepEqual([...open(t, cachePath, true).numbers], []);
});

test('places are used again: the file grows with what waits at a time', (t) => {
  const cachePath = temporaryDirectory(t);
  const first = open(t, cachePath, false);
  for (let number = 2; number < 2000; number += 2) {
    first.add(number);
    first.add(number);
    if (number > 4) first.remove(number - 4);
  }
  const path = join(cachePath, 'unanswered');
  assert.ok(statSync(path).size <= 4 * 8, `${statSync(path).size} bytes`);
  const second = open(t, cachePath, true);
  assert.deepEqual([...second.numbers].sort(), [...first.numbers].sort());
  second.add(3000);
  assert.ok(statSync(path).size <= 4 * 8);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('a file that ends within a number counts up to there', (t) => {
  const cachePath = temporaryDirectory(t);
  const first = open(t, cachePath, false);
  for (const number of [2, 4]) first.add(number);
  truncateSync(join(cachePath, 'unanswered'), 12);
  const second = open(t, cachePath, true);
  assert.deepEqual([...second.numbers], [2]);
  second.add(8);
  assert.deepEqual([...open(t, cachePath, true).numbers], [2, 8]);
});
