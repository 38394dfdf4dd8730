import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseProcessStat } from '../../src/lib/process-stat.ts';

const REST = Array.from({ length: 48 }, (_, index) => String(index + 5)).join(' ');

test('a name with blanks and parentheses moves no field', () => {
  for (const name of ['node', 'a b', 'a) Z 1 (', '']) {
    const stat = parseProcessStat(`12 (${name}) S 34 ${REST}`);
    assert.deepEqual(stat, { state: 'S', parent: 34, startTime: '22' });
  }
});

test('this process is running, and its parent is known', () => {
  const stat = parseProcessStat(readFileSync('/proc/self/stat', 'latin1'));
  assert.ok(stat !== undefined);
  assert.deepEqual([stat.state, stat.parent], ['R', process.ppid]);
  assert.ok(Number(stat.startTime) > 0);
});

test('what is no such line is none', () => {
  for (const text of ['', '12', '12 (node)', '12 (node) S 1 2'])
    assert.equal(parseProcessStat(text), undefined);
});
