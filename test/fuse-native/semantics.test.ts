/** The driver fuse-native: what docs/semantics.md states, and the race of readers and writers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

process.env.SESSIONFS_TEST_DRIVER = 'fuse-native';
const { driverUnderTest } = await import('../support/driver.ts');
await import('../mounted/semantics.test.ts');
await import('../mounted/race.test.ts');

test('all of this was tried with fuse-native', () => assert.equal(driverUnderTest, 'fuse-native'));
