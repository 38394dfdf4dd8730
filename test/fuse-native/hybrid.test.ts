/** The driver fuse-native: hybrid mode. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

process.env.SESSIONFS_TEST_DRIVER = 'fuse-native';
const { driverUnderTest } = await import('../support/driver.ts');
await import('../hybrid/modes.test.ts');
await import('../hybrid/restore.test.ts');

test('all of this was tried with fuse-native', () => assert.equal(driverUnderTest, 'fuse-native'));
