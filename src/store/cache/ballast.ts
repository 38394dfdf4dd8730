/**
 * Room kept for a full disk. A checkpoint needs some to free more: a segment goes once its files are written. Where that was not
 * enough, or is taken, removals have a little of their own: a checkpoint need not write what they remove.
 */
import { randomBytes } from 'node:crypto';
import fs, { constants } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileOperations, tolerate } from '../../lib/file-operations.ts';

const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;

interface Reserve {
  readonly file: string;
  readonly bytes: number;
}

export const FOR_CHECKPOINTS: Reserve = { file: 'reserve', bytes: 1024 * 1024 };
/** Records of names, of up to 4 KiB each. */
export const FOR_REMOVALS: Reserve = { file: 'reserve-removals', bytes: 64 * 1024 };
/** The small one first: it fits where the other does not. */
const ALL = [FOR_REMOVALS, FOR_CHECKPOINTS];

/** Gives the room of checkpoints free at once, for the thread that met the full disk. */
export function releaseBallast(cachePath: string): void {
  fs.rmSync(join(cachePath, FOR_CHECKPOINTS.file), { force: true });
}

/** Gives the room of removals free at once. False: it is not there, or the disk does not let it go. */
export function releaseRoomForRemovals(cachePath: string): boolean {
  try {
    fs.unlinkSync(join(cachePath, FOR_REMOVALS.file));
    return true;
  } catch {
    return false;
  }
}

/** As `restore` of the class: before the changes that waited for room take all of it. */
export function restoreBallast(cachePath: string): void {
  for (const { file, bytes } of ALL) {
    const path = join(cachePath, file);
    try {
      if (fs.statSync(path, { throwIfNoEntry: false })?.size === bytes) continue;
      // Random, so that no filesystem stores it in less.
      fs.writeFileSync(path, randomBytes(bytes), { mode: 0o600, flag: FLAGS as unknown as string });
    } catch {
      fs.rmSync(path, { force: true });
    }
  }
}

export class Ballast {
  readonly #cachePath: string;
  readonly #operations: FileOperations;

  constructor(cachePath: string, operations: FileOperations) {
    this.#cachePath = cachePath;
    this.#operations = operations;
  }

  /** Gives the room of checkpoints free. */
  async release(): Promise<void> {
    await this.#release(FOR_CHECKPOINTS);
  }

  /** Takes all room again if there is any; where there is not, none of it. Never throws. */
  async restore(): Promise<void> {
    for (const reserve of ALL) {
      const there = await stat(join(this.#cachePath, reserve.file)).catch(() => undefined);
      if (there?.size !== reserve.bytes)
        await this.#write(reserve).catch(() => this.#release(reserve).catch(() => {}));
    }
  }

  async #release({ file }: Reserve): Promise<void> {
    await tolerate(this.#operations.unlink(join(this.#cachePath, file)), 'ENOENT');
  }

  async #write({ file, bytes }: Reserve): Promise<void> {
    const fd = await this.#operations.open(join(this.#cachePath, file), FLAGS, 0o600);
    try {
      // Random, so that no filesystem stores it in less.
      await this.#operations.write(fd, randomBytes(bytes));
    } finally {
      await this.#operations.close(fd);
    }
  }
}
