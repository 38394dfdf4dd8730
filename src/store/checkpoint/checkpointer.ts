/** Moves closed journal segments into the cache, on the main thread, and deletes them when every commit in them is there. */
import { constants } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { errnoOf, isDiskFull } from '../../lib/errno.ts';
import { tolerate } from '../../lib/file-operations.ts';
import { messageOf } from '../../lib/system-error.ts';
import { Ballast } from '../cache/ballast.ts';
import type { Cache } from '../cache/cache.ts';
import { segmentNumbers, segmentPath } from '../journal/format.ts';
import type { JournalProgress } from '../journal/progress.ts';
import { type Applied, applyPlan } from './apply.ts';
import { ClosedSegments } from './closed-segments.ts';
import type { StoreLog } from './log.ts';
import type { NodeTable } from './node-table.ts';
import { CheckpointPlan, type DirectoryPlan, type FilePlan } from './plan.ts';
import { emptyTrash, type Trash } from './trash.ts';

export interface CheckpointerOptions {
  journalDirectory: string;
  cache: Cache;
  progress: JournalProgress;
  /** All commits in segments up to this one are in the cache: the kernel thread reads them there from now on. */
  onRetired: (segment: number) => void;
  log: StoreLog;
  /** The cache has what the plan says, durably, and the journal still has it too: rejecting keeps the segments. */
  onApplied?: (plan: CheckpointPlan) => Promise<void>;
  /** Keeps sessions that are removed; without it they are gone. */
  trash?: Trash;
  /** Where node numbers go that only the journal has; without it they go with their segments. */
  nodes?: NodeTable;
  concurrency?: number;
  syncTogetherMin?: number;
  bulkMin?: number;
  clock?: Clock;
}

export interface CheckpointReport extends Omit<Applied, 'directoriesKept' | 'failed'> {
  /**
   * 'disk-full': the segments that are left wait in the journal; nothing is lost, run again when there is room. 'partial':
   * all is in the cache but `unstored`; the segments from the first one that holds any of it stay.
   */
  outcome: 'complete' | 'partial' | 'disk-full';
  /** Paths that the cache cannot take; their newest version is in the journal. */
  unstored: string[];
  segmentsRetired: number;
  /** Operations that a later one made needless. */
  superseded: number;
}

interface GroupLimits {
  groupFiles: number;
  groupBytes: number;
}

const CONCURRENCY = 8;
/** A sync of the whole filesystem costs a process, and waits for what others have written there. */
const SYNC_TOGETHER_MIN = 64;
/** A thread takes a while to start. */
const BULK_MIN = 1_024;
const ROOMY: GroupLimits = { groupFiles: 4_096, groupBytes: 32 * 1024 * 1024 };
/** File by file: each rename frees an old version before the next file needs room. */
const TIGHT: GroupLimits = { groupFiles: 1, groupBytes: 0 };

export class Checkpointer {
  readonly #options: CheckpointerOptions;
  readonly #ballast: Ballast;
  /** All segments up to this one are in the cache, but for what is owed. */
  #appliedUpTo = 0;
  /** What the cache could not take; its bytes are in segments that stay. */
  #owed = new CheckpointPlan();
  /** Removals that were carried out and must not be told of before what is owed is stored. */
  #untold = new CheckpointPlan();
  /** The unstored paths that the log has named. */
  #told = '';
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    this.#ballast = new Ballast(options.cache.path, options.cache.files.operations);
  }

  /**
   * Checkpoints the closed segments up to `upTo` (from JournalWriter.roll); runs follow one another. Interrupted at
   * any point, the next run ends the same. Rejects with JOURNAL_CORRUPT, CACHE_FORMAT and system errors other than a full
   * disk; every segment that was not retired is still there then.
   */
  run(upTo: number): Promise<CheckpointReport> {
    const turn = this.#last.then(() => this.#run(upTo));
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Takes the room that a full disk will need, if there is any. Call it at the start; it never throws. */
  reserve(): Promise<void> {
    return this.#ballast.restore();
  }

  async #run(upTo: number): Promise<CheckpointReport> {
    const report = emptyReport();
    const segments = new ClosedSegments(this.#options.journalDirectory);
    try {
      const { numbers, plan } = await segments.survey(upTo, this.#appliedUpTo, this.#owed);
      if (numbers.length > 0) await this.#syncJournal();
      const roomy = await this.#checkpoint(segments, numbers, plan, ROOMY, report);
      if (!roomy) await this.#onFullDisk(segments, numbers, report);
    } finally {
      await segments.close();
    }
    if (report.outcome !== 'disk-full') await this.#ballast.restore();
    return report;
  }

  /**
   * The whole journal, before anything of it moves: a power cut must find neither half of a record in the cache (the old
   * name of a rename gone, the new one not yet there) without the record, nor a segment gone whose unfinished files are
   * repeated in the present one, without those. A disk that cannot has had its error told (JournalSync): then a checkpoint
   * is what saves the most.
   */
  async #syncJournal(): Promise<void> {
    const { journalDirectory, cache } = this.#options;
    const { operations } = cache.files;
    for (const number of segmentNumbers(await readdir(journalDirectory))) {
      const fd = await operations.open(segmentPath(journalDirectory, number), constants.O_RDONLY, 0);
      await operations.fdatasync(fd).catch(() => {});
      await operations.close(fd);
    }
    await cache.files.syncDirectory(journalDirectory);
  }

  /** Segment by segment, so that the first one that fits frees its own bytes for those after it. */
  async #onFullDisk(segments: ClosedSegments, numbers: number[], report: CheckpointReport): Promise<void> {
    emptyTrash(this.#options.cache.path);
    await this.#ballast.release();
    const fresh = numbers.filter((number) => number > this.#appliedUpTo);
    // Where nothing is new, what is owed needs the room.
    for (const part of fresh.length === 0 ? [[]] : fresh.map((number) => [number])) {
      const plan = await segments.plan(part, 0, this.#owed);
      if (await this.#checkpoint(segments, part, plan, TIGHT, report)) continue;
      report.outcome = 'disk-full';
      return;
    }
  }

  /** False: the disk is full. */
  async #checkpoint(
    segments: ClosedSegments,
    numbers: number[],
    plan: CheckpointPlan,
    limits: GroupLimits,
    report: CheckpointReport,
  ): Promise<boolean> {
    const { cache, concurrency = CONCURRENCY, clock = systemClock } = this.#options;
    const { syncTogetherMin = SYNC_TOGETHER_MIN, bulkMin = BULK_MIN } = this.#options;
    const read = segments.read.bind(segments);
    const nowMs = clock.wallMs;
    let applied: Applied;
    if (limits === ROOMY) await this.#options.trash?.collect(plan, read);
    try {
      applied = await applyPlan(cache, plan, {
        read,
        concurrency,
        nowMs,
        syncTogetherMin,
        bulkMin,
        ...limits,
      });
    } catch (error) {
      if (isDiskFull(errnoOf(error))) return false;
      throw error;
    }
    const { owed, untold, told } = this.#divide(plan, applied);
    if (!(await this.#tell(told, plan))) return false;
    this.#owed = owed;
    this.#untold = untold;
    this.#appliedUpTo = Math.max(this.#appliedUpTo, numbers.at(-1) ?? 0);
    this.#note(applied, plan.superseded, report);
    this.#noteFailed(applied, report);
    await this.#retireUpTo(Math.min(this.#appliedUpTo, owed.since - 1, untold.since - 1), report);
    return true;
  }

  /** What the segments said and the cache's files do not say. False: the disk is full. */
  async #tell(told: CheckpointPlan, { nodes }: CheckpointPlan): Promise<boolean> {
    try {
      await this.#options.onApplied?.(told);
      await this.#options.nodes?.append(nodes);
      return true;
    } catch (error) {
      if (isDiskFull(errnoOf(error))) return false;
      throw error;
    }
  }

  /**
   * What failed is owed. Where something failed for the first time, what the same plan removed is not told of yet: a rename
   * must not delete the old name's object before the new name has one.
   */
  #divide(plan: CheckpointPlan, { failed }: Applied): Record<'owed' | 'untold' | 'told', CheckpointPlan> {
    const all = plan.over(this.#untold);
    const before = { owed: this.#owed.parts, untold: this.#untold.parts };
    const isNew = [...failed.keys()].some((each) => !before.owed.has(each));
    const isUntold = (each: FilePlan | DirectoryPlan) =>
      failed.size > 0 && !failed.has(each) && isRemoval(each) && (isNew || before.untold.has(each));
    const untold = all.filter(isUntold);
    const told = all.filter((each) => !failed.has(each) && !isUntold(each));
    return { owed: plan.filter((each) => failed.has(each)), untold, told };
  }

  async #retireUpTo(last: number, report: CheckpointReport): Promise<void> {
    const numbers = segmentNumbers(await readdir(this.#options.journalDirectory));
    for (const number of numbers.filter((each) => each <= last)) {
      await this.#retire(number);
      report.segmentsRetired++;
    }
  }

  /**
   * Readers are told before the file goes. One after the other, each deletion durable before the next: what a crash leaves
   * of the journal has no hole.
   */
  async #retire(number: number): Promise<void> {
    const { progress, journalDirectory, cache, onRetired } = this.#options;
    progress.setRetired(number);
    onRetired(number);
    await tolerate(cache.files.operations.unlink(segmentPath(journalDirectory, number)), 'ENOENT');
    await cache.files.syncDirectory(journalDirectory);
  }

  #note(applied: Applied, superseded: number, report: CheckpointReport): void {
    report.filesWritten += applied.filesWritten;
    report.bytesWritten += applied.bytesWritten;
    report.filesRemoved += applied.filesRemoved;
    report.superseded += superseded;
    // At the top level that is the sessions of a user of that name.
    const foreign = applied.directoriesKept.filter((path) => path.includes('/'));
    if (foreign.length === 0) return;
    const message = 'Removed directories stay in the cache: they hold files that are not from sessionfs';
    this.#options.log.warn({ directories: foreign.slice(0, 10), count: foreign.length }, message);
  }

  #noteFailed({ failed }: Applied, report: CheckpointReport): void {
    const failures = [...failed.values()];
    report.unstored = failures.map(({ path }) => path);
    report.outcome = failures.length > 0 ? 'partial' : 'complete';
    const told = report.unstored.join('\n');
    if (told !== '' && told !== this.#told) {
      const files = failures.slice(0, 10).map(({ path, error }) => ({ path, error: messageOf(error) }));
      this.#options.log.warn({ files, count: failures.length }, UNSTORED);
    }
    this.#told = told;
  }
}

function isRemoval(plan: FilePlan | DirectoryPlan): boolean {
  return 'put' in plan ? plan.put === undefined : !plan.exists;
}

const UNSTORED =
  'The cache cannot store some paths; they stay in the journal, everything else is stored; remove what is in their way in the cache';

function emptyReport(): CheckpointReport {
  return {
    outcome: 'complete',
    unstored: [],
    segmentsRetired: 0,
    filesWritten: 0,
    bytesWritten: 0,
    filesRemoved: 0,
    superseded: 0,
  };
}
