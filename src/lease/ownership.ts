/** Reads and changes the owner objects. Every call rejects with BucketError. */
import type { Bucket } from '../bucket/bucket.ts';
import { isPrecondition } from '../bucket/bucket-error.ts';
import { notShareable } from '../bucket/conditions.ts';
import { NamedLocks } from '../lib/named-locks.ts';
import type { Held } from './held.ts';
import type { KeptIdentity } from './identity.ts';
import {
  type Claimant,
  type ClaimStep,
  claim,
  type How,
  type OwnerRecord,
  type Seen,
  takeOver,
  type Write,
} from './protocol.ts';
import { ownerCodec, ownerName } from './records/owner.ts';
import { COUNT_MAX, corruptField, readLeaseRecord, untilWon, writeLeaseRecord } from './records/record.ts';

/** A session that this mount holds. */
export interface Holding extends Held {
  readonly owner: Seen<OwnerRecord>;
}

export type Keep = (holding: Holding) => Held;
export type Claim = { readonly held: Held } | { readonly heldBy: Seen<OwnerRecord> };

interface Attempt {
  readonly holder: string;
  readonly epoch: number;
  readonly previousEpoch: number;
  readonly how: How;
}

export class Ownership {
  readonly #bucket: Bucket;
  readonly #identity: KeptIdentity;
  readonly #mountName: string;
  readonly #locks = new NamedLocks();
  /** Claims that were sent and not answered: the bucket may have stored them. */
  readonly #attempts = new Map<string, Attempt>();
  /** Sessions whose release may still reach the bucket. */
  readonly #unsure: Set<string>;

  constructor(bucket: Bucket, identity: KeptIdentity, mountName: string) {
    this.#bucket = bucket;
    this.#identity = identity;
    this.#mountName = mountName;
    this.#unsure = new Set(identity.now.releasing);
  }

  isMine({ holder }: OwnerRecord): boolean {
    const { id, former } = this.#identity.now;
    return holder === id || former.includes(holder);
  }

  /** Returns whether `owner` still names this mount and the epoch of `holding`. */
  isStill(holding: Held, owner: Seen<OwnerRecord> | undefined): boolean {
    return owner !== undefined && this.isMine(owner.record) && owner.record.epoch === holding.epoch;
  }

  read(session: string): Promise<Seen<OwnerRecord> | undefined> {
    return readLeaseRecord(this.#bucket, ownerName(session), ownerCodec);
  }

  /** Undefined: the bucket has another version than the one that the change was made from. */
  async write(session: string, write: Write<OwnerRecord>): Promise<Seen<OwnerRecord> | undefined> {
    try {
      return await writeLeaseRecord(this.#bucket, ownerName(session), ownerCodec, write);
    } catch (error) {
      if (isPrecondition(error)) return undefined;
      throw error;
    }
  }

  /**
   * Claims the session unless another mount holds it, and calls `keep` before any other change of it may begin. The mount's
   * inbox must stand.
   */
  claim(session: string, keep: Keep): Promise<Claim> {
    return this.#locks.run(session, () =>
      untilWon(ownerName(session), async (): Promise<Claim | undefined> => {
        const owner = await this.read(session);
        const step = claim(owner, this.#me(session));
        if (step.do === 'contend' && owner) return { heldBy: owner };
        const holding = await this.#carryOut(session, step, owner);
        return holding && { held: keep(holding) };
      }),
    );
  }

  /** Throws where the bucket cannot keep two mounts apart: this one must not contend for what another one holds. */
  async requireShareable({ record }: Seen<OwnerRecord>): Promise<void> {
    const ignored = await this.#bucket.ignoredConditions();
    if (ignored.length > 0) throw notShareable(this.#bucket.address, ignored, record.name);
  }

  /** Sessions of a listing that this mount holds. One whose release may still arrive has to be claimed instead. */
  listed(owners: ReadonlyMap<string, Seen<OwnerRecord>>): Holding[] {
    const found: Holding[] = [];
    for (const [session, owner] of owners)
      if (claim(owner, this.#me(session)).do === 'hold') found.push(this.#found(session, owner));
    return found;
  }

  /** For a session whose holder is condemned. Undefined: another mount was faster. */
  takeOver(session: string, owner: Seen<OwnerRecord>, keep: Keep): Promise<Held | undefined> {
    return this.#locks.run(session, async () => {
      const write = takeOver(owner, this.#me(session));
      const holding = await this.#take(session, write, 'taken-over', owner.record.epoch);
      return holding && keep(holding);
    });
  }

  /** Runs `work` while nothing else changes the session's owner object. */
  alone<T>(session: string, work: () => Promise<T>): Promise<T> {
    return this.#locks.run(session, work);
  }

  /** Call before releases are sent; durable on return. A later claim of an unsettled one makes a new version. */
  async releasing(sessions: readonly string[]): Promise<void> {
    for (const session of sessions) this.#unsure.add(session);
    await this.#keepUnsure();
  }

  /** The outcome of these releases is known. */
  async settled(sessions: readonly string[]): Promise<void> {
    for (const session of sessions) this.#unsure.delete(session);
    await this.#keepUnsure();
  }

  async #carryOut(
    session: string,
    step: ClaimStep,
    owner: Seen<OwnerRecord> | undefined,
  ): Promise<Holding | undefined> {
    if (step.do === 'write') return this.#take(session, step, step.how, owner?.record.epoch ?? 0);
    return step.do === 'hold' && owner ? this.#found(session, owner) : undefined;
  }

  async #take(
    session: string,
    write: Write<OwnerRecord>,
    how: How,
    previousEpoch: number,
  ): Promise<Holding | undefined> {
    const { holder, epoch } = write.record;
    // No mounts get that far: another one could not read what is written here, and neither could this one.
    if (epoch > COUNT_MAX) throw corruptField(ownerName(session), 'epoch');
    this.#attempts.set(session, { holder, epoch, previousEpoch, how });
    const owner = await this.write(session, write);
    if (owner === undefined) return undefined;
    this.#attempts.delete(session);
    this.#unsure.delete(session);
    return holding(session, owner, how, previousEpoch);
  }

  #found(session: string, owner: Seen<OwnerRecord>): Holding {
    const attempt = this.#attempts.get(session);
    this.#attempts.delete(session);
    const { holder, epoch } = owner.record;
    if (attempt?.holder === holder && attempt.epoch === epoch)
      return holding(session, owner, attempt.how, attempt.previousEpoch);
    return holding(session, owner, 'already', epoch);
  }

  #me(session: string): Claimant {
    const { id, former } = this.#identity.now;
    return { id, former, name: this.#mountName, unsure: this.#unsure.has(session) };
  }

  #keepUnsure(): Promise<void> {
    const releasing = [...this.#unsure];
    return this.#identity.change((now) => ({ ...now, releasing }));
  }
}

function holding(session: string, owner: Seen<OwnerRecord>, how: How, previousEpoch: number): Holding {
  const { epoch, floor, refresh } = owner.record;
  return { session, epoch, previousEpoch, floor, refresh, how, owner };
}
