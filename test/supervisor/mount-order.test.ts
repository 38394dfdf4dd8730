import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mountOrder } from '../../src/supervisor/resources.ts';

test('a dead mount is covered at once', () => assert.equal(mountOrder('direct', true), 'before-load'));

test('a new mount is made once the daemon is loaded', () =>
  assert.equal(mountOrder('direct', false), 'after-load'));

test('libfuse mounts in the daemon, whatever was there', () => {
  for (const coversDead of [true, false]) assert.equal(mountOrder('fuse-native', coversDead), 'by-daemon');
});
