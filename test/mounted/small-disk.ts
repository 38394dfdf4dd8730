import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { Scope } from '../support/cleanup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** A disk of its own, in memory, with a place for a cache; gone after the test. */
export class SmallDisk {
  readonly within: string;
  readonly mountPoint: string;
  readonly path: string;
  readonly cachePath: string;

  constructor(scope: Scope, sizeMiB: number) {
    this.within = temporaryDirectory(scope);
    this.mountPoint = join(this.within, 'sessions');
    this.path = join(this.within, 'disk');
    this.cachePath = join(this.path, 'cache');
    mkdirSync(this.mountPoint);
    mkdirSync(this.path);
    this.#mount(`size=${sizeMiB}m`);
  }

  /** For `sessionfs mount`. */
  get cacheArguments(): string[] {
    return ['--cache-path', this.cachePath];
  }

  grow(sizeMiB: number): void {
    this.#mount(`remount,size=${sizeMiB}m`);
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  #mount(options: string): void {
    const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'none', this.path]);
    assert.equal(status, 0, String(stderr));
  }
}
