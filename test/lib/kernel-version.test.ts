import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kernelIsAtLeast } from '../../src/lib/kernel-version.ts';

test('a kernel is compared by major and minor number', () => {
  for (const older of ['5.4.0', '6.1.0-18-amd64', '6.8.0-31-generic', '6.12-rc1', '6.16.12'])
    assert.equal(kernelIsAtLeast(6, 17, older), false, older);
  for (const newer of ['6.17.0', '6.17-rc1', '6.18.44-fc-v657', '7.0']) {
    assert.equal(kernelIsAtLeast(6, 17, newer), true, newer);
  }
  assert.equal(kernelIsAtLeast(5, 8, '5.7.19'), false);
  assert.equal(kernelIsAtLeast(5, 8, '5.10.0'), true);
});
