/** The folder of the host through which a mount gets from one container into another. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Scope } from '../support/cleanup.ts';
import { mounts } from '../support/mounts.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Empty, and a shared mount of its own, as all of / is where systemd starts the machine. */
export function sharedFolder(scope: Scope): string {
  const folder = join(temporaryDirectory(scope), 'share');
  mkdirSync(folder);
  mount('--bind', folder, folder);
  mount('--make-rshared', folder);
  return folder;
}

/** What is mounted in the folder, as the host sees it. */
export function mountedIn(folder: string): string[] {
  return mounts()
    .map(({ mountPoint }) => mountPoint)
    .filter((path) => path.startsWith(`${folder}/`));
}

function mount(...args: string[]): void {
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}
