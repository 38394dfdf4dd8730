/**
 * The decisions of the lease protocol: what was observed, and what follows. No time, no I/O, no state, so that the model
 * check (test/lease/model.test.ts) explores the very decisions that run. docs/architecture.md tells the protocol in words.
 */
import { ABSENT } from '../bucket/bucket.ts';

/** The owner object: it names the mount that may write the session. */
export interface OwnerRecord {
  /** The id of a mount; '': the session was released. */
  readonly holder: string;
  /** What a human recognises the holder by. */
  readonly name: string;
  /** The fencing token: one more with every change from one mount to another. */
  readonly epoch: number;
  /** Objects of an epoch below it are a dead holder's late writes. */
  readonly floor: number;
  /** Late writes of an earlier holder are still possible: the objects must be stored again, and the floor raised. */
  readonly refresh: boolean;
}

/** Where a contender asks a mount whether it lives: the inbox object. */
export interface InboxRecord {
  /** The nonce of the mount's run; '': a contender made this inbox, in place of one that was deleted. */
  readonly start: string;
  /** A contender's question; '': none. */
  readonly challenge: string;
  /** The mount was declared dead. Never taken back: a mount that finds this goes on under another id. */
  readonly condemned: boolean;
  /** How long one renewal lets the mount write, in ms. */
  readonly grantMs: number;
  readonly name: string;
}

/** A record and the version of the object that it was read from. */
export interface Seen<R> {
  readonly generation: string;
  readonly record: R;
}

/** An object to be written, in place of the version that the decision was made by. */
export interface Write<R> {
  readonly record: R;
  readonly ifGeneration: string;
}

export type How = 'already' | 'created' | 'released' | 'taken-over';

export interface Claimant {
  readonly id: string;
  readonly name: string;
  /** Ids that this mount had before; none of them is used any more. */
  readonly former: readonly string[];
  /** A release of this session that this mount sent may still arrive. */
  readonly unsure: boolean;
}

export type ClaimStep =
  | { readonly do: 'hold' }
  | ({ readonly do: 'write'; readonly how: How } & Write<OwnerRecord>)
  | { readonly do: 'contend'; readonly holder: string };

/** By a session's owner object: this mount holds it, may write it, or contends with its holder. */
export function claim(owner: Seen<OwnerRecord> | undefined, me: Claimant): ClaimStep {
  const { id: holder, name } = me;
  if (owner === undefined) {
    const record = { holder, name, epoch: 1, floor: 0, refresh: false };
    return { do: 'write', how: 'created', record, ifGeneration: ABSENT };
  }
  const { record, generation: ifGeneration } = owner;
  if (record.holder === '') {
    const mine = { ...record, holder, name, epoch: record.epoch + 1 };
    return { do: 'write', how: 'released', record: mine, ifGeneration };
  }
  if (record.holder === holder && !me.unsure) return { do: 'hold' };
  // No other mount wrote in between. A new version makes late writes of ours, or of a contender's, fail.
  if (record.holder === holder || me.former.includes(record.holder))
    return { do: 'write', how: 'already', record: { ...record, holder, name }, ifGeneration };
  return { do: 'contend', holder: record.holder };
}

/** The owner object after its holder was condemned. */
export function takeOver({ record, generation }: Seen<OwnerRecord>, me: Claimant): Write<OwnerRecord> {
  const { id: holder, name } = me;
  const mine = { ...record, holder, name, epoch: record.epoch + 1, refresh: true };
  return { record: mine, ifGeneration: generation };
}

/** `settled`: nothing that this holder ever sent for the session can still arrive. */
export function release({ record, generation }: Seen<OwnerRecord>, settled: boolean): Write<OwnerRecord> {
  return {
    record: { ...record, holder: '', refresh: record.refresh || !settled },
    ifGeneration: generation,
  };
}

/** After every object of the session was stored again under the holder's epoch. */
export function raiseFloor({ record, generation }: Seen<OwnerRecord>): Write<OwnerRecord> {
  return { record: { ...record, floor: record.epoch, refresh: false }, ifGeneration: generation };
}

export type ContendStep =
  | { readonly do: 'take-over' }
  | { readonly do: 'wait' }
  | ({ readonly do: 'challenge' | 'condemn' } & Write<InboxRecord>);

export interface Contention {
  /** A new nonce. */
  readonly challenge: string;
  /** For how long the contender has known that this version of the inbox is the newest; undefined: it has just seen it. */
  readonly knownForMs: number | undefined;
  /** How long a challenge must stay unanswered. */
  readonly takeOverMs: number;
  /** What a missing inbox counts as: how long one renewal of the holder lasts. */
  readonly grantMs: number;
}

/** By the inbox of the mount that holds the session. */
export function contend(inbox: Seen<InboxRecord> | undefined, contention: Contention): ContendStep {
  const { challenge, knownForMs, takeOverMs, grantMs } = contention;
  if (inbox === undefined) {
    const record = { start: '', challenge, condemned: false, grantMs, name: '' };
    return { do: 'challenge', record, ifGeneration: ABSENT };
  }
  const { record, generation: ifGeneration } = inbox;
  if (record.condemned) return { do: 'take-over' };
  if (record.challenge === '') return { do: 'challenge', record: { ...record, challenge }, ifGeneration };
  if (knownForMs === undefined || knownForMs < takeOverMs) return { do: 'wait' };
  return { do: 'condemn', record: { ...record, condemned: true }, ifGeneration };
}

/** One run of a mount: a process, or several that take over from one another. */
export interface Run {
  readonly nonce: string;
  /** The inbox of this id was written before. */
  readonly opened: boolean;
  /** This run wrote the inbox. */
  readonly started: boolean;
  readonly grantMs: number;
  readonly name: string;
}

export type RenewStep =
  /** This read of the inbox grants writing. */
  | { readonly do: 'granted' }
  /** The write grants writing: it begins the run, or takes out a challenge. */
  | ({ readonly do: 'write' } & Write<InboxRecord>)
  /** The write that began this run arrived, although its answer was lost. Only the next read grants writing. */
  | { readonly do: 'begun' }
  /** This inbox cannot be trusted any more: go on under a new id, and claim each session under it. */
  | { readonly do: 'new-id' }
  /** Another process runs as this mount. */
  | { readonly do: 'fence' };

/** By the mount's own inbox. */
export function renew(inbox: Seen<InboxRecord> | undefined, run: Run): RenewStep {
  if (!run.started) return begin(inbox, run);
  if (inbox === undefined) return { do: 'new-id' };
  const { record, generation: ifGeneration } = inbox;
  // A contender made it. The one before it may have been condemned, by a contender that is about to take over.
  if (record.start === '') return { do: 'new-id' };
  if (record.start !== run.nonce) return { do: 'fence' };
  if (record.condemned) return { do: 'new-id' };
  if (record.challenge === '') return { do: 'granted' };
  return { do: 'write', record: { ...record, challenge: '' }, ifGeneration };
}

function begin(inbox: Seen<InboxRecord> | undefined, run: Run): RenewStep {
  const { nonce, opened, grantMs, name } = run;
  const record = { start: nonce, challenge: '', condemned: false, grantMs, name };
  if (inbox === undefined) return opened ? { do: 'new-id' } : { do: 'write', record, ifGeneration: ABSENT };
  if (inbox.record.condemned || inbox.record.start === '') return { do: 'new-id' };
  if (inbox.record.start === nonce) return { do: 'begun' };
  return { do: 'write', record, ifGeneration: inbox.generation };
}
