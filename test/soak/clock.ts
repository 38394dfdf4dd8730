/**
 * A wall clock that jumps, for the processes of one mount: libfaketime between them and libc. Nothing of sessionfs knows of it, and the
 * clock that never jumps, by which sessionfs measures durations, stays as it is.
 */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanUp, type Scope } from '../support/cleanup.ts';

const FOLDERS = ['/usr/lib', '/usr/lib64', '/usr/local/lib'];
const LIBRARY = 'faketime/libfaketime.so.1';

function findLibrary(): string | undefined {
  const folders = FOLDERS.filter((folder) => existsSync(folder)).flatMap((folder) => [
    folder,
    ...readdirSync(folder)
      .filter((name) => name.endsWith('-linux-gnu'))
      .map((name) => join(folder, name)),
  ]);
  return folders.map((folder) => join(folder, LIBRARY)).find((path) => existsSync(path));
}

function sharedMemory(): string[] {
  const folder = '/dev/shm';
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => /^(sem\.)?faketime_(shm|sem)_\d+$/.test(name));
  return names.map((name) => join(folder, name));
}

const HOUR = 3600;
const JUMPS = [-30 * 24 * HOUR, -24 * HOUR, -HOUR, -90, 90, HOUR, 24 * HOUR, 30 * 24 * HOUR];

export class JumpingClock {
  readonly #library: string | undefined;
  readonly #file: string;

  /** `file`: one that it makes. */
  constructor(scope: Scope, file: string) {
    this.#library = findLibrary();
    const before = new Set(sharedMemory());
    // The library's own, of processes that were killed.
    cleanUp(scope, async () => {
      for (const path of sharedMemory()) if (!before.has(path)) rmSync(path, { force: true });
    });
    this.#file = file;
    writeFileSync(file, '+0\n');
  }

  /** Why it cannot jump. */
  get missing(): string | undefined {
    if (this.#library !== undefined) return undefined;
    return 'libfaketime is not installed (Debian, Ubuntu: apt-get install libfaketime)';
  }

  /** For the processes whose clock it is. */
  get environment(): Record<string, string> {
    if (this.#library === undefined) return {};
    return {
      LD_PRELOAD: this.#library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
  }

  /** From the right time on, in seconds; takes effect within one. */
  jump(lot: number): number {
    const seconds = JUMPS[lot % JUMPS.length] ?? 0;
    writeFileSync(this.#file, `${seconds < 0 ? '' : '+'}${seconds}\n`);
    return seconds;
  }
}
