import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statusText } from '../../src/observe/status-text.ts';

test('the text of two daemons has the same size, although their numbers differ in length', () => {
  const texts = [{ pid: 9 }, { pid: 4_194_304, name: 'ü'.repeat(700) }].map(statusText);
  assert.deepEqual(new Set(texts.map((text) => Buffer.byteLength(text))), new Set([4096]));
  for (const text of texts) assert.match(text, /\}\s*\n$/);
  assert.deepEqual(JSON.parse(texts[0] ?? ''), { pid: 9 });
});

test('a text that just fills its size is not lengthened, and a longer one takes the next size', () => {
  const sizeOf = (letters: number) => Buffer.byteLength(statusText({ a: 'x'.repeat(letters) }));
  const overhead = Buffer.byteLength(JSON.stringify({ a: '' }, undefined, 2)) + 1;
  assert.equal(sizeOf(4096 - overhead), 4096);
  assert.equal(sizeOf(4097 - overhead), 8192);
});
