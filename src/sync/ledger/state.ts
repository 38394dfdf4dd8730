/** What the ledger's lines come to: the entries, by name and by session. */

import { ABSENT } from '../../bucket/bucket.ts';
import { backedUpBy, backupOf, sessionOf } from '../../naming/session-path.ts';
import { type LedgerRecord, versionOf } from './format.ts';
import {
  type Attempt,
  isDirty,
  type LocalState,
  type ObjectEntry,
  type RemoteVersion,
} from './object-entry.ts';

/** Of one object; an upload that is forgotten counts as another run's, which overwrites nothing. */
const ATTEMPTS_MAX = 16;

export interface SessionEntries {
  readonly all: Map<string, ObjectEntry>;
  readonly dirty: Set<ObjectEntry>;
  readonly absent: Set<ObjectEntry>;
}

interface Moved {
  /** Sessions. */
  readonly from: Set<string>;
  /** What was not stored since. */
  readonly to: Set<ObjectEntry>;
}

export class LedgerState {
  readonly sessions = new Map<string, SessionEntries>();
  id = '';
  bucket = '';
  listed = false;
  wasListed = false;
  /** Sessions that the present mount serves. */
  readonly serving = new Set<string>();
  /** By session. */
  readonly epochs = new Map<string, number>();
  /** How much of the file was on stable storage at least; undefined: the file does not say. */
  durableLength: number | undefined;
  /** Lines of the file. */
  records = 0;
  entryCount = 0;
  /** By object: uploads whose outcome is not known. An object that is no more, here and in the bucket, may have some. */
  readonly attempts = new Map<string, readonly Attempt[]>();
  /** Moves of which not all is stored. */
  readonly #moved = new Map<number, Moved>();
  /** The same, by session that files were moved from. */
  readonly #movesFrom = new Map<string, Set<number>>();

  get(name: string): ObjectEntry | undefined {
    const session = sessionOf(name);
    return session === undefined ? undefined : this.sessions.get(session)?.all.get(name);
  }

  *entries(): Generator<ObjectEntry> {
    for (const { all } of this.sessions.values()) yield* all.values();
  }

  /** Files of other sessions that this deleted one became, as far as the bucket does not have them. */
  targetsOf({ session, deletedBy }: ObjectEntry): ObjectEntry[] {
    return deletedBy === undefined ? [] : this.#awaited(deletedBy, session);
  }

  /** Those that files of the session were moved by. */
  movesFrom(session: string): ReadonlySet<number> {
    return new Set(this.#movesFrom.get(session));
  }

  /** Files of other sessions that those of this one became by other moves, as far as the bucket does not have them: also of what it never had here. */
  movedFrom(session: string, except: ReadonlySet<number>): ObjectEntry[] {
    const moves = [...(this.#movesFrom.get(session) ?? [])].filter((move) => !except.has(move));
    return moves.flatMap((move) => this.#awaited(move, session));
  }

  #awaited(move: number, session: string): ObjectEntry[] {
    const to = [...(this.#moved.get(move)?.to ?? [])];
    return to.filter((target) => target.session !== session && !target.shadowed);
  }

  apply(record: LedgerRecord): void {
    this.records++;
    switch (record[0]) {
      case 'ledger':
        [, , this.id, this.bucket] = record;
        break;
      case 'length':
        // Anywhere else it would be written over.
        if (this.records === 2) this.durableLength = Number(record[1]);
        break;
      case 'listed':
        this.listed = record[1];
        this.wasListed ||= this.listed;
        break;
      case 'mount':
        this.serving.clear();
        break;
      case 'serving':
        this.serving.add(record[1]);
        break;
      case 'epoch':
        this.epochs.set(record[1], record[2]);
        break;
      case 'changed':
        this.#changed(record[1], 'changed', record[2]);
        break;
      case 'deleted':
        this.#changed(record[1], 'deleted', record[2]);
        break;
      case 'attempt': {
        const [, name, id, ifGeneration, crc32c, atMs] = record;
        this.#attempt(name, { id, ifGeneration, crc32c, atMs });
        break;
      }
      case 'answered': {
        const [, name, answered] = record;
        this.#keepAttempts(name, ({ id }) => id !== answered);
        break;
      }
      case 'same':
      case 'stored':
      case 'absent': {
        const [state, name, ...fields] = record;
        this.#seen(name, state, versionOf(fields));
        break;
      }
      case 'gone':
        this.#drop(record[1]);
        this.#keepAttempts(record[1], ({ ifGeneration }) => ifGeneration === ABSENT);
        break;
    }
  }

  #changed(name: string, local: 'changed' | 'deleted', atMs: number): void {
    const entry = this.#entry(name, local, atMs);
    if (entry === undefined) return;
    entry.change++;
    // Made anew here, in local mode, without regard to what the bucket has: the two must not be taken for one.
    if (entry.local === 'absent') entry.remote = undefined;
    const move = isMove(atMs) ? atMs : undefined;
    if (local === 'deleted' && move !== undefined) this.#movedAway(entry, move);
    const isNowhere = entry.remote === undefined && !this.attempts.has(name);
    if (local === 'deleted' && isNowhere && !this.#keepsInDoubt(entry)) {
      this.#drop(name);
      return;
    }
    this.#set(entry, local, atMs);
    if (local === 'deleted') {
      entry.deletedBy = move;
      entry.deletedChange = entry.change;
    } else if (move !== undefined && !entry.movedBy.includes(move)) this.#movedBy(entry, move);
  }

  /**
   * Before a session was ever compared with the bucket, nothing says that the bucket does not have it: without a ledger (it was lost, or
   * is of another bucket) what is deleted here may be there. So one deletion stays where nothing else is left that is to be stored, and
   * the next flush compares the session. Files in the root are no session.
   */
  #keepsInDoubt(entry: ObjectEntry): boolean {
    const { session } = entry;
    if (session === '' || this.wasListed || this.epochs.has(session)) return false;
    return [...(this.sessions.get(session)?.dirty ?? [])].every((other) => other === entry);
  }

  #movedBy(entry: ObjectEntry, move: number): void {
    entry.movedBy = [...entry.movedBy, move];
    entry.movedChange = entry.change;
    const moved = this.#moved.get(move);
    if (moved === undefined) this.#moved.set(move, { from: new Set(), to: new Set([entry]) });
    else moved.to.add(entry);
  }

  /** Of a move whose targets are noted already. */
  #movedAway({ session }: ObjectEntry, move: number): void {
    const moved = this.#moved.get(move);
    if (moved === undefined) return;
    moved.from.add(session);
    this.#movesFrom.set(session, (this.#movesFrom.get(session) ?? new Set()).add(move));
  }

  /** It is stored, or is no more. */
  endMoves(entry: ObjectEntry): void {
    for (const move of entry.movedBy) {
      const moved = this.#moved.get(move);
      moved?.to.delete(entry);
      if (moved?.to.size === 0) this.#forgetMove(move, moved.from);
    }
    entry.movedBy = [];
  }

  #forgetMove(move: number, from: ReadonlySet<string>): void {
    this.#moved.delete(move);
    for (const session of from) {
      const moves = this.#movesFrom.get(session);
      moves?.delete(move);
      if (moves?.size === 0) this.#movesFrom.delete(session);
    }
  }

  #attempt(name: string, attempt: Attempt): void {
    const others = (this.attempts.get(name) ?? []).filter(({ id }) => id !== attempt.id);
    this.attempts.set(name, [...others, attempt].slice(-ATTEMPTS_MAX));
  }

  #keepAttempts(name: string, isKept: (attempt: Attempt) => boolean): void {
    const kept = this.attempts.get(name)?.filter(isKept);
    if (kept === undefined) return;
    if (kept.length > 0) this.attempts.set(name, kept);
    else this.attempts.delete(name);
  }

  /** Forgets uploads from before that, of which nothing can arrive and nothing is asked any more. */
  forgetAttempts(beforeMs: number): void {
    for (const name of [...this.attempts.keys()]) {
      const local = this.get(name)?.local;
      if (local === undefined || local === 'same') this.#keepAttempts(name, ({ atMs }) => atMs >= beforeMs);
    }
  }

  #seen(name: string, state: 'same' | 'stored' | 'absent', version: RemoteVersion): void {
    const entry = this.#entry(name, state === 'stored' ? 'changed' : state, version.updatedMs);
    if (entry === undefined) return;
    entry.remote = version;
    entry.refresh = false;
    // A version that was replaced never comes back, and no upload that names it is stored.
    const { generation } = version;
    this.#keepAttempts(name, ({ ifGeneration }) => ifGeneration === ABSENT || ifGeneration === generation);
    if (state !== 'stored') this.#set(entry, state, version.updatedMs);
  }

  #drop(name: string): void {
    const entry = this.get(name);
    const session = entry && this.sessions.get(entry.session);
    if (entry === undefined || session === undefined) return;
    this.endMoves(entry);
    session.all.delete(name);
    this.entryCount--;
    session.dirty.delete(entry);
    session.absent.delete(entry);
    if (session.all.size === 0) this.sessions.delete(entry.session);
    this.#shadow(entry, session);
  }

  #set(entry: ObjectEntry, local: LocalState, atMs: number): void {
    const session = this.sessions.get(entry.session);
    if (!isDirty(entry)) entry.dirtySinceMs = Math.floor(atMs);
    entry.local = local;
    if (local !== 'changed') this.endMoves(entry);
    entry.deletedBy = undefined;
    if (session === undefined) return;
    fileUnder(session, entry);
    this.#shadow(entry, session, atMs);
  }

  /** The entry came, went or changed: that decides whether its backup is uploaded. */
  #shadow(entry: ObjectEntry, session: SessionEntries, atMs = entry.dirtySinceMs): void {
    const name = backupOf(entry.name);
    const backup = name === undefined ? undefined : session.all.get(name);
    if (backup === undefined) return;
    const wasDirty = isDirty(backup);
    backup.shadowed = isShadowed(session, backup);
    if (!wasDirty) backup.dirtySinceMs = Math.floor(atMs);
    fileUnder(session, backup);
  }

  /** Made where there is none. Undefined for a foreign name. */
  #entry(name: string, local: LocalState, atMs: number): ObjectEntry | undefined {
    const session = sessionOf(name);
    if (session === undefined) return undefined;
    let entries = this.sessions.get(session);
    if (entries === undefined) {
      entries = { all: new Map(), dirty: new Set(), absent: new Set() };
      this.sessions.set(session, entries);
    }
    let entry = entries.all.get(name);
    if (entry === undefined) {
      // Not dirty yet, whatever it is about to be: `#set` says so.
      entry = {
        name,
        session,
        local: 'same',
        remote: undefined,
        refresh: false,
        shadowed: false,
        change: 0,
        dirtySinceMs: 0,
        movedBy: [],
        movedChange: 0,
        deletedChange: 0,
        deletedBy: undefined,
      };
      entry.shadowed = isShadowed(entries, entry);
      entries.all.set(name, entry);
      this.entryCount++;
      this.#set(entry, local, atMs);
    }
    return entry;
  }
}

/** Files in the root are no session's: all of them are uploaded. */
function isShadowed({ all }: SessionEntries, { name, session }: ObjectEntry): boolean {
  const file = session === '' ? undefined : backedUpBy(name);
  const local = file === undefined ? undefined : all.get(file)?.local;
  return local !== undefined && local !== 'deleted';
}

function fileUnder({ dirty, absent }: SessionEntries, entry: ObjectEntry): void {
  if (isDirty(entry)) dirty.add(entry);
  else dirty.delete(entry);
  if (entry.local === 'absent') absent.add(entry);
  else absent.delete(entry);
}

/** Times in the ledger are whole milliseconds, but for those of moves between sessions: each of these has one of its own. */
export function isMove(atMs: number): boolean {
  return !Number.isInteger(atMs);
}
