import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseDriver } from '../../src/drivers/choose.ts';

test('auto is direct for root on Linux, fuse-native for everybody else and elsewhere, and says why', () => {
  const choices = [
    chooseDriver('auto', { platform: 'linux', uid: 0 }),
    chooseDriver('auto', { platform: 'linux', uid: 1000 }),
    chooseDriver('auto', { platform: 'darwin', uid: 0 }),
  ];
  assert.deepEqual(choices, [
    { driver: 'direct', reason: 'root may mount' },
    { driver: 'fuse-native', reason: 'an ordinary user may not mount: fusermount does' },
    { driver: 'fuse-native', reason: 'darwin has no /dev/fuse' },
  ]);
});

test('what is asked for is taken', () => {
  for (const driver of ['direct', 'fuse-native'] as const)
    assert.equal(chooseDriver(driver, { platform: 'linux', uid: 0 }).driver, driver);
});
