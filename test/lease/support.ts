/** Mounts that share a bucket, on a clock that the test moves. */
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { type Identity, type IdentityStore, identityInMemory } from '../../src/lease/identity.ts';
import { Leases } from '../../src/lease/leases.ts';
import { inboxName } from '../../src/lease/records/inbox.ts';
import { ownerName } from '../../src/lease/records/owner.ts';
import type { LeaseTimes } from '../../src/lease/times.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { createLogger, type Logger } from '../../src/observe/log.ts';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';

export const S = 'u-+1';
export const TIMES: LeaseTimes = {
  renewIntervalMs: 30_000,
  grantMs: 60_000,
  takeOverMs: 90_000,
  pollMs: 2_000,
};

/** A clock that moves only when told to; sleepers wake in the order of time. */
export class FakeClock implements Clock {
  nowMs = 1_000_000;
  readonly #sleepers = new Set<{ atMs: number; wake: () => void }>();

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return this.nowMs;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const sleeper = { atMs: this.nowMs + ms, wake: resolve };
      const end = () => {
        this.#sleepers.delete(sleeper);
        signal.removeEventListener('abort', end);
        resolve();
      };
      sleeper.wake = end;
      if (signal.aborted) return end();
      this.#sleepers.add(sleeper);
      signal.addEventListener('abort', end, { once: true });
    });
  }

  get sleepers(): number {
    return this.#sleepers.size;
  }

  /** Lets all that can happen in this time happen. */
  async pass(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    for (;;) {
      await settle();
      const next = [...this.#sleepers].sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.wake();
    }
    this.nowMs = endMs;
    await settle();
  }
}

/** Everything that needs no time is done. */
export async function settle(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

export interface Line {
  level: string;
  msg: string;
  [field: string]: unknown;
}

export interface MountOptions {
  identity?: IdentityStore;
  times?: LeaseTimes;
  takeover?: boolean;
  signal?: AbortSignal;
}

export interface Mounted {
  readonly leases: Leases;
  readonly bucket: MemoryBucket;
  readonly identity: IdentityStore;
  /** What was acquired and lost, and what the log says of waits and of being fenced. */
  readonly events: string[];
  readonly lines: Line[];
}

/** Several mounts and what they share. */
export class Rig {
  readonly clock = new FakeClock();
  readonly bucket = new MemoryBucket();
  readonly #scope: Scope;

  constructor(scope: Scope) {
    this.#scope = scope;
    this.bucket.nowMs = () => this.clock.nowMs;
  }

  /** `bucket`: the way of this mount to the bucket, where it is not the straight one. */
  async mount(name: string, options: MountOptions = {}, bucket = this.bucket): Promise<Mounted> {
    const { identity = identityInMemory(), times = TIMES, takeover = false, signal } = options;
    const events: string[] = [];
    const lines: Line[] = [];
    const leases = await Leases.open({
      bucket,
      identity,
      name,
      times,
      takeover,
      log: logInto(lines, events),
      clock: this.clock,
      sleep: (ms, until) => this.clock.sleep(ms, until),
      random: () => 0.5,
      events: {
        acquired: ({ session, how, epoch }) => events.push(`acquired ${session} ${how} ${epoch}`),
        lost: (session, holder) => events.push(`lost ${session} ${holder}`),
      },
      ...(signal ? { signal } : {}),
    });
    cleanUp(this.#scope, () => leases.end());
    return { leases, bucket, identity, events, lines };
  }

  /** A way to the bucket of its own, to be cut. */
  way(): MemoryBucket {
    const way = new MemoryBucket();
    const { bucket } = this;
    way.list = async (prefix, page) => {
      await way.before({ operation: 'list', name: prefix });
      return bucket.list(prefix, page);
    };
    way.head = async (name) => {
      await way.before({ operation: 'head', name });
      return bucket.head(name);
    };
    way.put = async (name, bytes, put) => {
      await way.before({ operation: 'put', name });
      const version = await bucket.put(name, bytes, put);
      way.after({ operation: 'put', name });
      return version;
    };
    return way;
  }

  owner(session = S): Readonly<Record<string, string>> | undefined {
    return this.bucket.objects.get(ownerName(session))?.metadata;
  }

  async inbox({ identity }: Mounted): Promise<Readonly<Record<string, string>> | undefined> {
    return this.bucket.objects.get(inboxName((await loaded(identity)).id))?.metadata;
  }

  count(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { operation } of this.bucket.calls) counts[operation] = (counts[operation] ?? 0) + 1;
    this.bucket.calls.length = 0;
    return counts;
  }
}

export async function loaded(store: IdentityStore): Promise<Identity> {
  const identity = await store.load();
  if (identity === undefined) throw new Error('there is no identity');
  return identity;
}

export function cut(way: MemoryBucket): void {
  way.before = () => {
    throw new BucketError('unreachable', 'no answer');
  };
}

export function mend(way: MemoryBucket): void {
  way.before = () => {};
}

function logInto(lines: Line[], events: string[]): Logger {
  const write = (text: string) => {
    const line = JSON.parse(text) as Line;
    lines.push(line);
    if (line.msg === 'Another mount holds the session; its callers wait')
      events.push(`waiting ${line.session} ${line.holder} ${line.waitedMs}`);
    if (line.msg.startsWith('Another process runs as this mount')) events.push('fenced');
  };
  return createLogger({ level: 'debug', destination: { write } });
}
