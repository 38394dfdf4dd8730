/** The driver fuse-native: cloud mode. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

process.env.SESSIONFS_TEST_DRIVER = 'fuse-native';
const { driverUnderTest } = await import('../support/driver.ts');
await import('../cloud/store.test.ts');

test('all of this was tried with fuse-native', () => assert.equal(driverUnderTest, 'fuse-native'));
