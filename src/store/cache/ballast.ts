/**
 * Room kept for a full disk: a checkpoint needs some to free more (a segment goes once its files are written).
 */
import { randomBytes } from 'node:crypto';
import { constants, rmSync, writeFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import { join } from 'node:path';
import { type FileOperations, tolerate } from '../../lib/file-operations.ts';

const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;

export const BALLAST_BYTES = 1024 * 1024;

function ballastPath(cachePath: string): string {
  return join(cachePath, 'reserve');
}

/** Gives the room free at once, for the thread that met the full disk. */
export function releaseBallast(cachePath: string): void {
  rmSync(ballastPath(cachePath), { force: true });
}

/** As `restore` of the class: before the changes that waited for room take all of it. */
export function restoreBallast(cachePath: string): void {
  const path = ballastPath(cachePath);
  try {
    // Random, so that no filesystem stores it in less.
    writeFileSync(path, randomBytes(BALLAST_BYTES), { mode: 0o600, flag: FLAGS as unknown as string });
  } catch {
    releaseBallast(cachePath);
  }
}

export class Ballast {
  readonly #path: string;
  readonly #operations: FileOperations;

  constructor(cachePath: string, operations: FileOperations) {
    this.#path = ballastPath(cachePath);
    this.#operations = operations;
  }

  /** Gives the room free. */
  async release(): Promise<void> {
    await tolerate(this.#operations.unlink(this.#path), 'ENOENT');
  }

  /** Takes the room again if there is any; where there is not, none of it. Never throws. */
  async restore(): Promise<void> {
    const there = await fs.stat(this.#path).catch(() => undefined);
    if (there?.size === BALLAST_BYTES) return;
    await this.#write().catch(() => this.release().catch(() => {}));
  }

  async #write(): Promise<void> {
    const fd = await this.#operations.open(this.#path, FLAGS, 0o600);
    try {
      // Random, so that no filesystem stores it in less.
      await this.#operations.write(fd, randomBytes(BALLAST_BYTES));
    } finally {
      await this.#operations.close(fd);
    }
  }
}
