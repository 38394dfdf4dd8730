import { mkdtempSync, realpathSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cleanUp, type Scope } from './cleanup.ts';
import { unmountBelow } from './mounts.ts';

/** A new, empty directory by its real path, removed with all it holds after the test; what is mounted in it goes first. */
export function temporaryDirectory(scope: Scope): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'sessionfs-test-')));
  cleanUp(scope, async () => {
    unmountBelow(directory);
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  });
  return directory;
}
