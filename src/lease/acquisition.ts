/** Waits for sessions until this mount holds them. */
import { BucketError } from '../bucket/bucket-error.ts';
import { backoffMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { Failure } from '../lib/failures.ts';
import type { Limiter } from '../lib/limiter.ts';
import { codeOf } from '../lib/system-error.ts';
import type { Logger } from '../observe/log.ts';
import { Abandoned, type Held } from './held.ts';
import type { HolderProbe } from './holder-probe.ts';
import type { Holding, Ownership } from './ownership.ts';
import type { OwnerRecord } from './protocol.ts';
import { Fenced, type Renewal } from './renewal.ts';
import { LEASE_RETRY, type LeaseTimes, pollAfterMs } from './times.ts';
import { type Sleep, unlessAborted } from './waiting.ts';

export interface AcquisitionParts {
  readonly ownership: Ownership;
  readonly renewal: Renewal;
  readonly probeOf: (holder: string) => HolderProbe;
  readonly times: LeaseTimes;
  readonly clock: Clock;
  readonly sleep: Sleep;
  /** Limits the requests of all acquisitions together. */
  readonly limiter: Limiter;
  /** Random number in [0, 1), injected for tests. */
  readonly random: () => number;
  readonly log: Logger;
  /** Aborted: every wait rejects with its reason. Abort it together with `abandonAll`. */
  readonly signal: AbortSignal;
  /** Called as soon as this mount holds the session. */
  readonly keep: (holding: Holding, waitedMs: number) => Held;
}

const LOG_EVERY_MS = 30_000;

class Acquisition {
  readonly session: string;
  readonly #parts: AcquisitionParts;
  readonly #beganMs: number;
  readonly #abandoned = new AbortController();
  #holder: OwnerRecord | undefined;
  #loggedMs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #failure: Failure | undefined;

  constructor(parts: AcquisitionParts, session: string) {
    this.session = session;
    this.#parts = parts;
    this.#beganMs = parts.clock.monotonicMs();
  }

  get waitedMs(): number {
    return this.#parts.clock.monotonicMs() - this.#beganMs;
  }

  /** The name of the mount that holds the session. */
  get holderName(): string | undefined {
    return this.#holder?.name;
  }

  /** Why the lease cannot be read at present. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  /** Ends the wait after the request under way; a session that this request acquires is kept. */
  abandon(): void {
    this.#abandoned.abort();
  }

  /** Retries failures of the bucket and of the cache's disk. Rejects with Abandoned, Fenced or the signal's reason. */
  async run(): Promise<Held> {
    const { sleep, signal, random, times } = this.#parts;
    for (;;) {
      this.#throwIfGivenUp();
      try {
        const held = await unlessAborted(signal, this.#attempt());
        if (held) return held;
        await sleep(pollAfterMs(times, this.waitedMs), this.#abandoned.signal);
      } catch (error) {
        if (signal.aborted || error instanceof Fenced || !mayPass(error)) throw error;
        const retryMs = backoffMs(this.#failures + 1, LEASE_RETRY, random());
        this.#failed(error, retryMs);
        await sleep(retryMs, this.#abandoned.signal);
      }
    }
  }

  /** Undefined: another mount holds the session, and is not known to be dead, or has just taken it over. */
  async #attempt(): Promise<Held | undefined> {
    const { renewal, ownership, probeOf, limiter } = this.#parts;
    const keep = (holding: Holding) => this.#parts.keep(holding, this.waitedMs);
    await renewal.open();
    const claim = await limiter.run(async () => {
      // It may have been abandoned in the queue.
      this.#throwIfGivenUp();
      return ownership.claim(this.session, keep);
    });
    if ('held' in claim) return claim.held;
    this.#noteHolder(claim.heldBy.record);
    await ownership.requireShareable(claim.heldBy);
    const verdict = await probeOf(claim.heldBy.record.holder).verdict();
    this.#failures = 0;
    this.#failure = undefined;
    if (verdict === 'alive') return undefined;
    this.#throwIfGivenUp();
    return ownership.takeOver(this.session, claim.heldBy, keep);
  }

  #throwIfGivenUp(): void {
    this.#parts.signal.throwIfAborted();
    if (!this.#abandoned.signal.aborted) return;
    if (this.#holder !== undefined)
      this.#parts.log.info(
        { session: this.session },
        'No caller waits for the session any more; this mount stops asking for it',
      );
    throw new Abandoned(this.session);
  }

  #noteHolder(holder: OwnerRecord): void {
    this.#holder = holder;
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - this.#loggedMs < LOG_EVERY_MS) return;
    this.#loggedMs = nowMs;
    const fields = { session: this.session, holder: holder.name, waitedMs: Math.round(this.waitedMs) };
    this.#parts.log.warn(fields, 'Another mount holds the session; its callers wait');
  }

  #failed(error: Error, retryMs: number): void {
    const level = this.#failures === 0 ? 'warn' : 'debug';
    this.#failures++;
    this.#failure = { error, sinceMs: this.#failure?.sinceMs ?? Date.now() };
    const hint = error instanceof BucketError ? error.hint : undefined;
    const fields = { session: this.session, reason: error.message, hint, retryMs };
    this.#parts.log[level](fields, 'Cannot read the lease of the session; its callers wait');
  }
}

export interface Waiting {
  readonly session: string;
  /** The name of the mount that holds it, for people. */
  readonly holder: string;
  readonly waitedMs: number;
}

/** One acquisition for each session that this mount waits for, shared by its callers. */
export class Acquisitions {
  readonly #parts: AcquisitionParts;
  readonly #running = new Map<string, { acquisition: Acquisition; done: Promise<Held> }>();

  constructor(parts: AcquisitionParts) {
    this.#parts = parts;
  }

  has(session: string): boolean {
    return this.#running.has(session);
  }

  /** Rejects as Acquisition.run does. */
  start(session: string): Promise<Held> {
    const running = this.#running.get(session);
    if (running !== undefined) return running.done;
    const acquisition = new Acquisition(this.#parts, session);
    const done = acquisition.run().finally(() => this.#running.delete(session));
    this.#running.set(session, { acquisition, done });
    return done;
  }

  /** The name of the mount that the acquisition of this session waits for. */
  holderOf(session: string): string | undefined {
    return this.#running.get(session)?.acquisition.holderName;
  }

  /** Why the lease of this session cannot be read at present. */
  failureOf(session: string): Failure | undefined {
    return this.#running.get(session)?.acquisition.failure;
  }

  /** Sessions that another mount holds. */
  get waiting(): Waiting[] {
    const all = [...this.#running.values()].map(({ acquisition }) => acquisition);
    return all.flatMap(({ session, holderName: holder, waitedMs }) =>
      holder === undefined ? [] : [{ session, holder, waitedMs }],
    );
  }

  abandon(session: string): void {
    this.#running.get(session)?.acquisition.abandon();
  }

  abandonAll(): void {
    for (const { acquisition } of this.#running.values()) acquisition.abandon();
  }

  /** Resolves when the acquisitions that are under way now have ended. Never rejects. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#running.values()].map(({ done }) => done));
  }
}

/** A failure of the bucket or of the disk (a full one cannot note a new id), not a defect of this program. */
function mayPass(error: unknown): error is Error {
  return error instanceof BucketError || codeOf(error) !== undefined;
}
