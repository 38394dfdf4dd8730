/**
 * What the ledger knows of one session: its entries as objects, or packed while it rests. Each entry refers to all entries of its
 * session. So as long as anything refers to one of them, none is made a second time: two entries are the same row only
 * where they are the same object.
 */
import { folderOf } from '../../naming/object-name.ts';
import type { ObjectEntry } from './object-entry.ts';
import { type Row, RowWriter, unpackRows } from './packed-rows.ts';

/** LedgerState's own view of an entry. */
export type MutableEntry = { -readonly [Field in keyof ObjectEntry]: ObjectEntry[Field] };
type Entries = Map<string, MutableEntry>;

interface Totals {
  /** That the bucket has. */
  objects: number;
  bytes: number;
  /** Of what the cache has, as far as the bucket has a version of it. */
  bytesHere: number;
}

/** What rows come to. */
export interface SettledRows {
  size: number;
  absent: number;
  totals: Totals;
}

interface Packed {
  rows: string;
  size: number;
  totals: Totals;
}

/** Not dirty yet, whatever it is about to be. */
const NEW_ROW: Row = {
  local: 'same',
  remote: undefined,
  refresh: false,
  shadowed: false,
  change: 0,
  deletedChange: 0,
  movedChange: 0,
  dirtySinceMs: 0,
};
/** Packing is done in one go. */
const writer = new RowWriter();

export class SessionEntries {
  readonly name: string;
  readonly dirty = new Set<MutableEntry>();
  /** Entries of which the cache lacks what the bucket has. */
  absent = 0;
  /** Undefined: they are packed. */
  #entries: Entries | undefined = new Map();
  /** Undefined: there are none, or they have changed since. */
  #packed: Packed | undefined;
  /** The entries as they were before they were packed: they are still true where anything refers to them. */
  #before: WeakRef<Entries> | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get size(): number {
    return this.#entries?.size ?? this.#packed?.size ?? 0;
  }

  /** To be looked at. */
  get all(): ReadonlyMap<string, ObjectEntry> {
    this.#entries ??= this.#unpacked();
    return this.#entries;
  }

  /** As `all`, of a session that goes on resting. V8 keeps what a WeakRef was made for until the turn of the event loop ends. */
  get looked(): ReadonlyMap<string, ObjectEntry> {
    if (this.#entries !== undefined) return this.#entries;
    const entries = this.#unpacked();
    this.#before = new WeakRef(entries);
    return entries;
  }

  /** What the rows say now. */
  get copies(): Iterable<ObjectEntry> {
    return (this.#entries ?? this.#unpacked()).values();
  }

  /** To be changed, before another session is used. */
  get changing(): Entries {
    this.#entries ??= this.#unpacked();
    this.#packed = undefined;
    return this.#entries;
  }

  get totals(): Totals {
    return this.#packed?.totals ?? totalsOf(this.copies);
  }

  /** Packs what changed since it was packed. False: it waits for something, and is as it was. `isReferredTo`: an entry may be, from outside. */
  rest(isReferredTo: boolean): boolean {
    if (this.#entries === undefined) return true;
    this.#packed ??= this.#pack(this.#entries);
    if (this.#packed === undefined) return false;
    this.#before = isReferredTo ? new WeakRef(this.#entries) : undefined;
    this.#entries = undefined;
    return true;
  }

  /** Adds rows that `RowWriter` made, of objects that nothing happened to, to a session that nothing else was said of. */
  addSettled(rows: string, { size, absent, totals }: SettledRows): void {
    const { objects, bytes, bytesHere } = this.totals;
    this.#packed = {
      rows: (this.#packed?.rows ?? '') + rows,
      size: this.size + size,
      totals: {
        objects: objects + totals.objects,
        bytes: bytes + totals.bytes,
        bytesHere: bytesHere + totals.bytesHere,
      },
    };
    this.absent += absent;
    this.#entries = undefined;
    this.#before = undefined;
  }

  newEntry(name: string): MutableEntry {
    return this.#entryOf(this.changing, name, NEW_ROW);
  }

  #pack(entries: Entries): Packed | undefined {
    if (this.dirty.size > 0) return undefined;
    const folder = folderOf(this.name);
    for (const { name, movedBy } of entries.values())
      if (movedBy.length > 0 || !name.startsWith(folder)) return undefined;
    for (const entry of entries.values()) writer.add(entry, entry.name.slice(folder.length));
    return { rows: writer.take(), size: entries.size, totals: totalsOf(entries.values()) };
  }

  #unpacked(): Entries {
    const before = this.#before?.deref();
    if (before !== undefined) return before;
    const entries: Entries = new Map();
    const folder = folderOf(this.name);
    for (const row of unpackRows(this.#packed?.rows ?? '')) {
      const name = folder + row.rest;
      entries.set(name, this.#entryOf(entries, name, row));
    }
    return entries;
  }

  #entryOf(siblings: Entries, name: string, row: Row): MutableEntry {
    const { local, remote, refresh, shadowed, change, dirtySinceMs, movedChange, deletedChange } = row;
    return {
      name,
      session: this.name,
      siblings,
      local,
      remote,
      refresh,
      shadowed,
      change,
      dirtySinceMs,
      movedBy: [],
      movedChange,
      deletedChange,
      deletedBy: undefined,
    };
  }
}

function totalsOf(entries: Iterable<ObjectEntry>): Totals {
  const totals: Totals = { objects: 0, bytes: 0, bytesHere: 0 };
  for (const { local, remote } of entries) {
    if (remote === undefined) continue;
    totals.objects++;
    totals.bytes += remote.size;
    if (local !== 'absent') totals.bytesHere += remote.size;
  }
  return totals;
}
