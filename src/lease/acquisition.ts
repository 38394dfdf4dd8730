/** Waits for one session until this mount holds it. */
import { BucketError } from '../bucket/bucket-error.ts';
import { backoffMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { Limiter } from '../lib/limiter.ts';
import { codeOf } from '../lib/system-error.ts';
import type { Logger } from '../observe/log.ts';
import { Abandoned, type Held } from './held.ts';
import type { Rival } from './holder-probe.ts';
import type { Holding, Ownership } from './ownership.ts';
import type { OwnerRecord } from './protocol.ts';
import { Fenced, type Permission } from './renewal.ts';
import { LEASE_RETRY, type LeaseTimes, pollAfterMs } from './times.ts';
import { type Sleep, unlessAborted } from './waiting.ts';

export interface AcquisitionParts {
  readonly ownership: Ownership;
  readonly permission: Permission;
  readonly rivalOf: (holder: string) => Rival;
  readonly times: LeaseTimes;
  readonly clock: Clock;
  readonly sleep: Sleep;
  /** Of requests by all who wait. */
  readonly limiter: Limiter;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly log: Logger;
  /** Whoever waits gives up when it is aborted; whoever aborts it calls `abandon` too. */
  readonly signal: AbortSignal;
  /** Called as soon as the session is this mount's. */
  readonly keep: (holding: Holding, waitedMs: number) => Held;
  /** At once, and then every 30 s. */
  readonly waiting: (session: string, holderName: string, waitedMs: number) => void;
}

const TELL_EVERY_MS = 30_000;

export class Acquisition {
  readonly session: string;
  readonly #parts: AcquisitionParts;
  readonly #beganMs: number;
  readonly #abandoned = new AbortController();
  #holder: OwnerRecord | undefined;
  #toldMs = Number.NEGATIVE_INFINITY;
  #failures = 0;

  constructor(parts: AcquisitionParts, session: string) {
    this.session = session;
    this.#parts = parts;
    this.#beganMs = parts.clock.monotonicMs();
  }

  get waitedMs(): number {
    return this.#parts.clock.monotonicMs() - this.#beganMs;
  }

  /** The name of the mount that is waited for. */
  get holderName(): string | undefined {
    return this.#holder?.name;
  }

  /** Ends with the request that is under way; what that gets is kept. */
  abandon(): void {
    this.#abandoned.abort();
  }

  /** Rejects with Abandoned, Fenced or the signal's reason; whatever the bucket or the cache's disk fails with is tried again. */
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
        this.#failed(error);
        await sleep(backoffMs(this.#failures, LEASE_RETRY, random()), this.#abandoned.signal);
      }
    }
  }

  /** Undefined: another mount holds it, and is not known to be dead. */
  async #attempt(): Promise<Held | undefined> {
    const { permission, ownership, rivalOf, limiter } = this.#parts;
    const keep = (holding: Holding) => this.#parts.keep(holding, this.waitedMs);
    await permission.open();
    for (;;) {
      const claim = await limiter.run(async () => {
        // It may have waited for its turn.
        this.#throwIfGivenUp();
        return ownership.claim(this.session, keep);
      });
      if ('held' in claim) return claim.held;
      this.#wait(claim.heldBy.record);
      const verdict = await rivalOf(claim.heldBy.record.holder).verdict();
      this.#failures = 0;
      if (verdict === 'alive') return undefined;
      this.#throwIfGivenUp();
      const taken = await ownership.takeOver(this.session, claim.heldBy, keep);
      if (taken) return taken;
    }
  }

  #throwIfGivenUp(): void {
    this.#parts.signal.throwIfAborted();
    if (!this.#abandoned.signal.aborted) return;
    if (this.#holder !== undefined)
      this.#parts.log.info({ session: this.session }, 'Nobody waits for the session any more');
    throw new Abandoned(this.session);
  }

  #wait(holder: OwnerRecord): void {
    this.#holder = holder;
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - this.#toldMs < TELL_EVERY_MS) return;
    this.#toldMs = nowMs;
    const fields = { session: this.session, holder: holder.name, waitedMs: Math.round(this.waitedMs) };
    this.#parts.log.warn(fields, 'A session is held by another mount; whoever opened it waits');
    this.#parts.waiting(this.session, holder.name, this.waitedMs);
  }

  #failed(error: Error): void {
    const level = this.#failures === 0 ? 'warn' : 'debug';
    this.#failures++;
    const hint = error instanceof BucketError ? error.hint : undefined;
    const fields = { session: this.session, reason: error.message, hint };
    this.#parts.log[level](fields, 'Who holds a session could not be asked; whoever opened it waits');
  }
}

/** Not a defect of this program. A full disk keeps a new id from being noted. */
function mayPass(error: unknown): error is Error {
  return error instanceof BucketError || codeOf(error) !== undefined;
}
