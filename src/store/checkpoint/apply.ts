/**
 * Carries a plan out: files go, then directories (children first), then directories come (parents first), then files, so
 * that a name is free before it is taken. Interrupted anywhere and begun again, it ends the same.
 *
 * What one path fails with is that path's own: the rest is carried out. Only a full disk ends the run, and a disk on which
 * nothing succeeds.
 */

import type { BulkFiles } from '../../lib/bulk-files.ts';
import { errnoOf, isDiskFull } from '../../lib/errno.ts';
import { mapLimit } from '../../lib/map-limit.ts';
import { codeOf } from '../../lib/system-error.ts';
import { directoryMetaName, toObjectName } from '../../naming/object-name.ts';
import type { Cache } from '../cache/cache.ts';
import type { StagedFile } from '../cache/files.ts';
import { quarantine } from '../set-aside/quarantine.ts';
import type { CheckpointPlan, DirectoryPlan, FilePlan, StoredBytes } from './plan.ts';

export interface ApplyOptions {
  read: (bytes: StoredBytes) => Promise<Buffer>;
  concurrency: number;
  nowMs: () => number;
  /** How much is written before old versions give their space free. */
  groupFiles: number;
  groupBytes: number;
  /** From so many on, files are synced by one sync of the filesystem instead of one by one. */
  syncTogetherMin: number;
  /** From so many on, files are written and renamed by a thread of their own, where the disk's operations have one. */
  bulkMin: number;
}

export interface PathFailure {
  path: string;
  error: unknown;
}

export interface Applied {
  filesWritten: number;
  bytesWritten: number;
  filesRemoved: number;
  /** Removed in the mount, but kept in the cache by something foreign in them. */
  directoriesKept: string[];
  /** The parts of the plan that were not carried out. */
  failed: Map<FilePlan | DirectoryPlan, PathFailure>;
}

interface Write extends StagedFile {
  path: string;
  plan: FilePlan | DirectoryPlan;
  objectName: string;
  bytes: StoredBytes;
}

const inJournalOrder = ({ bytes: a }: Write, { bytes: b }: Write) =>
  a.segment - b.segment || a.position - b.position;

/**
 * Everything that did not fail is durable on return. Throws a full disk's error, and any other one where nothing could be
 * carried out; what was staged and not published is removed again.
 */
export async function applyPlan(cache: Cache, plan: CheckpointPlan, options: ApplyOptions): Promise<Applied> {
  const run = new Apply(cache, plan, options);
  await run.keepOld();
  await run.removeFiles();
  await run.removeDirectories();
  await run.makeDirectories();
  await run.writeFiles();
  await run.syncDirectories();
  run.throwIfNothingSucceeded();
  return run.applied;
}

class Apply {
  readonly applied: Applied = {
    filesWritten: 0,
    bytesWritten: 0,
    filesRemoved: 0,
    directoriesKept: [],
    failed: new Map(),
  };
  readonly #touched = new Set<string>();
  readonly #cache: Cache;
  readonly #plan: CheckpointPlan;
  readonly #options: ApplyOptions;
  #bulk: BulkFiles | undefined;

  constructor(cache: Cache, plan: CheckpointPlan, options: ApplyOptions) {
    this.#cache = cache;
    this.#plan = plan;
    this.#options = options;
  }

  async keepOld(): Promise<void> {
    for (const [path, plan] of this.#plan.files) {
      if (!plan.keepOld) continue;
      await this.#attempt(path, plan, async () => {
        const replacement = plan.put && (await this.#options.read(plan.put));
        await quarantine(this.#cache.files, path, replacement, this.#options.nowMs());
      });
    }
  }

  async removeFiles(): Promise<void> {
    const gone = [...this.#plan.files].filter(([, plan]) => !plan.put && !this.#hasFailed(plan));
    await mapLimit(gone, this.#options.concurrency, async ([path, plan]) => {
      await this.#attempt(path, plan, async () => {
        await this.#cache.files.removeFile(toObjectName(path, 'file'), this.#touched);
        this.applied.filesRemoved++;
      });
    });
  }

  async removeDirectories(): Promise<void> {
    const gone = [...this.#plan.directories].filter(([, { exists }]) => !exists);
    for (const [path, plan] of gone.sort(([a], [b]) => depth(b) - depth(a))) {
      await this.#attempt(path, plan, async () => {
        const removed = await this.#cache.files.removeDirectory(path, this.#touched);
        if (removed) return;
        const within = this.#failureBelow(path);
        if (within !== undefined) throw within.error;
        this.applied.directoriesKept.push(path);
      });
    }
  }

  /** What stays only because the disk failed just then goes with the next try; so does the directory that it is in. */
  #failureBelow(directory: string): PathFailure | undefined {
    return [...this.applied.failed.values()].find(({ path }) => path.startsWith(`${directory}/`));
  }

  async makeDirectories(): Promise<void> {
    const made = [...this.#plan.directories].filter(([, { exists }]) => exists);
    for (const [path, plan] of made.sort(([a], [b]) => depth(a) - depth(b))) {
      await this.#attempt(path, plan, async () => {
        const file = this.#plan.files.get(path);
        const inTheWay = file && this.applied.failed.get(file);
        if (inTheWay) throw inTheWay.error;
        const directory = this.#cache.files.locate(toObjectName(path, 'directory'));
        await this.#cache.files.ensureDirectory(directory, this.#touched);
        if (plan.exists && !plan.meta)
          await this.#cache.files.removeFile(directoryMetaName(path), this.#touched);
      });
    }
  }

  async writeFiles(): Promise<void> {
    try {
      for (const group of this.#groups()) await this.#writeGroup(group);
    } finally {
      await this.#bulk?.close();
    }
  }

  /** One that cannot be synced is no path's own: then it is not known what of the plan is durable. */
  async syncDirectories(): Promise<void> {
    const { files } = this.#cache;
    if (this.#touched.size >= this.#options.syncTogetherMin && (await files.syncAll())) return;
    await files.syncDirectories(this.#touched, this.#options.concurrency);
  }

  throwIfNothingSucceeded(): void {
    const failures = [...this.applied.failed.values()];
    const attempted = this.#plan.files.size + this.#plan.directories.size;
    if (failures.length === 0 || failures.length < attempted) return;
    if (failures.every(({ error }) => ERRORS_OF_A_DISK.includes(codeOf(error) ?? '')))
      throw failures[0]?.error;
  }

  /**
   * In the order of the journal: few segments are kept in memory, and one of 16 MiB would be read for each file that is in another
   * than the file before it.
   */
  *#groups(): Generator<Write[]> {
    let group: Write[] = [];
    let bytes = 0;
    for (const write of [...this.#writes()].sort(inJournalOrder)) {
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
      if (plan.exists && plan.meta && !this.#hasFailed(plan))
        yield { path, plan, objectName: directoryMetaName(path), bytes: plan.meta, ...UNSTAGED };
    }
    for (const [path, plan] of this.#plan.files) {
      if (plan.put && !this.#hasFailed(plan))
        yield { path, plan, objectName: toObjectName(path, 'file'), bytes: plan.put, ...UNSTAGED };
    }
  }

  /** Writes all, then syncs all, then renames all: the disk's own journal takes the whole group in few commits. */
  async #writeGroup(group: readonly Write[]): Promise<void> {
    const { bulkMin, concurrency, read, syncTogetherMin } = this.#options;
    const { files } = this.#cache;
    const together = group.length >= syncTogetherMin;
    const each = (writes: readonly Write[], work: (write: Write) => Promise<void>) =>
      mapLimit(writes, concurrency, (write) => this.#attempt(write.path, write.plan, () => work(write)));
    const alive = () => group.filter(({ plan }) => !this.#hasFailed(plan));
    if (together && group.length >= bulkMin) this.#bulk ??= files.operations.bulk?.();
    const bulk = together && group.length >= bulkMin ? this.#bulk : undefined;
    try {
      if (bulk !== undefined) await this.#stageTogether(bulk, group);
      await each(group.filter(isUnstaged), async (write) => {
        Object.assign(write, await files.stage(await read(write.bytes)));
        if (together) await files.finish(write);
      });
      if (!together || !(await files.syncAll())) await each(alive(), (write) => files.settle(write));
      const single = bulk === undefined ? alive() : await this.#publishTogether(bulk, alive());
      await each(single, (write) => this.#publish(write));
    } finally {
      const left = group.filter((write) => !isUnstaged(write));
      await mapLimit(left, concurrency, (write) => files.discard(write));
    }
  }

  /** What fails is tried again by itself, which says why; what cannot be read costs itself. */
  async #stageTogether(bulk: BulkFiles, group: readonly Write[]): Promise<void> {
    for (let at = 0; at < group.length; at += READ_TOGETHER) {
      const some: Write[] = [];
      const contents: Buffer[] = [];
      for (const write of group.slice(at, at + READ_TOGETHER)) {
        const bytes = await this.#options.read(write.bytes).catch(() => undefined);
        if (bytes === undefined) continue;
        some.push(write);
        contents.push(bytes);
      }
      const staged = await this.#cache.files.stageTogether(bulk, contents);
      for (const [index, write] of some.entries()) Object.assign(write, staged[index]);
    }
  }

  /** Returns those that must be published by themselves. */
  async #publishTogether(bulk: BulkFiles, writes: readonly Write[]): Promise<Write[]> {
    const single = await this.#cache.files.publishTogether(bulk, writes, this.#touched);
    const failed = new Set(single);
    for (const write of writes) if (!failed.has(write)) this.#published(write);
    return single;
  }

  async #publish(write: Write): Promise<void> {
    await this.#cache.files.publish(write, write.objectName, this.#touched);
    this.#published(write);
  }

  #published(write: Write): void {
    write.temporary = '';
    this.applied.filesWritten++;
    this.applied.bytesWritten += write.bytes.length;
  }

  /** Throws a full disk's error only. */
  async #attempt(path: string, plan: FilePlan | DirectoryPlan, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (isDiskFull(errnoOf(error))) throw error;
      this.applied.failed.set(plan, { path, error });
    }
  }

  #hasFailed(plan: FilePlan | DirectoryPlan): boolean {
    return this.applied.failed.has(plan);
  }
}

/** What a disk that is failing, or a process without descriptors or memory, says of every path. */
const ERRORS_OF_A_DISK = ['EIO', 'EROFS', 'ENODEV', 'ENXIO', 'ESTALE', 'EMFILE', 'ENFILE', 'ENOMEM'];

/** The empty name: nothing is staged. */
const UNSTAGED: StagedFile = { temporary: '', fd: undefined };

function isUnstaged({ temporary }: StagedFile): boolean {
  return temporary === '';
}

/** How many are read before they are written. */
const READ_TOGETHER = 256;

function depth(path: string): number {
  return path.split('/').length;
}
