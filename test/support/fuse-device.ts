import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import type { Scope } from './cleanup.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** The path of a second /dev/fuse with this mode. The first is shared with tests that run meanwhile. */
export function fuseDevice(scope: Scope, mode: number): string {
  const device = join(temporaryDirectory(scope), 'fuse');
  const { status, stderr } = spawnSync('mknod', [device, 'c', '10', '229'], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  chmodSync(device, mode);
  return device;
}
