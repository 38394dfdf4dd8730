/** A disk in memory for cache and journal, which can be full. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, statfsSync } from 'node:fs';

const SIZE_MIB = 4096;
/** What is left of a full disk. */
const LEFT_KIB = 64;

export class SoakDisk {
  readonly path: string;

  /** Unmounted with the folder that it lies in. */
  constructor(path: string) {
    this.path = path;
    mkdirSync(path);
    this.#mount(`size=${SIZE_MIB}m`);
  }

  get usedMiB(): number {
    const { blocks, bfree, bsize } = statfsSync(this.path);
    return ((blocks - bfree) * bsize) / (1024 * 1024);
  }

  fill(): void {
    // What was written since the look fits no more: the kernel refuses such a size, and the next try finds more in use.
    for (let attempt = 0; attempt < 5; attempt++) {
      const kibibytes = Math.ceil(this.usedMiB * 1024) + LEFT_KIB;
      if (this.#remount(`remount,size=${kibibytes}k`)) return;
    }
  }

  free(): void {
    this.#mount(`remount,size=${SIZE_MIB}m`);
  }

  #mount(options: string): void {
    if (!this.#remount(options)) throw new Error(`no tmpfs at ${this.path} with ${options}`);
  }

  #remount(options: string): boolean {
    return spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'none', this.path]).status === 0;
  }
}
