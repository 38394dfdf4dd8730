/** What must be true of buckets and caches: versions, what was promised of them, and where they are. */

import type { StoredObject } from '../../../src/bucket/bucket.ts';
import { isDeletedMark } from '../../../src/bucket/deleted-mark.ts';
import { Keyring } from '../../../src/crypto/keyring.ts';
import { openSealed } from '../../../src/crypto/sealed-file.ts';
import { keptVersionObjectName, parseKeptVersionName } from '../../../src/naming/kept-version-name.ts';
import { fromObjectName, toObjectName } from '../../../src/naming/object-name.ts';
import type { LedgerState } from '../../../src/sync/ledger/state.ts';
import { KEY } from '../daemon-parts.ts';
import { existsSync, readdirSync, readFileSync } from '../platform/fs.ts';
import { machine } from '../platform/machine.ts';
import { Violation } from '../violation.ts';
import { type Accepts, type Knows, Lineage } from './lineage.ts';
import type { Change, SimulatedStore } from './store.ts';

export interface Document {
  /** Its version. */
  v: number;
  /** Of creds.json: the keys that it counts on, in these versions. */
  needs?: Record<string, number>;
}

interface BroughtBack {
  readonly version: number | undefined;
  /** The newest number then. */
  readonly newest: number;
  /** Computers that stored the same version again: an unclean take-over does, with all that it restored. */
  readonly storedBy: Set<string>;
}

const SET_ASIDE = '.sessionfs/set-aside/';
const CREDS = 'creds.json';

export class Truth {
  readonly lineage = new Lineage();
  /** By bucket, then by path: the newest version, or deletion, of which a flush said that it is stored. */
  readonly #promised = new Map<string, Map<string, number>>();
  readonly #keyring = Keyring.fromHex(KEY);
  /** Sessions of which operators lost keys, or brought old ones back. */
  readonly #excused = new Set<string>();
  /** By path: what a bucket has since an operator brought it back. The session's holder need not know that it is there. */
  readonly #broughtBack = new Map<SimulatedStore, Map<string, BroughtBack>>();
  /** By path: the older version that a cache takes to a bucket which it had before, and what it knows to be there. */
  readonly #takenBack = new Map<SimulatedStore, Map<string, { version: number; there: number }>>();
  /** Versions that a bucket had and that were deleted there, by path. */
  readonly #gone = new Map<SimulatedStore, Map<string, number[]>>();
  /** Directories with kept versions. */
  readonly #caches: () => string[];

  constructor(caches: () => string[]) {
    this.#caches = caches;
  }

  /** An operator changed something of the session behind every mount. */
  excuse(session: string): void {
    this.#excused.add(session);
  }

  /**
   * `bytes` of `path` are in a cache that was put back from a copy, or is given another bucket (cache-content.ts). What its
   * ledger of the bucket has not stored is new to it, also where other computers, or later runs on it, have deleted it there.
   * What the ledger knows to be there counts as unchanged: what the cache has by now takes its place, whatever that came from, but
   * for what the cache lacked. An older version does so only where the ledger waits to delete what is there, and an application did delete it.
   */
  bringAlong(store: SimulatedStore, path: string, bytes: Buffer, ledger: LedgerState | undefined): void {
    const name = toObjectName(path, 'file');
    const version = this.versionOf(path, { bytes });
    const entry = ledger?.get(name);
    if (entry?.remote === undefined) this.lineage.place(path, undefined, version);
    const object = store.objects.get(name);
    const there = this.#versionIn(path, object);
    if (there === undefined || version === there || entry?.local === 'absent') return;
    const isAttempt = ledger?.attempts.get(name)?.some(({ id }) => id === object?.uploadId) ?? false;
    if (!isAttempt && object?.generation !== entry?.remote?.generation) return;
    if (!this.lineage.leadsTo(version, there)) {
      this.lineage.place(path, there, version);
      return;
    }
    const takenBack = this.#takenBack.get(store) ?? new Map<string, { version: number; there: number }>();
    this.#takenBack.set(store, takenBack.set(path, { version, there }));
    const deletion = this.lineage.deletionAfter(there, path, () => true);
    if (entry?.local === 'deleted' && deletion !== undefined)
      this.lineage.place(path, deletion, version, () => false);
  }

  /**
   * What a computer can know of deletions of a path: its own, and those that its bucket shows. A bucket that had nothing that the
   * deletion came from, since all of it was made, and deleted or moved on, before it was stored, shows nothing of it.
   */
  knownTo({ name, store }: { name: string; store: SimulatedStore }, path: string): Knows {
    const found = this.#inBucket(store, path);
    // Who opened the session before an operator brought that back has been shown what was deleted until then.
    const there = this.#broughtBack.get(store)?.get(path)?.version === found ? undefined : found;
    const gone = this.#gone.get(store)?.get(path) ?? [];
    const leadsTo = (deletion: number) => (version: number) => this.lineage.leadsTo(version, deletion);
    const isShown = (deletion: number) =>
      gone.some(leadsTo(deletion)) && (there === undefined || !leadsTo(deletion)(there));
    return (deletion, by) => by === name || isShown(deletion);
  }

  /** After each change of a bucket. */
  changed({ store, name, before, after, by }: Change): void {
    const path = fromObjectName(name)?.path;
    if (path === undefined || !name.startsWith('sessions/')) return;
    const version = this.#versionIn(path, after);
    if (version === undefined) this.#noteGone(store, path, this.#versionIn(path, before));
    this.#noteBroughtBack(store, path, version, by);
    if (by === '' && version !== undefined) {
      this.lineage.place(path, this.#versionIn(path, before), version);
      this.#promisedIn(store).set(path, version);
    }
    this.#checkPromise(store, path);
    if (by !== '') this.#checkCredentials(store, path);
  }

  #noteBroughtBack(store: SimulatedStore, path: string, version: number | undefined, by: string): void {
    const all = this.#broughtBack.get(store) ?? new Map<string, BroughtBack>();
    this.#broughtBack.set(store, all);
    const known = all.get(path);
    if (by === '') all.set(path, { version, newest: this.lineage.newest, storedBy: new Set() });
    else if (version !== undefined && version === known?.version) known.storedBy.add(computerOf(by));
    else all.delete(path);
  }

  /**
   * A deletion is of a file that was here before an operator brought back what the bucket has, or was made beside it: its maker knows
   * of no such object. Another mount that takes the session over uploads that version again with all that it restores: that
   * tells the maker nothing either, and the session is not its to delete from any more. What was found since is deleted as ever.
   */
  #isBeside(store: SimulatedStore, path: string, deletion: number): boolean {
    const known = this.#broughtBack.get(store)?.get(path);
    if (known === undefined) return false;
    const { version, newest, storedBy } = known;
    if (version === undefined || storedBy.size === 0) return true;
    return (
      !storedBy.has(this.lineage.deleterOf(deletion) ?? '') &&
      !this.lineage.cameSince(newest, path, version, deletion)
    );
  }

  #noteGone(store: SimulatedStore, path: string, version: number | undefined): void {
    if (version === undefined) return;
    const gone = this.#gone.get(store) ?? new Map<string, number[]>();
    this.#gone.set(store, gone);
    gone.set(path, [...(gone.get(path) ?? []), version]);
  }

  /**
   * A flush has said that all of this is stored: versions, or deletions, by path. `what`: one of a single session says nothing of those
   * that it was renamed to before.
   */
  promise(store: SimulatedStore, states: ReadonlyMap<string, number>, what: 'all' | 'one' = 'all'): void {
    const promised = this.#promisedIn(store);
    for (const [path, version] of states) {
      if (this.lineage.isDeletion(version) && this.#isBeside(store, path, version)) continue;
      if (what === 'one' && this.lineage.isMove(version) && this.#inBucket(store, path) === undefined)
        continue;
      if (!this.#isSuccessor(store, path, version))
        throw new Violation(
          'what a flush says is stored is stored',
          `${path} version ${version} is not in ${store.name}, which has ${this.#inBucket(store, path)}`,
        );
      const before = promised.get(path);
      if (before === undefined || this.lineage.leadsTo(before, version)) promised.set(path, version);
    }
  }

  /** What was promised of the session's files. */
  promisesOf(store: SimulatedStore, session: string): Map<string, number> {
    const all = [...this.#promisedIn(store)].filter(([path]) => path.startsWith(`${session}/`));
    return new Map(all);
  }

  /** What readers find may follow what was there: `found` undefined: nothing. `isNewer`: it must be as new. */
  follows(path: string, version: number, found: number | undefined): boolean {
    return this.lineage.follows(path, version, found);
  }

  /** An application deleted the version, or what came from it, and a computer that did not know stored another one since. */
  replaces(path: string, version: number, found: number | undefined): boolean {
    const { lineage } = this;
    if (found === undefined || lineage.isDeletion(version)) return false;
    return lineage.deletionAfter(version, path, () => true) !== undefined && !lineage.leadsTo(found, version);
  }

  /**
   * Found is what an operator brought back, and the deletion is of what its maker had there without knowing of it: nothing may be
   * deleted of which nothing is known.
   */
  returns(store: SimulatedStore, path: string, deletion: number, found: number | undefined): boolean {
    const known = this.#broughtBack.get(store)?.get(path);
    if (known?.version === undefined || found !== known.version) return false;
    const { lineage } = this;
    return lineage.isDeletion(deletion) && !lineage.cameSince(known.newest, path, found, deletion);
  }

  /** The version, or one that came from it, is in some set-aside folder, of a cache or of the bucket. */
  isKept(store: SimulatedStore, path: string, version: number): boolean {
    for (const [name, object] of store.objects)
      if (name.startsWith(SET_ASIDE) && this.#isIn(name.slice(SET_ASIDE.length), object.bytes, path, version))
        return true;
    // As no process: the one that runs now may be dead.
    return machine().as(undefined, () =>
      this.#caches().some((cache) => this.#isKeptIn(`${cache}/set-aside`, path, version)),
    );
  }

  #isKeptIn(directory: string, path: string, version: number): boolean {
    if (!existsSync(directory)) return false;
    const names = readdirSync(directory) as string[];
    return names.some((name) =>
      this.#isIn(name, readFileSync(`${directory}/${name}`) as Buffer, path, version),
    );
  }

  /** The version of what is stored for a path; throws where that is nothing which was ever written there. */
  versionOf(path: string, { bytes }: Pick<StoredObject, 'bytes'>): number {
    return this.check(path, openSealed(this.#keyring, path, bytes).plain.toString()).v;
  }

  check(path: string, text: string): Document {
    let document: Document;
    try {
      document = JSON.parse(text) as Document;
    } catch {
      throw new Violation('readers find what was written', `${path}: ${JSON.stringify(text.slice(0, 80))}`);
    }
    if (!this.lineage.wasWritten(path, document.v))
      throw new Violation('readers find what was written', `${path} never had version ${document.v}`);
    return document;
  }

  #isIn(name: string, bytes: Buffer, path: string, version: number): boolean {
    const prefix = parseKeptVersionName(name)?.prefix;
    if (prefix === undefined || fromObjectName(keptVersionObjectName(prefix))?.path !== path) return false;
    try {
      return this.lineage.leadsTo(version, this.versionOf(path, { bytes }));
    } catch {
      return false;
    }
  }

  /** What was deleted may be made anew: only what was deleted then must not come back. */
  #checkPromise(store: SimulatedStore, path: string): void {
    const promised = this.#promisedIn(store);
    const version = promised.get(path);
    if (version === undefined) return;
    if (this.#isSuccessor(store, path, version)) {
      const isGone = this.#inBucket(store, path) === undefined;
      const deletion = isGone ? this.lineage.deletionAfter(version, path, () => true) : undefined;
      if (deletion !== undefined) promised.set(path, deletion);
      return;
    }
    if (this.isKept(store, path, version)) return;
    throw new Violation(
      'nothing that a flush stored is lost',
      `${path} version ${version}; ${store.name} has ${this.#inBucket(store, path) ?? 'nothing'} there`,
    );
  }

  /** Each key that the credentials in the bucket count on is there, in that version or a newer one, unless it was deleted since. */
  #checkCredentials(store: SimulatedStore, path: string): void {
    const session = path.slice(0, path.indexOf('/'));
    if (this.#excused.has(session)) return;
    const creds = store.objects.get(toObjectName(`${session}/${CREDS}`, 'file'));
    if (creds === undefined || isDeletedMark(creds)) return;
    const credsPath = `${session}/${CREDS}`;
    const { v, needs = {} } = this.check(
      credsPath,
      openSealed(this.#keyring, credsPath, creds.bytes).plain.toString(),
    );
    for (const [key, version] of Object.entries(needs)) {
      const keyPath = `${session}/${key}`;
      // Deleted since, and perhaps never stored in that version.
      if (this.lineage.wasDeleted(version)) continue;
      if (this.#isSuccessor(store, keyPath, version)) continue;
      if (this.#isTakenBack(store, keyPath, version)) continue;
      throw new Violation(
        'credentials are never newer than their keys',
        `${credsPath} version ${v} counts on ${key} ${version}; ${store.name} has ${this.#inBucket(store, keyPath) ?? 'nothing'}`,
      );
    }
  }

  /**
   * A cache whose session lost a conflict in another bucket takes that one's older version back: its keys take the place of those that
   * it kept aside there, and its credentials come last.
   */
  #isTakenBack(store: SimulatedStore, path: string, needed: number): boolean {
    const taken = this.#takenBack.get(store)?.get(path);
    const found = this.#inBucket(store, path);
    if (taken === undefined || found === undefined) return false;
    return (
      this.lineage.leadsTo(needed, taken.there) &&
      this.lineage.leadsTo(taken.version, found) &&
      this.isKept(store, path, needed)
    );
  }

  /** The bucket has the version or what came from it; what was moved must be where it went. */
  #isSuccessor(store: SimulatedStore, path: string, version: number, asked = new Set<string>()): boolean {
    if (asked.has(path)) return false;
    asked.add(path);
    const accepts: Accepts = (movedTo, moved) =>
      movedTo === undefined ||
      this.lineage.wasDeleted(moved) ||
      this.#isSuccessor(store, movedTo, moved, asked) ||
      this.isKept(store, movedTo, moved);
    const found = this.#inBucket(store, path);
    if (this.lineage.follows(path, version, found, accepts)) return true;
    // It moved through here and was never stored: what is there is what the bucket had before, until the next flush.
    const isBetween = asked.size > 1;
    return (
      isBetween && found !== undefined && this.lineage.deletionAfter(version, path, accepts) !== undefined
    );
  }

  #inBucket(store: SimulatedStore, path: string): number | undefined {
    return this.#versionIn(path, store.objects.get(toObjectName(path, 'file')));
  }

  /** A mark that keeps late uploads out stands for nothing. */
  #versionIn(path: string, object: StoredObject | undefined): number | undefined {
    return object === undefined || isDeletedMark(object) ? undefined : this.versionOf(path, object);
  }

  #promisedIn({ name }: SimulatedStore): Map<string, number> {
    const known = this.#promised.get(name) ?? new Map<string, number>();
    this.#promised.set(name, known);
    return known;
  }
}

/** Of a process's name. */
function computerOf(process: string): string {
  return process.slice(0, process.indexOf(' '));
}
