/** What the store's tests share. */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  type FileOperations,
  fileOperations,
  type SyncFileOperations,
  syncFileOperations,
} from '../../src/lib/file-operations.ts';
import { systemError } from '../../src/lib/system-error.ts';
import { Cache } from '../../src/store/cache/cache.ts';
import {
  Checkpointer,
  type CheckpointerOptions,
  type CheckpointReport,
} from '../../src/store/checkpoint/checkpointer.ts';
import { type JournalOp, OpFlag, OpType } from '../../src/store/journal/format.ts';
import { JournalProgress } from '../../src/store/journal/progress.ts';
import { type ReplayResult, replayJournal } from '../../src/store/journal/replay.ts';
import { JournalWriter } from '../../src/store/journal/writer.ts';
import { memoryFiles } from '../support/memory-files.ts';

export function temporaryDirectory(t: TestContext, within = tmpdir()): string {
  const directory = fs.mkdtempSync(join(within, 'sessionfs-test-'));
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export interface SimpleOp {
  type: OpType;
  path: string;
  flags?: number;
  arg?: number;
  data?: string;
}

export const put = (path: string, data: string, flags: number = OpFlag.NONE): SimpleOp => ({
  type: OpType.PUT,
  path,
  data,
  flags,
});
export const remove = (path: string): SimpleOp => ({ type: OpType.DELETE, path });
export const mkdir = (path: string, data = ''): SimpleOp => ({ type: OpType.MKDIR, path, data });
export const rmdir = (path: string): SimpleOp => ({ type: OpType.RMDIR, path });

/** Appends one record; answers where the data of its last operation lies. */
export function append(writer: JournalWriter, ops: readonly SimpleOp[], unique = 0): number {
  writer.begin(unique);
  let at = 0;
  for (const { type, path, flags = OpFlag.NONE, arg = 0, data = '' } of ops) {
    at = writer.add(type, flags, path, arg, Buffer.byteLength(data));
    writer.buffer.write(data, at);
  }
  writer.commit();
  return writer.positionOf(at);
}

export interface Replayed extends ReplayResult {
  /** One list of operations a record. */
  seen: SimpleOp[][];
}

export function replay(directory: string): Replayed {
  const bySeq = new Map<number, SimpleOp[]>();
  const result = replayJournal(directory, (op, { seq }) => {
    bySeq.set(seq, [...(bySeq.get(seq) ?? []), simplify(op)]);
  });
  return { ...result, seen: [...bySeq.values()] };
}

export function simplify({ type, path, flags, arg, data }: JournalOp): SimpleOp {
  return { type, path, flags, arg, data: data.toString() };
}

/** A faulty disk: `fail` says, before each operation, whether it fails with that code instead of happening. */
export type Fault = (operation: string, index: number) => string | undefined;

function faulty<T extends object>(real: T, fault: Fault): T {
  let index = 0;
  const wrap = (operation: string, work: (...args: unknown[]) => unknown) => {
    return (...args: unknown[]) => {
      const code = fault(operation, index++);
      if (code !== undefined) throw systemError(code, operation, 'injected');
      return work(...args);
    };
  };
  return Object.fromEntries(Object.entries(real).map(([name, work]) => [name, wrap(name, work)])) as T;
}

export function faultySync(fault: Fault): SyncFileOperations {
  return faulty(syncFileOperations, fault);
}

export function faultyAsync(fault: Fault): FileOperations {
  const single = { ...fileOperations };
  delete single.bulk;
  const wrapped = faulty(single, fault);
  const each = Object.entries(wrapped) as [string, (...args: unknown[]) => unknown][];
  const promised = each.map(([name, work]) => [name, async (...args: unknown[]) => work(...args)]);
  return Object.fromEntries(promised) as FileOperations;
}

export const KEY_ID = '0123456789abcdef';

/** A cache with a journal, and a checkpointer whose disk may be faulty. */
export class Rig {
  readonly cachePath: string;
  readonly progress = new JournalProgress();
  readonly cache: Cache;
  readonly writer: JournalWriter;
  readonly retired: number[] = [];
  readonly warnings: string[] = [];

  constructor(t: TestContext, segmentBytes?: number) {
    const directory = temporaryDirectory(t, memoryFiles);
    this.cachePath = join(directory, 'cache');
    this.cache = Cache.open(this.cachePath, { mountPoint: join(directory, 'mount'), keyId: KEY_ID });
    const { nextSegment, nextSeq } = replay(this.cache.journalDirectory);
    const options = { nextSegment, nextSeq, progress: this.progress };
    this.writer = new JournalWriter(
      this.cache.journalDirectory,
      segmentBytes === undefined ? options : { ...options, segmentBytes },
    );
    t.after(() => this.writer.close());
  }

  checkpointer(
    operations: FileOperations = fileOperations,
    options: Partial<CheckpointerOptions> = {},
  ): Checkpointer {
    return new Checkpointer({
      journalDirectory: this.cache.journalDirectory,
      cache: new Cache(this.cachePath, operations),
      progress: this.progress,
      onRetired: (segment) => this.retired.push(segment),
      log: { warn: (_fields, message) => this.warnings.push(message) },
      ...options,
    });
  }

  checkpoint(operations?: FileOperations): Promise<CheckpointReport> {
    return this.checkpointer(operations).run(this.writer.roll());
  }

  /** Every file and directory below `name`, with contents; directories end in '/'. */
  tree(name = 'sessions'): Record<string, string> {
    const root = join(this.cachePath, name);
    const entries = fs.readdirSync(root, { recursive: true, withFileTypes: true }).map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const key = path.slice(root.length + 1);
      return entry.isDirectory() ? [`${key}/`, ''] : [key, fs.readFileSync(path, 'utf8')];
    });
    return Object.fromEntries(entries.sort(([a = ''], [b = '']) => (a < b ? -1 : 1)));
  }

  segments(): string[] {
    return fs.readdirSync(this.cache.journalDirectory).sort();
  }
}
