/** What the ledger's lines come to: the entries, by name and by session. */

import { sessionOf } from '../../naming/session-path.ts';
import { type LedgerRecord, versionOf } from './format.ts';
import { isDirty, type LocalState, type ObjectEntry, type RemoteVersion } from './object-entry.ts';

export interface SessionEntries {
  readonly all: Map<string, ObjectEntry>;
  readonly dirty: Set<ObjectEntry>;
  readonly absent: Set<ObjectEntry>;
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
  /** Lines of the file. */
  records = 0;
  entryCount = 0;
  /** By the move that made them: files that were not stored since. */
  readonly #moved = new Map<number, Set<ObjectEntry>>();

  get(name: string): ObjectEntry | undefined {
    const session = sessionOf(name);
    return session === undefined ? undefined : this.sessions.get(session)?.all.get(name);
  }

  *entries(): Generator<ObjectEntry> {
    for (const { all } of this.sessions.values()) yield* all.values();
  }

  /** Files of other sessions that this deleted one became, as far as the bucket does not have them. */
  targetsOf({ session, deletedBy }: ObjectEntry): ObjectEntry[] {
    const moved = deletedBy === undefined ? undefined : this.#moved.get(deletedBy);
    return [...(moved ?? [])].filter((target) => target.session !== session);
  }

  apply(record: LedgerRecord): void {
    this.records++;
    switch (record[0]) {
      case 'ledger':
        [, , this.id, this.bucket] = record;
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
      case 'attempt':
        this.#attempt(record[1]);
        break;
      case 'same':
      case 'stored':
      case 'absent': {
        const [state, name, ...fields] = record;
        this.#seen(name, state, versionOf(fields));
        break;
      }
      case 'gone':
        this.#drop(record[1]);
        break;
    }
  }

  #changed(name: string, local: 'changed' | 'deleted', atMs: number): void {
    const entry = this.#entry(name, local, atMs);
    if (entry === undefined) return;
    entry.change++;
    // Made anew here, in local mode, without regard to what the bucket has: the two must not be taken for one.
    if (entry.local === 'absent') entry.remote = undefined;
    if (local === 'deleted' && entry.remote === undefined && !entry.attempted) {
      this.#drop(name);
      return;
    }
    this.#set(entry, local, atMs);
    const move = isMove(atMs) ? atMs : undefined;
    if (local === 'deleted') entry.deletedBy = move;
    else if (move !== undefined && !entry.movedBy.includes(move)) this.#movedBy(entry, move);
  }

  #movedBy(entry: ObjectEntry, move: number): void {
    entry.movedBy = [...entry.movedBy, move];
    const moved = this.#moved.get(move);
    if (moved === undefined) this.#moved.set(move, new Set([entry]));
    else moved.add(entry);
  }

  /** It is stored, or is no more. */
  #endMoves(entry: ObjectEntry): void {
    for (const move of entry.movedBy) {
      const moved = this.#moved.get(move);
      moved?.delete(entry);
      if (moved?.size === 0) this.#moved.delete(move);
    }
    entry.movedBy = [];
  }

  #attempt(name: string): void {
    const entry = this.get(name);
    if (entry !== undefined) entry.attempted = true;
  }

  #seen(name: string, state: 'same' | 'stored' | 'absent', version: RemoteVersion): void {
    const entry = this.#entry(name, state === 'stored' ? 'changed' : state, version.updatedMs);
    if (entry === undefined) return;
    entry.remote = version;
    entry.attempted = false;
    entry.refresh = false;
    if (state !== 'stored') this.#set(entry, state, version.updatedMs);
  }

  #drop(name: string): void {
    const entry = this.get(name);
    const session = entry && this.sessions.get(entry.session);
    if (entry === undefined || session === undefined) return;
    this.#endMoves(entry);
    session.all.delete(name);
    this.entryCount--;
    session.dirty.delete(entry);
    session.absent.delete(entry);
    if (session.all.size === 0) this.sessions.delete(entry.session);
  }

  #set(entry: ObjectEntry, local: LocalState, atMs: number): void {
    const session = this.sessions.get(entry.session);
    if (!isDirty(entry)) entry.dirtySinceMs = Math.floor(atMs);
    entry.local = local;
    if (local !== 'changed') this.#endMoves(entry);
    entry.deletedBy = undefined;
    if (isDirty(entry)) session?.dirty.add(entry);
    else session?.dirty.delete(entry);
    if (local === 'absent') session?.absent.add(entry);
    else session?.absent.delete(entry);
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
        attempted: false,
        refresh: false,
        change: 0,
        dirtySinceMs: 0,
        movedBy: [],
        deletedBy: undefined,
      };
      entries.all.set(name, entry);
      this.entryCount++;
      this.#set(entry, local, atMs);
    }
    return entry;
  }
}

/** Times in the ledger are whole milliseconds, but for those of moves between sessions: each of these has one of its own. */
export function isMove(atMs: number): boolean {
  return !Number.isInteger(atMs);
}
