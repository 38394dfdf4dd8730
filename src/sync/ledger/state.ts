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
  /** Records that were applied. */
  records = 0;
  get(name: string): ObjectEntry | undefined {
    const session = sessionOf(name);
    return session === undefined ? undefined : this.sessions.get(session)?.all.get(name);
  }

  *entries(): Generator<ObjectEntry> {
    for (const { all } of this.sessions.values()) yield* all.values();
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
    if (local === 'deleted' && entry.remote === undefined && !entry.attempted) this.#drop(name);
    else this.#set(entry, local, atMs);
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
    session.all.delete(name);
    session.dirty.delete(entry);
    session.absent.delete(entry);
    if (session.all.size === 0) this.sessions.delete(entry.session);
  }

  #set(entry: ObjectEntry, local: LocalState, atMs: number): void {
    const session = this.sessions.get(entry.session);
    if (!isDirty(entry)) entry.dirtySinceMs = atMs;
    entry.local = local;
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
      };
      entries.all.set(name, entry);
      this.#set(entry, local, atMs);
    }
    return entry;
  }
}
