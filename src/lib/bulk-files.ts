/**
 * Writes and renames many small files by one thread of its own, one after another. Node's thread pool spends several times as
 * long on them: each call is handed over and back, and threads that make files in one folder wait for each other.
 */
import { Worker } from 'node:worker_threads';
import { programFile } from './own-files.ts';

export interface NewFile {
  path: string;
  bytes: Uint8Array;
}

export interface Renaming {
  from: string;
  to: string;
}

export type BulkJob =
  | { kind: 'write'; paths: string[]; lengths: number[]; bytes: ArrayBuffer }
  | { kind: 'rename'; renamings: readonly Renaming[] };

/** What did not succeed, by its place in the job. */
export type BulkResult = number[];

const FILES_MAX = 256;
const BYTES_MAX = 4 * 1024 * 1024;

export class BulkFiles {
  #worker: Worker | undefined;
  #answer: (result: BulkResult | undefined) => void = () => {};

  /** Makes new files of mode 0600. Returns those that failed; of them nothing is left. Never rejects. */
  async write(files: readonly NewFile[]): Promise<Set<NewFile>> {
    const failed = new Set<NewFile>();
    for (const some of pieces(files)) {
      const bytes = new ArrayBuffer(some.reduce((sum, file) => sum + file.bytes.length, 0));
      let at = 0;
      for (const file of some) {
        new Uint8Array(bytes, at).set(file.bytes);
        at += file.bytes.length;
      }
      const job: BulkJob = {
        kind: 'write',
        paths: some.map(({ path }) => path),
        lengths: some.map((file) => file.bytes.length),
        bytes,
      };
      addFailed(failed, some, await this.#do(job, [bytes]));
    }
    return failed;
  }

  /** Returns those that failed. Never rejects. */
  async rename<T extends Renaming>(renamings: readonly T[]): Promise<Set<T>> {
    const failed = new Set<T>();
    for (let at = 0; at < renamings.length; at += FILES_MAX) {
      const some = renamings.slice(at, at + FILES_MAX);
      const job: BulkJob = { kind: 'rename', renamings: some.map(({ from, to }) => ({ from, to })) };
      addFailed(failed, some, await this.#do(job, []));
    }
    return failed;
  }

  /** The thread ends; the next job would begin another. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  /** undefined: the thread cannot run, or died. */
  #do(job: BulkJob, transferred: ArrayBuffer[]): Promise<BulkResult | undefined> {
    return new Promise((resolve) => {
      this.#answer = resolve;
      try {
        this.#worker ??= this.#start();
        this.#worker.postMessage(job, transferred);
      } catch {
        resolve(undefined);
      }
    });
  }

  #start(): Worker {
    const worker = new Worker(programFile('lib/bulk-thread'), { name: 'sessionfs-bulk' });
    worker.on('message', (result: BulkResult) => this.#answer(result));
    worker.on('error', () => this.#answer(undefined));
    worker.on('exit', () => {
      this.#worker = undefined;
      this.#answer(undefined);
    });
    return worker;
  }
}

function addFailed<T>(failed: Set<T>, done: readonly T[], result: BulkResult | undefined): void {
  for (const index of result ?? done.keys()) {
    const one = done[index];
    if (one !== undefined) failed.add(one);
  }
}

function* pieces(files: readonly NewFile[]): Generator<NewFile[]> {
  let piece: NewFile[] = [];
  let bytes = 0;
  for (const file of files) {
    piece.push(file);
    bytes += file.bytes.length;
    if (piece.length < FILES_MAX && bytes < BYTES_MAX) continue;
    yield piece;
    piece = [];
    bytes = 0;
  }
  if (piece.length > 0) yield piece;
}
