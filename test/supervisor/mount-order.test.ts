import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mountOrder } from '../../src/supervisor/resources.ts';

test('a dead mount is replaced at once, unless plain sessions lie below it', () => {
  assert.equal(mountOrder('direct', true, []), 'before-load');
  assert.equal(mountOrder('direct', true, ['u-+1']), 'after-load');
});

test('a new mount is made once the daemon is loaded', () => {
  assert.equal(mountOrder('direct', false, []), 'after-load');
  assert.equal(mountOrder('direct', false, ['u-+1']), 'after-load');
});

test('libfuse mounts in the daemon, whatever was there', () => {
  for (const wasDead of [true, false]) assert.equal(mountOrder('fuse-native', wasDead, []), 'by-daemon');
});
