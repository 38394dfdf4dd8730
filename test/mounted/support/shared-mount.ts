import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { type Mounted, mountSessionfs } from '../../support/mount-sessionfs.ts';

export interface SharedMount {
  readonly mounted: Mounted;
  /** A session's folder of its own for each test. */
  folder(): string;
}

let shared: Promise<SharedMount> | undefined;

/**
 * One mount for all tests of a process, those of several files included that one file runs with another driver; call it at the top of
 * the module. It goes when the last test has ended.
 */
export function sharedMount(): Promise<SharedMount> {
  shared ??= mount();
  return shared;
}

async function mount(): Promise<SharedMount> {
  const mounted = await mountSessionfs({ after });
  let folders = 0;
  return {
    mounted,
    folder() {
      const folder = join(mounted.mountPoint, `user${++folders}-+15550000`);
      mkdirSync(folder);
      return folder;
    },
  };
}
