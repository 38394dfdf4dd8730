/** The mount's own inbox: a look at it that finds no challenge permits writing, counted from when it was sent. */
import type { Bucket } from '../bucket/bucket.ts';
import { BucketError } from '../bucket/bucket-error.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../observe/log.ts';
import { type KeptIdentity, renewed } from './identity.ts';
import { type InboxRecord, look, type Seen, start, type Write } from './protocol.ts';
import { inboxCodec, inboxName } from './records/inbox.ts';
import { isPrecondition, readRecord, seen, writeRecord } from './records/record.ts';
import type { LeaseTimes } from './times.ts';

export interface PermissionParts {
  readonly bucket: Bucket;
  readonly identity: KeptIdentity;
  /** Printable. */
  readonly name: string;
  readonly times: LeaseTimes;
  readonly clock: Clock;
  readonly log: Logger;
  /** The mount has another id now, whose inbox stands: what it holds must be claimed under that. */
  readonly renewed: () => void;
  /** Once. */
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

const LATE_LOOKS_MAX = 3;

export class Permission {
  readonly #parts: PermissionParts;
  /** When the request was sent whose answer permits; undefined: none does. */
  #sentMs: number | undefined;
  #looking: Promise<void> | undefined;
  #fenced: Fenced | undefined;
  #hasNewId = false;

  constructor(parts: PermissionParts) {
    this.#parts = parts;
  }

  get fenced(): Fenced | undefined {
    return this.#fenced;
  }

  /** This run's inbox stands. */
  get isOpen(): boolean {
    return this.#parts.identity.now.started;
  }

  /** Until the next look is due; 0: now. */
  get nextLookMs(): number {
    if (this.#sentMs === undefined) return 0;
    return Math.max(0, this.#sentMs + this.#parts.times.lookIntervalMs - this.#nowMs());
  }

  /** Until when this mount may write, on the monotonic clock; looks first where needed. Rejects with Fenced or BucketError. */
  async get(): Promise<number> {
    const { permissionMs } = this.#parts.times;
    for (let late = 0; late < LATE_LOOKS_MAX; late++) {
      if (this.nextLookMs === 0) await this.look();
      if (this.#fenced) throw this.#fenced;
      const deadlineMs = (this.#sentMs ?? Number.NEGATIVE_INFINITY) + permissionMs;
      if (deadlineMs > this.#nowMs()) return deadlineMs;
    }
    throw new BucketError('unreachable', 'the bucket answers more slowly than a permission to write lasts');
  }

  /** The inbox stands, or is made to. Rejects as `get` does. */
  async open(): Promise<void> {
    if (this.#fenced) throw this.#fenced;
    if (!this.isOpen) await this.look();
  }

  /** One at a time; who comes meanwhile shares it. */
  look(): Promise<void> {
    if (this.#fenced) return Promise.reject(this.#fenced);
    this.#looking ??= this.#look()
      .then(() => {
        if (!this.#hasNewId) return;
        this.#hasNewId = false;
        this.#parts.renewed();
      })
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  /** Writes the inbox again where it was last written before `beforeMs`; false: there was no need. */
  async rewriteOlderThan(beforeMs: number): Promise<boolean> {
    await this.open();
    const version = await this.#parts.bucket.head(this.#name());
    if (version.updatedMs >= beforeMs) return false;
    const inbox = seen(version, inboxCodec);
    if (look(inbox, this.#parts.identity.now.nonce).do !== 'permitted') return false;
    return this.#write({ record: inbox.record, ifGeneration: inbox.generation });
  }

  async #look(): Promise<void> {
    while (!this.isOpen) if (await this.#start()) return;
    for (;;) {
      const sentMs = this.#nowMs();
      const inbox = await this.#read();
      const step = look(inbox, this.#parts.identity.now.nonce);
      switch (step.do) {
        case 'permitted':
          this.#sentMs = sentMs;
          return;
        case 'answer':
          if (await this.#write(step)) return;
          break;
        case 'renew':
          await this.#renew();
          while (!this.isOpen) if (await this.#start()) return;
          break;
        case 'fence':
          throw this.#fence(inbox);
      }
    }
  }

  /** Makes one try to begin this run; true: it is permitted to write. */
  async #start(): Promise<boolean> {
    const { identity, times, name } = this.#parts;
    const { nonce, opened } = identity.now;
    const { permissionMs } = times;
    const step = start(await this.#read(), { nonce, opened, permissionMs, name });
    if (step.do === 'renew') {
      await this.#renew();
      return false;
    }
    const isPermitted = step.do === 'write' && (await this.#write(step));
    if (isPermitted || step.do === 'stand')
      await identity.change((now) => ({ ...now, opened: true, started: true }));
    return isPermitted;
  }

  async #renew(): Promise<void> {
    const { identity, log } = this.#parts;
    this.#sentMs = undefined;
    const before = identity.now.id;
    await identity.change(renewed);
    log.warn(
      { before, mount: identity.now.id },
      'This mount was taken for dead, or its inbox was deleted; it goes on under a new id',
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
    return readRecord(this.#parts.bucket, this.#name(), inboxCodec);
  }

  /** False: there is another version. Success permits from the moment it was sent. */
  async #write(write: Write<InboxRecord>): Promise<boolean> {
    const sentMs = this.#nowMs();
    try {
      await writeRecord(this.#parts.bucket, this.#name(), inboxCodec, write);
    } catch (error) {
      if (isPrecondition(error)) return false;
      throw error;
    }
    this.#sentMs = sentMs;
    return true;
  }

  #name(): string {
    return inboxName(this.#parts.identity.now.id);
  }

  #nowMs(): number {
    return this.#parts.clock.monotonicMs();
  }
}
