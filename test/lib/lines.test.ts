import assert from 'node:assert/strict';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { linesOf } from '../../src/lib/lines.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const CHUNK_BYTES = 1 << 20;

/** Of each line: its text, where it begins, and what it is; of one that is too long no text. */
function linesIn(t: TestContext, text: string, maxBytes: number): [string, number, string][] {
  const path = join(temporaryDirectory(t), 'lines');
  writeFileSync(path, text);
  const fd = openSync(path, 'r');
  const found: [string, number, string][] = [];
  for (const { bytes, start, end, position, what } of linesOf(fd, maxBytes))
    found.push([what === 'long' ? '' : bytes.toString('utf8', start, end), position, what]);
  closeSync(fd);
  return found;
}

test('lines are those of the file, over the ends of chunks, with their places', (t) => {
  const first = 'a'.repeat(CHUNK_BYTES - 3);
  const text = `${first}\nüber\n\n${'b'.repeat(2 * CHUNK_BYTES)}\nend\n`;
  const expected: [string, number, string][] = [];
  let position = 0;
  for (const line of text.split('\n').slice(0, -1)) {
    expected.push([line, position, 'whole']);
    position += Buffer.byteLength(line) + 1;
  }
  assert.deepEqual(linesIn(t, text, 4 * CHUNK_BYTES), expected);
});

test('a line that is longer than allowed is told without its text, and one that the file cuts as cut', (t) => {
  assert.deepEqual(linesIn(t, `ok\n${'x'.repeat(11)}\n${'y'.repeat(10)}\ncut`, 10), [
    ['ok', 0, 'whole'],
    ['', 3, 'long'],
    ['y'.repeat(10), 15, 'whole'],
    ['cut', 26, 'cut'],
  ]);
  const long = 'z'.repeat(2 * CHUNK_BYTES);
  assert.deepEqual(linesIn(t, `${long}\nok\n${long}`, 10), [
    ['', 0, 'long'],
    ['ok', long.length + 1, 'whole'],
    ['', long.length + 4, 'long'],
  ]);
  assert.deepEqual(linesIn(t, '', 10), []);
});
