/**
 * Renews the mount's lease. A read of the mount's own inbox that finds no challenge lets the mount write, for a time that
 * counts from when the read was sent.
 */
import type { Bucket } from '../bucket/bucket.ts';
import { BucketError, isPrecondition } from '../bucket/bucket-error.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../observe/log.ts';
import { type KeptIdentity, withNewId } from './identity.ts';
import { type InboxRecord, type Run, renew, type Seen, type Write } from './protocol.ts';
import { inboxCodec, inboxName } from './records/inbox.ts';
import { readLeaseRecord, seen, untilWon, writeLeaseRecord } from './records/record.ts';
import type { LeaseTimes } from './times.ts';

export interface RenewalParts {
  readonly bucket: Bucket;
  readonly identity: KeptIdentity;
  /** Printable. */
  readonly name: string;
  readonly times: LeaseTimes;
  readonly clock: Clock;
  readonly log: Logger;
  /** The mount has another id, whose inbox stands: what it holds must be claimed under that id. */
  readonly idChanged: () => void;
  /** Called once. */
  readonly fenced: (otherName: string) => void;
}

/** Another process runs as this mount. */
export class Fenced extends Error {
  readonly otherName: string;

  constructor(otherName: string) {
    super(`another process runs as this mount: ${otherName}`);
    this.name = 'Fenced';
    this.otherName = otherName;
  }
}

const LATE_ANSWERS_MAX = 3;

export class Renewal {
  readonly #parts: RenewalParts;
  /** When the request was sent that lets this mount write; undefined: none does. */
  #sentMs: number | undefined;
  #renewing: Promise<void> | undefined;
  #fenced: Fenced | undefined;
  #hasNewId = false;

  constructor(parts: RenewalParts) {
    this.#parts = parts;
  }

  get fenced(): Fenced | undefined {
    return this.#fenced;
  }

  /** This run's inbox stands. */
  get isOpen(): boolean {
    return this.#parts.identity.now.started;
  }

  /** Time until the next renewal is due; 0: it is due. */
  get dueInMs(): number {
    if (this.#sentMs === undefined) return 0;
    return Math.max(0, this.#sentMs + this.#parts.times.renewIntervalMs - this.#nowMs());
  }

  /** Returns until when this mount may write, on the monotonic clock; renews first if due. Rejects with Fenced or BucketError. */
  async deadlineMs(): Promise<number> {
    const { grantMs } = this.#parts.times;
    for (let late = 0; late < LATE_ANSWERS_MAX; late++) {
      if (this.dueInMs === 0) await this.renew();
      if (this.#fenced) throw this.#fenced;
      const deadlineMs = (this.#sentMs ?? Number.NEGATIVE_INFINITY) + grantMs;
      if (deadlineMs > this.#nowMs()) return deadlineMs;
    }
    throw new BucketError('unreachable', 'the bucket answers more slowly than a renewed lease lasts');
  }

  /** Resolves when this run's inbox stands. Rejects as `deadlineMs` does. */
  async open(): Promise<void> {
    if (this.#fenced) throw this.#fenced;
    if (!this.isOpen) await this.renew();
  }

  /** One at a time; callers share the one under way. */
  renew(): Promise<void> {
    if (this.#fenced) return Promise.reject(this.#fenced);
    this.#renewing ??= this.#renew()
      .then(() => {
        if (!this.#hasNewId) return;
        this.#hasNewId = false;
        this.#parts.idChanged();
      })
      .finally(() => {
        this.#renewing = undefined;
      });
    return this.#renewing;
  }

  /** Writes the inbox again if it was last written before `beforeMs`. Returns whether it did. */
  async rewriteOlderThan(beforeMs: number): Promise<boolean> {
    await this.open();
    const version = await this.#parts.bucket.head(this.#inboxName);
    if (version.updatedMs >= beforeMs) return false;
    const inbox = seen(version, inboxCodec);
    if (renew(inbox, this.#run).do !== 'granted') return false;
    return this.#write({ record: inbox.record, ifGeneration: inbox.generation });
  }

  async #renew(): Promise<void> {
    await untilWon('the inbox of this mount', () => this.#step());
  }

  /** One step of the protocol. Returns true if this mount may write now; undefined: another step has to follow. */
  async #step(): Promise<true | undefined> {
    const sentMs = this.#nowMs();
    const inbox = await this.#read();
    const step = renew(inbox, this.#run);
    switch (step.do) {
      case 'granted':
        this.#sentMs = sentMs;
        return true;
      case 'write':
        if (!(await this.#write(step))) return undefined;
        await this.#begin();
        return true;
      case 'begun':
        await this.#begin();
        return undefined;
      case 'new-id':
        await this.#changeId();
        return undefined;
      case 'fence':
        throw this.#fence(inbox);
    }
  }

  get #run(): Run {
    const { identity, times, name } = this.#parts;
    const { nonce, opened, started } = identity.now;
    return { nonce, opened, started, grantMs: times.grantMs, name };
  }

  async #begin(): Promise<void> {
    if (!this.isOpen) await this.#parts.identity.change((now) => ({ ...now, opened: true, started: true }));
  }

  async #changeId(): Promise<void> {
    const { identity, log } = this.#parts;
    this.#sentMs = undefined;
    const before = identity.now.id;
    await identity.change(withNewId);
    log.warn(
      { before, mount: identity.now.id },
      'Another mount declared this one dead, or its inbox was deleted; it goes on under a new id',
    );
    this.#hasNewId = true;
  }

  #fence(inbox: Seen<InboxRecord> | undefined): Fenced {
    const fenced = new Fenced(inbox?.record.name ?? '');
    this.#fenced = fenced;
    this.#sentMs = undefined;
    this.#parts.fenced(fenced.otherName);
    return fenced;
  }

  #read(): Promise<Seen<InboxRecord> | undefined> {
    return readLeaseRecord(this.#parts.bucket, this.#inboxName, inboxCodec);
  }

  /** Returns false if the bucket has another version. Success lets this mount write, from when the write was sent. */
  async #write(write: Write<InboxRecord>): Promise<boolean> {
    const sentMs = this.#nowMs();
    try {
      await writeLeaseRecord(this.#parts.bucket, this.#inboxName, inboxCodec, write);
    } catch (error) {
      if (isPrecondition(error)) return false;
      throw error;
    }
    this.#sentMs = sentMs;
    return true;
  }

  get #inboxName(): string {
    return inboxName(this.#parts.identity.now.id);
  }

  #nowMs(): number {
    return this.#parts.clock.monotonicMs();
  }
}
