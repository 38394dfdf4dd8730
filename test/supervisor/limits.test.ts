import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limitWarnings } from '../../src/supervisor/limits.ts';

test('limits that are too low are said, each with what is needed', () => {
  const [memory, tasks, ...others] = limitWarnings({ memoryBytes: 67_108_864, tasks: 20 });
  assert.match(String(memory), /may use 67 MB of memory, and sessionfs needs \d+ MB/);
  assert.match(String(tasks), /may have 20 processes and threads \(pids limit\), and sessionfs needs \d+/);
  assert.deepEqual(others, []);
});

test('no limit and a generous one are well', () => {
  const none = Number.POSITIVE_INFINITY;
  assert.deepEqual(limitWarnings({ memoryBytes: none, tasks: none }), []);
  assert.deepEqual(limitWarnings({ memoryBytes: 268_435_456, tasks: 100 }), []);
});
