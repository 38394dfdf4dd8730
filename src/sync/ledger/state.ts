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
import { type MutableEntry, SessionEntries, type SettledRows } from './session-entries.ts';

/** Of one object; an upload that is forgotten counts as another run's, which overwrites nothing. */
const ATTEMPTS_MAX = 16;

/** So many entries may be in memory as objects, whether their sessions are in use or not. */
const LOOSE_ENTRIES = 30_000;
/** Beyond them a session is packed that was not used for so long. */
const REST_MS = 2_000;
/** Looked at for that, each time that another session is used. */
const SESSIONS_AT_A_TIME = 8;

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
  /** So many of them are objects; the others are packed. */
  looseEntries = 0;
  /** By object: uploads whose outcome is not known. An object that is no more, here and in the bucket, may have some. */
  readonly attempts = new Map<string, readonly Attempt[]>();
  /** Moves of which not all is stored. */
  readonly #moved = new Map<number, Moved>();
  /** The same, by session that files were moved from. */
  readonly #movesFrom = new Map<string, Set<number>>();
  /** Sessions whose entries are objects, and when each was used (ms, monotonic): the one that rests longest first. */
  readonly #loose = new Map<SessionEntries, number>();
  readonly #nowMs: () => number;
  #used: SessionEntries | undefined;

  /** `nowMs`: of a clock that does not jump. */
  constructor(nowMs = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  get(name: string): ObjectEntry | undefined {
    const session = sessionOf(name);
    return session === undefined ? undefined : this.entriesOf(session)?.get(name);
  }

  /** All entries, session by session, each as it is when it is its turn. */
  *entries(): Generator<ObjectEntry> {
    for (const session of this.sessions.values()) yield* session.looked.values();
  }

  /** By name. */
  entriesOf(name: string): ReadonlyMap<string, ObjectEntry> | undefined {
    const session = this.sessions.get(name);
    if (session === undefined) return undefined;
    this.#use(session);
    return session.all;
  }

  /** Files of other sessions that this deleted one became, as far as the bucket does not have them. */
  targetsOf({ session, deletedBy }: ObjectEntry): ObjectEntry[] {
    return deletedBy === undefined ? [] : this.#awaited(deletedBy, session);
  }

  /**
   * Files of other sessions that these moves deleted, by their move, as far as the bucket has them. By the files themselves: a ledger
   * that was written anew may tell of them before it tells of what they became.
   */
  sourcesOf(session: string, moves: ReadonlySet<number>): Map<number, ObjectEntry[]> {
    const sources = new Map([...moves].map((move): [number, ObjectEntry[]] => [move, []]));
    for (const { name, dirty } of this.sessions.values()) {
      if (name === session) continue;
      for (const entry of dirty)
        if (entry.deletedBy !== undefined && entry.remote !== undefined)
          sources.get(entry.deletedBy)?.push(entry);
    }
    return sources;
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
    this.applyCounted(record);
  }

  /** Of a line that `records` counts already. */
  applyCounted(record: LedgerRecord): void {
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

  #movedBy(entry: MutableEntry, move: number): void {
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
    if (entry.movedBy.length === 0) return;
    const changing = this.#changing(entry);
    for (const move of entry.movedBy) {
      const moved = this.#moved.get(move);
      moved?.to.delete(changing);
      if (moved?.to.size === 0) this.#forgetMove(move, moved.from);
    }
    changing.movedBy = [];
  }

  /** The bucket has the object no more. */
  removed(entry: ObjectEntry): void {
    this.#changing(entry).remote = undefined;
  }

  /** It is to be stored although the bucket has it. */
  refresh(entry: ObjectEntry): void {
    this.#changing(entry).refresh = true;
  }

  /** Call it before anything of the entry is changed: what was packed of its session is not true any more. */
  #changing(entry: ObjectEntry): MutableEntry {
    const session = this.sessions.get(entry.session);
    // An entry that is no more may be the last one of its session, or there is another session of that name.
    if (session?.looked === entry.siblings) {
      this.#use(session);
      void session.changing;
    }
    return entry as MutableEntry;
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
    const found = this.get(name);
    const session = found && this.sessions.get(found.session);
    if (found === undefined || session === undefined) return;
    const entry = this.#changing(found);
    this.endMoves(entry);
    if (entry.local === 'absent') session.absent--;
    session.changing.delete(name);
    this.entryCount--;
    this.looseEntries--;
    session.dirty.delete(entry);
    if (session.size === 0) this.#end(session);
    else this.#shadow(entry, session);
  }

  #set(entry: MutableEntry, local: LocalState, atMs: number): void {
    const session = this.sessions.get(entry.session);
    if (!isDirty(entry)) entry.dirtySinceMs = Math.floor(atMs);
    if (session !== undefined)
      session.absent += Number(local === 'absent') - Number(entry.local === 'absent');
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
    const backup = name === undefined ? undefined : session.changing.get(name);
    if (backup === undefined) return;
    const wasDirty = isDirty(backup);
    backup.shadowed = isShadowed(session, backup);
    if (!wasDirty) backup.dirtySinceMs = Math.floor(atMs);
    fileUnder(session, backup);
  }

  /** Made where there is none, and about to be changed. Undefined for a foreign name. */
  #entry(name: string, local: LocalState, atMs: number): MutableEntry | undefined {
    const of = sessionOf(name);
    if (of === undefined) return undefined;
    const session = this.#sessionFor(of);
    this.#use(session);
    let entry = session.changing.get(name);
    if (entry === undefined) {
      entry = session.newEntry(name);
      entry.shadowed = isShadowed(session, entry);
      session.changing.set(name, entry);
      this.entryCount++;
      this.looseEntries++;
      this.#set(entry, local, atMs);
    }
    return entry;
  }

  /** See SessionEntries. */
  addSettled(name: string, rows: string, said: SettledRows): void {
    this.#sessionFor(name).addSettled(rows, said);
    this.entryCount += said.size;
  }

  /** Made where there is none. */
  #sessionFor(name: string): SessionEntries {
    let session = this.sessions.get(name);
    if (session === undefined) {
      session = new SessionEntries(name);
      this.sessions.set(name, session);
    }
    return session;
  }

  /** Packs a session that is not used for a while. `isReferredTo`: something outside may refer to an entry of it. */
  rest(name: string, isReferredTo: boolean): void {
    const session = this.sessions.get(name);
    if (session !== undefined && this.#loose.has(session) && session.rest(isReferredTo))
      this.#rested(session);
  }

  /** The session's entries are looked at, or change: then they are objects, and others that rest are packed. */
  #use(session: SessionEntries): void {
    if (session === this.#used) return;
    this.#used = session;
    const nowMs = this.#nowMs();
    if (!this.#loose.delete(session)) this.looseEntries += session.size;
    this.#loose.set(session, nowMs);
    let looked = 0;
    for (const [other, usedMs] of this.#loose) {
      if (this.looseEntries <= LOOSE_ENTRIES || nowMs - usedMs < REST_MS) return;
      if (looked++ === SESSIONS_AT_A_TIME) return;
      if (other.rest(true)) this.#rested(other);
      else {
        // It waits for something: its turn comes again.
        this.#loose.delete(other);
        this.#loose.set(other, nowMs);
      }
    }
  }

  #rested(session: SessionEntries): void {
    this.#loose.delete(session);
    this.looseEntries -= session.size;
    if (this.#used === session) this.#used = undefined;
  }

  #end(session: SessionEntries): void {
    this.sessions.delete(session.name);
    this.#rested(session);
  }
}

/** Files in the root are no session's: all of them are uploaded. */
function isShadowed({ all }: SessionEntries, { name, session }: ObjectEntry): boolean {
  const file = session === '' ? undefined : backedUpBy(name);
  const local = file === undefined ? undefined : all.get(file)?.local;
  return local !== undefined && local !== 'deleted';
}

function fileUnder({ dirty }: SessionEntries, entry: MutableEntry): void {
  if (isDirty(entry)) dirty.add(entry);
  else dirty.delete(entry);
}

/** Times in the ledger are whole milliseconds, but for those of moves between sessions: each of these has one of its own. */
export function isMove(atMs: number): boolean {
  return !Number.isInteger(atMs);
}
