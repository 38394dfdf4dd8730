/** The driver fuse-native: unmodified Baileys. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

process.env.SESSIONFS_TEST_DRIVER = 'fuse-native';
const { driverUnderTest } = await import('../support/driver.ts');
await import('../baileys/workload.test.ts');
await import('../baileys/rename-pattern.test.ts');

test('all of this was tried with fuse-native', () => assert.equal(driverUnderTest, 'fuse-native'));
