/** The driver fuse-native: what is POSIX about a mount. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

process.env.SESSIONFS_TEST_DRIVER = 'fuse-native';
const { driverUnderTest } = await import('../support/driver.ts');
await import('../mounted/posix-attributes.test.ts');
await import('../mounted/posix-content.test.ts');
await import('../mounted/posix-names.test.ts');
await import('../mounted/posix-sizes.test.ts');
await import('../mounted/two-trees.test.ts');

test('all of this was tried with fuse-native', () => assert.equal(driverUnderTest, 'fuse-native'));
