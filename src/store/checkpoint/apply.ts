/**
 * Carries a plan out: files go, then directories (children first), then directories come (parents first), then files, so
 * that a name is free before it is taken. Interrupted anywhere and begun again, it ends the same.
 */

import { mapLimit } from '../../lib/map-limit.ts';
import { directoryMetaName, toObjectName } from '../../naming/object-name.ts';
import type { Cache } from '../cache/cache.ts';
import type { StagedFile } from '../cache/files.ts';
import { quarantine } from '../set-aside/quarantine.ts';
import type { CheckpointPlan, StoredBytes } from './plan.ts';

export interface ApplyOptions {
  read: (bytes: StoredBytes) => Promise<Buffer>;
  concurrency: number;
  nowMs: () => number;
  /** How much is written before old versions give their space free. */
  groupFiles: number;
  groupBytes: number;
}

export interface Applied {
  filesWritten: number;
  bytesWritten: number;
  filesRemoved: number;
  /** Removed in the mount, but kept in the cache by something foreign in them. */
  directoriesKept: string[];
}

interface Write {
  objectName: string;
  bytes: StoredBytes;
}

/** Everything is durable on return. Throws system errors; what was staged and not published is removed again. */
export async function applyPlan(cache: Cache, plan: CheckpointPlan, options: ApplyOptions): Promise<Applied> {
  const run = new Apply(cache, plan, options);
  await run.keepOld();
  await run.removeFiles();
  await run.removeDirectories();
  await run.makeDirectories();
  await run.writeFiles();
  await cache.files.syncDirectories(run.touched, options.concurrency);
  return run.applied;
}

class Apply {
  readonly applied: Applied = { filesWritten: 0, bytesWritten: 0, filesRemoved: 0, directoriesKept: [] };
  readonly touched = new Set<string>();
  readonly #cache: Cache;
  readonly #plan: CheckpointPlan;
  readonly #options: ApplyOptions;

  constructor(cache: Cache, plan: CheckpointPlan, options: ApplyOptions) {
    this.#cache = cache;
    this.#plan = plan;
    this.#options = options;
  }

  async keepOld(): Promise<void> {
    for (const [path, { put, keepOld }] of this.#plan.files) {
      if (!keepOld) continue;
      const replacement = put && (await this.#options.read(put));
      await quarantine(this.#cache.files, path, replacement, this.#options.nowMs());
    }
  }

  async removeFiles(): Promise<void> {
    const gone = [...this.#plan.files].filter(([, { put }]) => !put);
    await mapLimit(gone, this.#options.concurrency, async ([path]) => {
      await this.#cache.files.removeFile(toObjectName(path, 'file'), this.touched);
    });
    this.applied.filesRemoved = gone.length;
  }

  async removeDirectories(): Promise<void> {
    const gone = [...this.#plan.directories].filter(([, { exists }]) => !exists).map(([path]) => path);
    for (const path of gone.sort((a, b) => depth(b) - depth(a))) {
      const removed = await this.#cache.files.removeDirectory(path, this.touched);
      if (!removed) this.applied.directoriesKept.push(path);
    }
  }

  async makeDirectories(): Promise<void> {
    const made = [...this.#plan.directories].filter(([, { exists }]) => exists).map(([path]) => path);
    for (const path of made.sort((a, b) => depth(a) - depth(b))) {
      const directory = this.#cache.files.locate(toObjectName(path, 'directory'));
      await this.#cache.files.ensureDirectory(directory, this.touched);
    }
    for (const [path, plan] of this.#plan.directories) {
      if (plan.exists && !plan.meta)
        await this.#cache.files.removeFile(directoryMetaName(path), this.touched);
    }
  }

  async writeFiles(): Promise<void> {
    for (const group of this.#groups()) await this.#writeGroup(group);
  }

  *#groups(): Generator<Write[]> {
    let group: Write[] = [];
    let bytes = 0;
    for (const write of this.#writes()) {
      group.push(write);
      bytes += write.bytes.length;
      if (group.length < this.#options.groupFiles && bytes < this.#options.groupBytes) continue;
      yield group;
      group = [];
      bytes = 0;
    }
    if (group.length > 0) yield group;
  }

  *#writes(): Generator<Write> {
    for (const [path, plan] of this.#plan.directories) {
      if (plan.exists && plan.meta) yield { objectName: directoryMetaName(path), bytes: plan.meta };
    }
    for (const [path, { put }] of this.#plan.files) {
      if (put) yield { objectName: toObjectName(path, 'file'), bytes: put };
    }
  }

  /** Writes all, then syncs all, then renames all: the disk's own journal takes the whole group in few commits. */
  async #writeGroup(group: Write[]): Promise<void> {
    const { concurrency, read } = this.#options;
    const { files } = this.#cache;
    const staged = new Map<Write, StagedFile>();
    try {
      await mapLimit(group, concurrency, async (write) => {
        staged.set(write, await files.stage(await read(write.bytes)));
      });
      await mapLimit(staged.values(), concurrency, (file) => files.settle(file));
      await mapLimit(staged, concurrency, ([write, file]) => this.#publish(write, file, staged));
    } catch (error) {
      await mapLimit(staged.values(), concurrency, (file) => files.discard(file));
      throw error;
    }
  }

  async #publish(write: Write, file: StagedFile, staged: Map<Write, StagedFile>): Promise<void> {
    await this.#cache.files.publish(file, write.objectName, this.touched);
    staged.delete(write);
    this.applied.filesWritten++;
    this.applied.bytesWritten += write.bytes.length;
  }
}

function depth(path: string): number {
  return path.split('/').length;
}
