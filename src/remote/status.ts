/** The bucket's part of `.sessionfs/status.json`. */
import { reasonOf } from '../bucket/bucket-error.ts';
import type { Failure } from '../lib/failures.ts';
import { toObjectName } from '../naming/object-name.ts';
import { backedUpBy, isTemporary } from '../naming/session-path.ts';
import type { SessionBackup } from '../sync/backup/flusher.ts';
import type { Ledger } from '../sync/ledger/ledger.ts';
import type { BucketTrouble } from './bucket-health.ts';

export interface BucketStatusParts {
  address: string;
  ledger: Ledger;
  /** Sessions that a call waits for. */
  waiting: readonly string[];
  outcomeOf: (session: string) => SessionBackup;
  listingError: string | undefined;
  trouble: BucketTrouble | undefined;
  /** The mount that holds a session that a call waits for. */
  holderOf: (session: string) => { holder: string; waitedMs: number } | undefined;
  /** Why calls wait for the session, or why it is not backed up. */
  failureOf: (session: string) => ({ waits: Waits } & Failure) | undefined;
  /** The epoch under which this mount holds the session's lease; undefined: it does not hold it. */
  epochOf: (session: string) => number | undefined;
  /** Committed files that have not reached the cache, and so not the ledger. */
  dirtyPaths: readonly string[];
}

/** calls: system calls of applications. backup: changes that the bucket does not have. */
type Waits = 'calls' | 'backup';

export interface SessionTrouble {
  /** In words. */
  error: string;
  hint?: string;
  /** ISO 8601. */
  since: string;
  waits: Waits;
}

export interface BucketStatus {
  /** Files whose newest version is not in the bucket. */
  dirty: number;
  bucket: { address: string; listed: boolean; lastError: string | undefined; trouble?: BucketTrouble };
  backups: ({
    session: string;
    state: SessionState;
    files: number;
    dirty: number;
    epoch?: number;
    holder?: string;
    waitedMs?: number;
    trouble?: SessionTrouble;
  } & SessionBackup)[];
}

/**
 * waiting: another mount holds it, and a call waits for that. restoring: a call waits until it is restored. remote: it is only in
 * the bucket, and no call has asked for it.
 */
export type SessionState = 'local' | 'remote' | 'waiting' | 'restoring' | 'conflict';

export function bucketStatus(parts: BucketStatusParts): BucketStatus {
  const { address, ledger, listingError, trouble, outcomeOf, dirtyPaths } = parts;
  const unsettled = new Map<string, number>();
  const changed = new Set(dirtyPaths.map((path) => toObjectName(path, 'file')));
  for (const path of dirtyPaths) {
    const name = toObjectName(path, 'file');
    if (ledger.get(name)?.local === 'changed' || isTemporary(name)) continue;
    const file = path.includes('/') ? backedUpBy(name) : undefined;
    if (file !== undefined && (changed.has(file) || ledger.get(file) !== undefined)) continue;
    const session = path.includes('/') ? path.slice(0, path.indexOf('/')) : '';
    unsettled.set(session, (unsettled.get(session) ?? 0) + 1);
  }
  // A session that another mount has just made is known by its name only.
  const names = new Set([...ledger.sessionNames, ...unsettled.keys(), ...parts.waiting]);
  const waiting = new Set(parts.waiting);
  const backups = [...names].sort().map((session) => {
    const { files, dirty, absent } = ledger.countsOf(session);
    return {
      session,
      state: stateOf(parts, session, { files, absent, isWaitedFor: waiting.has(session) }),
      files,
      dirty: dirty + (unsettled.get(session) ?? 0),
      ...outcomeOf(session),
      ...epochIn(parts.epochOf(session)),
      ...parts.holderOf(session),
      ...troubleOf(parts.failureOf(session)),
    };
  });
  return {
    dirty: backups.reduce((sum, { dirty }) => sum + dirty, 0),
    bucket: { address, listed: ledger.listed, lastError: listingError, ...(trouble && { trouble }) },
    backups,
  };
}

function epochIn(epoch: number | undefined): { epoch?: number } {
  return epoch === undefined ? {} : { epoch };
}

function troubleOf(failure: ({ waits: Waits } & Failure) | undefined): { trouble?: SessionTrouble } {
  if (failure === undefined) return {};
  const { reason: _, ...error } = reasonOf(failure.error);
  return { trouble: { ...error, since: new Date(failure.sinceMs).toISOString(), waits: failure.waits } };
}

function stateOf(
  { ledger, holderOf }: BucketStatusParts,
  session: string,
  { files, absent, isWaitedFor }: { files: number; absent: number; isWaitedFor: boolean },
): SessionState {
  if (ledger.conflicts.has(session)) return 'conflict';
  if (holderOf(session) !== undefined) return 'waiting';
  const isUnknown = isWaitedFor && files === 0;
  if (absent === 0 && !isUnknown) return 'local';
  return isWaitedFor ? 'restoring' : 'remote';
}
