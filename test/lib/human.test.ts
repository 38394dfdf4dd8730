import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  agoText,
  columns,
  countText,
  durationText,
  listText,
  momentText,
  secondText,
  sizeText,
} from '../../src/lib/human.ts';

test('sizes have at most three digits and one unit', () => {
  const shown = [0, 1023, 1024, 1536, 150 * 1024, 5 * 1024 ** 2, 1024 ** 4].map(sizeText);
  assert.deepEqual(shown, ['0 B', '1023 B', '1 KiB', '1.5 KiB', '150 KiB', '5 MiB', '1 TiB']);
});

test('durations are rounded down to one unit', () => {
  const shown = [0, 999, 1000, 59_999, 60_000, 3_600_000, 90_000_000].map(durationText);
  assert.deepEqual(shown, ['0 ms', '999 ms', '1 s', '59 s', '1 min', '1 h', '1 d']);
  assert.equal(agoText('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:05:01Z')), '5 min ago');
  assert.equal(agoText('2026-01-01T00:05:00Z', Date.parse('2026-01-01T00:00:00Z')), '0 ms ago');
  assert.equal(agoText('soon', 0), 'unknown');
});

test('a moment is told to the second, and how long ago it was', () => {
  assert.equal(secondText('2026-01-01T00:00:00.999Z'), '2026-01-01T00:00:00Z');
  assert.equal(
    momentText('2026-01-01T00:00:00.999Z', Date.parse('2026-01-01T00:05:01Z')),
    '2026-01-01T00:00:00Z (5 min ago)',
  );
  assert.equal(secondText('soon'), 'soon');
});

test('what is one is not said of many', () => {
  assert.deepEqual(
    [0, 1, 2].map((count) => countText(count, 'file')),
    ['0 files', '1 file', '2 files'],
  );
});

test('of a list the first ones are named, and how many more there are', () => {
  const shown = [[], ['a'], ['a', 'b'], ['a', 'b', 'c', 'd']].map((items) => listText(items, 2));
  assert.deepEqual(shown, ['', 'a', 'a, b', 'a, b and 2 more']);
});

test('columns are as wide as their widest cell', () => {
  assert.deepEqual(
    columns([
      ['a', 'b'],
      ['long', ''],
      ['x', 'y'],
    ]),
    ['a     b', 'long', 'x     y'],
  );
});
