/**
 * Who writes the files of one session. Two bots on one folder ruin it: each goes on from keys that the other has used. What tells
 * them from a bot that was restarted, or from a supervisor that wrote a file and then started the bot, is that both live and
 * that they take turns: A, B, A, B.
 */

export interface WriterProcess {
  /** 0: one that this PID namespace does not see. */
  readonly pid: number;
  /** With the number it names one process for good. */
  readonly startTime: string;
  readonly command: string;
}

export interface ProcessTable {
  /** The process that this thread belongs to; undefined: it is gone, or cannot be seen. */
  processOf(thread: number): WriterProcess | undefined;
  lives(process: WriterProcess): boolean;
}

export type WriterPair = readonly [WriterProcess, WriterProcess];

interface Writer {
  readonly process: WriterProcess;
  /** Those that were seen, newest last: Node writes from each thread of its pool. */
  readonly threads: number[];
  lastMs: number;
}

const WRITERS_MAX = 4;
const THREADS_MAX = 32;
/** A process that comes back later than that is another incident. */
const RETURN_MS = 5 * 60_000;
/** One that returns once may have been writing its last while the next one started. */
const RETURNS = 2;
const AGAIN_MS = 60 * 60_000;

export class SessionWriters {
  /** The one that wrote last comes first. */
  readonly #writers: Writer[] = [];
  #returns = 0;
  #toldMs = Number.NEGATIVE_INFINITY;

  /** Call at each write, with the thread's number (0: not seen). Returns two processes that are to be warned of. */
  wrote(thread: number, nowMs: number, processes: ProcessTable): WriterPair | undefined {
    const last = this.#writers[0];
    if (last?.threads.includes(thread)) {
      last.lastMs = nowMs;
      return undefined;
    }
    return this.#changed(thread, nowMs, processes);
  }

  #changed(thread: number, nowMs: number, processes: ProcessTable): WriterPair | undefined {
    const [last] = this.#writers;
    const next = this.#find(thread, processes);
    if (next === undefined) return undefined;
    const returned = last !== next && nowMs - next.lastMs <= RETURN_MS;
    next.lastMs = nowMs;
    if (last === next) return undefined;
    this.#moveToFront(next);
    if (last === undefined) return undefined;
    this.#returns = returned && processes.lives(last.process) ? this.#returns + 1 : 0;
    if (this.#returns < RETURNS || nowMs - this.#toldMs < AGAIN_MS) return undefined;
    this.#toldMs = nowMs;
    return [last.process, next.process];
  }

  /** A thread's number that another process got meanwhile shows by its process, once that is asked for. */
  #find(thread: number, processes: ProcessTable): Writer | undefined {
    const known = this.#writers.find(({ threads }) => threads.includes(thread));
    if (known !== undefined && processes.lives(known.process)) return known;
    if (known !== undefined) this.#writers.splice(this.#writers.indexOf(known), 1);
    const process = processes.processOf(thread);
    if (process === undefined) return undefined;
    const writer = this.#writers.find(({ process: each }) => isSame(each, process));
    if (writer === undefined) return { process, threads: [thread], lastMs: Number.NEGATIVE_INFINITY };
    writer.threads.push(thread);
    if (writer.threads.length > THREADS_MAX) writer.threads.shift();
    return writer;
  }

  #moveToFront(writer: Writer): void {
    const at = this.#writers.indexOf(writer);
    if (at >= 0) this.#writers.splice(at, 1);
    this.#writers.unshift(writer);
    if (this.#writers.length > WRITERS_MAX) this.#writers.pop();
  }
}

function isSame(a: WriterProcess, b: WriterProcess): boolean {
  return a.pid === b.pid && a.startTime === b.startTime;
}
