import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanEnvironment } from './environment.ts';

test('a mount of a test has no standby, unless the test asks for one', () => {
  assert.ok(Number(cleanEnvironment().SESSIONFS_TEST_STANDBY_MS) >= 600_000);
  assert.equal(cleanEnvironment({ SESSIONFS_TEST_STANDBY_MS: '100' }).SESSIONFS_TEST_STANDBY_MS, '100');
});
