/**
 * The machine that a simulated world runs on: one queue of events, one clock, one source of chance. Everything that happens
 * is an event of it, and belongs to a process, so that a process which dies is never heard of again.
 */
import type { Bucket } from '../../../src/bucket/bucket.ts';
import { Prng } from '../../drivers/support/prng.ts';
import type { SimulatedDisk } from './disk.ts';
import { Trace } from './trace.ts';

/** A process: what dies as a whole, with its descriptors, its timers, and whatever it waits for. */
export class Process {
  readonly name: string;
  dead = false;
  /** Dies within the disk operation that this counts down to. */
  operationsLeft = Number.POSITIVE_INFINITY;
  #pausedUntilMs = 0;
  /** How far the wall clock of its machine was stepped. */
  wallStepMs = 0;

  constructor(name: string) {
    this.name = name;
  }

  get pausedUntilMs(): number {
    return this.#pausedUntilMs;
  }

  /**
   * Until then nothing of it happens: it is stopped, and goes on as if no time had passed. Never sooner than was said before: what
   * had waited would still be late, while all that comes after it goes on.
   */
  pauseUntil(ms: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, ms);
  }
}

/** Thrown out of a disk operation in which its process dies; code that catches it is dead as well. */
export class ProcessDied extends Error {
  constructor(name: string) {
    super(`${name} died`);
  }
}

interface Event {
  atMs: number;
  order: number;
  owner: Process | null;
  run: () => void;
  cancelled: boolean;
}

export type Cancel = () => void;

/** The wall clock of the first event: fixed, so that a run does not depend on when it is made. */
const EPOCH_MS = 1_700_000_000_000;

export class Machine {
  readonly chance: Prng;
  /** For names and tokens, and for what encrypts: apart, since what a cipher draws ahead outlives a world. */
  readonly names: Prng;
  readonly cipher: Prng;
  readonly trace = new Trace();
  readonly disks = new Map<string, SimulatedDisk>();
  nowMs = 0;
  /** How far the wall clock was stepped. */
  wallStepMs = 0;
  current: Process | undefined;
  /** Of all disks together: a descriptor does not say of which disk it is. */
  nextDescriptor = 1000;
  /** What the world has in place of a bucket, by its name. */
  openBucket: ((name: string) => Bucket) | undefined;
  /** The events of simulated code. A rejection that no code handles would end a process of Node. */
  readonly #queue: Event[] = [];
  #order = 0;

  constructor(seed: number) {
    this.chance = new Prng(seed);
    this.names = new Prng(seed ^ 0x5bd1e995);
    this.cipher = new Prng(seed ^ 0x2545f491);
  }

  get wallMs(): number {
    return EPOCH_MS + this.nowMs + this.wallStepMs + (this.current?.wallStepMs ?? 0);
  }

  get pending(): number {
    return this.#queue.length;
  }

  /** `owner` null: the world itself; by default the process that runs now. */
  schedule(delayMs: number, run: () => void, owner: Process | null = this.current ?? null): Cancel {
    const event = {
      atMs: this.nowMs + Math.max(0, delayMs),
      order: this.#order++,
      owner,
      run,
      cancelled: false,
    };
    this.#push(event);
    return () => {
      event.cancelled = true;
    };
  }

  /** Runs the next event, and all promises that it settles. False: there is none. */
  async step(): Promise<boolean> {
    const event = this.#pop();
    if (event === undefined) return false;
    if (event.cancelled || event.owner?.dead) return true;
    if (event.owner !== null && event.owner.pausedUntilMs > event.atMs) {
      event.atMs = event.owner.pausedUntilMs;
      // In the order in which they were due.
      event.order = this.#order++;
      this.#push(event);
      return true;
    }
    this.nowMs = event.atMs;
    this.current = event.owner ?? undefined;
    try {
      event.run();
    } catch (error) {
      if (!(error instanceof ProcessDied)) throw error;
    }
    await settled();
    this.current = undefined;
    return true;
  }

  /** Runs what `run` does as `owner`, at once. */
  as<T>(owner: Process | undefined, run: () => T): T {
    const before = this.current;
    this.current = owner;
    try {
      return run();
    } finally {
      this.current = before;
    }
  }

  disk(path: string): SimulatedDisk {
    const end = path.indexOf('/', 1);
    const disk = this.disks.get(end < 0 ? path : path.slice(0, end));
    if (disk === undefined) throw new Error(`${path} is on no simulated disk`);
    return disk;
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.chance.below(times) === 0;
  }

  between(low: number, high: number): number {
    return low + this.chance.below(high - low + 1);
  }

  #push(event: Event): void {
    const queue = this.#queue;
    let at = queue.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, queue[parent] as Event)) break;
      queue[at] = queue[parent] as Event;
      at = parent;
    }
    queue[at] = event;
  }

  #pop(): Event | undefined {
    const queue = this.#queue;
    const first = queue[0];
    const last = queue.pop();
    if (first === undefined || last === undefined || first === last) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= queue.length) break;
      if (child + 1 < queue.length && isBefore(queue[child + 1] as Event, queue[child] as Event)) child++;
      if (!isBefore(queue[child] as Event, last)) break;
      queue[at] = queue[child] as Event;
      at = child;
    }
    queue[at] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** Everything that is settled now has been heard of when it resolves: no promise of the world waits for the outside. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

let present: Machine | undefined;

/** What the modules in this folder stand for. */
export function machine(): Machine {
  if (present === undefined) throw new Error('no simulated machine runs');
  return present;
}

export function runOn(next: Machine | undefined): void {
  present = next;
}
