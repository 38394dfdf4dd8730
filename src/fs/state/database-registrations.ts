/**
 * The alarm for an application that starts over (see registrations.ts), for registrations that lie in an SQLite database: the row
 * `__creds__` of the table `creds`. What SQLite leaves of the state before is looked at while it is there: transactions in the
 * write-ahead log before a checkpoint writes them into the database, or the log goes; the rollback journal when a transaction
 * ends; a database before it is removed or replaced. And logs every now and then, so that the alarm does not wait for that.
 */

import type { Errno } from '../../lib/errno.ts';
import { keptDatabasePath } from '../../naming/kept-database.ts';
import { asCompanion, type CompanionKind, companionName, companionsOf } from '../../sqlite/companions.ts';
import { savedCredentials } from '../../sqlite/credentials.ts';
import { fold } from '../../sqlite/fold.ts';
import { isDatabase, PAGE_BYTES_MIN, pageSizeOf, SqliteError } from '../../sqlite/format.ts';
import { isSamePage, type Pages, pagesOf, pagesOver } from '../../sqlite/pages.ts';
import { isJournal, pagesBefore } from '../../sqlite/rollback-journal.ts';
import {
  checkpointedEnd,
  isCheckpointed,
  LOG_START,
  type LogHeader,
  readLogHeader,
  transactionsOf,
} from '../../sqlite/write-ahead-log.ts';
import { isGatedName } from '../model/json-gate.ts';
import type { DirectoryNode, FileNode, Node } from '../model/node.ts';
import { goesOn, type Registered } from '../model/registration.ts';
import { absentSessionOf, isInside, sessionOfNode } from '../model/tree.ts';
import { metaOf } from './contents.ts';
import {
  NO_ROW,
  newWatch,
  pagesUnder,
  type Row,
  rowIn,
  touches,
  type Watch,
  watchFrom,
} from './database-rows.ts';
import { type Kept, LOGOUT_MS, type LostCredentials, type RegistrationParts } from './kept-registrations.ts';
import { visitStates } from './log-states.ts';

/** A log that is written all the time is looked at so often, and less often where its database is large. */
const LOOK_MS = 2_000;
const LOOK_MS_PER_MIB = 100;
/** Of databases that were renamed to a name beside, and did not come back. */
const MOVED_ASIDE_MAX = 256;

/** A registration whose row, or database, is gone. */
interface Removal {
  readonly folder: DirectoryNode;
  /** Of the database. */
  readonly name: string;
  readonly registration: Registered;
  /** Undefined: it has another name now. */
  kept: Kept | undefined;
  /** The database under its other name. */
  aside: FileNode | undefined;
  /** On the monotonic clock. */
  atMs: number;
  isTold: boolean;
}

interface Folded {
  readonly image: Uint8Array;
  /** The database as it was then. */
  readonly content: Uint8Array;
}

/** Of a database that may be there no more. */
type Place = Pick<FileNode, 'parent' | 'name'>;

/** Call it once the change is carried out. */
type Effect = () => void;

const NOTHING: Effect = () => {};
const NO_BYTES = new Uint8Array(0);

export class DatabaseRegistrations {
  readonly #parts: RegistrationParts;
  readonly #watches = new WeakMap<FileNode, Watch>();
  /** Logs that were written since they were looked at. */
  readonly #due = new Set<FileNode>();
  #removals: Removal[] = [];
  /** Of databases whose log was removed before they were: with the log. */
  readonly #folded = new WeakMap<FileNode, Folded>();

  constructor(parts: RegistrationParts) {
    this.#parts = parts;
  }

  /** `settle` wants to be called. */
  get hasPending(): boolean {
    return this.#due.size > 0 || this.#removals.some(isPending);
  }

  /** A registration of a database in this folder is gone, and its node may be needed yet. */
  hasRemovalIn(folder: DirectoryNode): boolean {
    return this.#removals.some((removal) => removal.folder === folder);
  }

  /** See Registrations. */
  get lost(): LostCredentials[] {
    return this.#removals.flatMap(({ isTold, folder, kept }) =>
      isTold && kept !== undefined && this.#isThere(folder)
        ? [{ session: this.#sessionOf(folder), keptAs: this.#parts.kept.locate(kept.keptAs) }]
        : [],
    );
  }

  /** Before `data` is written to `node`. An error: the registration that it would take could not be kept. */
  beforeWrite(node: FileNode, at: number, data: Uint8Array): Effect | Errno {
    if (isGatedName(node.name)) return NOTHING;
    const beside = this.#besideDatabase(node);
    if (beside?.kind === 'wal') {
      const failed = at === 0 ? this.#logEnds(beside.database, node) : NOTHING;
      this.#due.add(node);
      return failed;
    }
    if (beside?.kind === 'journal')
      return at === 0 && !isJournal(data) ? this.#journalEnds(beside.database, node) : NOTHING;
    return this.#look(node) || NOTHING;
  }

  beforeTruncate(node: FileNode, size: number): Effect | Errno {
    if (isGatedName(node.name)) return NOTHING;
    return size === 0 ? this.#contentGoes(node) : this.#look(node) || NOTHING;
  }

  /** The removal of a database is never refused: it makes room. */
  beforeUnlink(node: FileNode): Effect | Errno {
    if (isGatedName(node.name)) return NOTHING;
    const beside = this.#besideDatabase(node);
    if (beside === undefined) return this.#databaseGoes(node);
    if (beside.kind === 'wal') this.#foldBeforeLogGoes(beside.database, node);
    return this.#contentGoes(node);
  }

  /**
   * Before `database` is removed: what is to be kept of it, with its log folded in, where its last version is not that. Undefined:
   * it is, or this is no database.
   */
  lastImage(database: FileNode): Buffer | undefined {
    if (isGatedName(database.name) || !this.#isGuarded(database)) return undefined;
    const companions = [this.#beside(database, 'wal'), this.#beside(database, 'journal')];
    const folded = this.#folded.get(database);
    if (!database.hasUncommitted && folded === undefined && companions.every((each) => each === undefined))
      return undefined;
    const content = this.#mayBeDatabase(database) ? this.#bytesOf(database) : undefined;
    if (content === undefined || !isDatabase(content)) return undefined;
    const isAsThen = folded !== undefined && Buffer.compare(folded.content, content) === 0;
    const image = isAsThen ? folded.image : this.#imageOf(database);
    return image.length === 0 ? undefined : Buffer.from(image);
  }

  /** `rm -r` may take the log first. A log that SQLite removes has nothing that is not in its database. */
  #foldBeforeLogGoes(database: FileNode, log: FileNode): void {
    const content = this.#bytesOf(database);
    const frames = this.#bytesOf(log);
    if (content === undefined || frames === undefined || !isDatabase(content)) return;
    if (ifReadable(() => isCheckpointed(content, frames)) !== false) return;
    const image = this.#imageOf(database);
    if (image.length > 0 && Buffer.compare(image, content) !== 0)
      this.#folded.set(database, { image, content: new Uint8Array(content) });
  }

  /** `node` gets the place of `target`, which is undefined or a file, with this content. */
  beforeRename(
    node: FileNode,
    to: { parent: DirectoryNode; name: string },
    target: FileNode | undefined,
    content: Uint8Array,
  ): Effect | Errno {
    const away = node.parent === to.parent ? this.#movesAside(node) : NOTHING;
    const here = this.#isReplaced(to, target, content);
    if (typeof here === 'number') return here;
    return () => {
      away();
      here();
    };
  }

  /** Looks at logs, and tells of registrations that are gone. Call it every now and then while there is something pending. */
  settle(): void {
    const now = this.#parts.clock.monotonicMs();
    for (const log of this.#due) this.#settleLog(log, now);
    for (const removal of this.#removals)
      if (isPending(removal) && now - removal.atMs >= LOGOUT_MS) this.#settleRemoval(removal);
  }

  #settleLog(log: FileNode, now: number): void {
    const database = this.#besideDatabase(log)?.database;
    if (database === undefined || absentSessionOf(this.#parts.tree, log) !== undefined) {
      this.#due.delete(log);
      return;
    }
    const watch = this.#watches.get(log);
    const pauseMs = LOOK_MS + (database.size / 1048576) * LOOK_MS_PER_MIB;
    if (watch !== undefined && now - watch.atMs < pauseMs) return;
    this.#lookAt(database, log);
  }

  #settleRemoval(removal: Removal): void {
    const { folder, name, kept } = removal;
    const database = this.#isThere(folder) ? folder.children.get(name) : undefined;
    if (database?.kind === 'file') {
      const row = this.#presentRow(database);
      if (row?.isKnown === true && row.value !== undefined) {
        this.#seen(folder, name, row.value);
        return;
      }
    }
    if (database === undefined && !this.#hasOthers(folder, name)) {
      this.#forget(removal);
      return;
    }
    removal.isTold = true;
    if (kept !== undefined) this.#parts.kept.removed(this.#sessionOf(folder), kept.keptAs);
  }

  /** Before the content of `database` changes: what its log says of earlier states is about to be lost. */
  #look(database: FileNode): 0 | Errno {
    const log = this.#beside(database, 'wal');
    if (log === undefined || !this.#isGuarded(database)) return 0;
    return this.#due.has(log) || !this.#watches.has(log) ? this.#lookAt(database, log) : 0;
  }

  #contentGoes(node: FileNode): Effect | Errno {
    const beside = this.#besideDatabase(node);
    if (beside?.kind === 'wal') return this.#logEnds(beside.database, node);
    if (beside?.kind === 'journal') return this.#journalEnds(beside.database, node);
    if (beside !== undefined || !this.#isGuarded(node)) return NOTHING;
    const row = this.#presentRow(node);
    return row === undefined ? NOTHING : this.#follow(node, row, NO_ROW);
  }

  /** The log begins anew, or goes: only what is in the database counts from then on. */
  #logEnds(database: FileNode, log: FileNode): Effect | Errno {
    const beginsAnew = () => void this.#watches.set(log, newWatch());
    const bytes = this.#bytesOf(log);
    if (bytes === undefined || bytes.length === 0) return beginsAnew;
    const failed = this.#lookAt(database, log);
    if (failed !== 0) return failed;
    const watch = this.#watches.get(log);
    if (watch?.row === undefined || watch.header === undefined) return beginsAnew;
    const { row, pages } = watch;
    const below = this.#pagesOf(database, watch.header.pageBytes);
    const above = pagesOver(below, bytes, pages);
    const isIn = (page: number) => !pages.has(page) || isSamePage(above.page(page), below.page(page));
    if (ifReadable(() => [...row.pages].every(isIn)) !== false) return beginsAnew;
    const after = rowIn(below, row.registration);
    const effect = this.#follow(database, row, after);
    if (typeof effect === 'number') return effect;
    return () => {
      effect();
      beginsAnew();
    };
  }

  /** A transaction ends: by a commit, or it was taken back, and the database is as before. */
  #journalEnds(database: FileNode, journal: FileNode): Effect | Errno {
    const [content, bytes] = [this.#bytesOf(database), this.#bytesOf(journal)];
    if (content === undefined || bytes === undefined) return NOTHING;
    const before = pagesBefore(content, bytes);
    if (before === undefined) return NOTHING;
    const now = rowIn(pagesOf(content, pageSizeOf(content) ?? before.pageBytes));
    if (!touches(now, before.positions)) return NOTHING;
    const row = rowIn(pagesUnder(content, bytes, before));
    return this.#follow(database, row, now);
  }

  /** Others of the session stay: if they go too, it was a logout. */
  #databaseGoes(database: FileNode): Effect {
    const { parent, name } = database;
    if (parent === undefined || !this.#isGuarded(database)) return NOTHING;
    this.#asideGoes(database);
    if (!this.#hasOthers(parent, name)) return NOTHING;
    const row = this.#presentRow(database);
    if (row?.registration.kind !== 'registered') return NOTHING;
    const { registration } = row;
    const kept = this.#keepIfPossible(database, database, registration);
    return kept === undefined ? NOTHING : this.#removal(database, registration, { kept, aside: undefined });
  }

  /** Nothing is lost by that; the next database of this name is what replaces it. */
  #movesAside(database: FileNode): Effect {
    if (!this.#isGuarded(database) || this.#besideDatabase(database) !== undefined) return NOTHING;
    const row = this.#presentRow(database);
    if (row?.registration.kind !== 'registered') return NOTHING;
    return this.#removal(database, row.registration, { kept: undefined, aside: database });
  }

  /**
   * Before a database goes that was moved aside, and no other one has taken its place: then it was removed. `successor`: the row of
   * what takes the place that it has now; where that goes on with it, nothing is lost.
   */
  #asideGoes(database: FileNode, successor?: Buffer): void {
    for (const removal of this.#removals) {
      if (removal.aside !== database) continue;
      if (successor !== undefined && goesOn(removal.registration, successor)) {
        this.#forget(removal);
        continue;
      }
      const { folder, name, registration } = removal;
      removal.kept = this.#keepIfPossible({ parent: folder, name }, database, registration);
      removal.aside = undefined;
      removal.atMs = this.#parts.clock.monotonicMs();
    }
  }

  #keepIfPossible(place: Place, database: FileNode, registration: Registered): Kept | undefined {
    try {
      return this.#keep(place, database, registration, this.#imageOf(database));
    } catch (error) {
      this.#parts.kept.cannotKeep(this.#parts.tree.pathOf(database), error);
      return undefined;
    }
  }

  #isReplaced(
    { parent, name }: { parent: DirectoryNode; name: string },
    target: FileNode | undefined,
    content: Uint8Array,
  ): Effect | Errno {
    if (isGatedName(name)) return NOTHING;
    const size = isDatabase(content) ? pageSizeOf(content) : undefined;
    const after = size === undefined ? NO_ROW : rowIn(pagesOf(content, size));
    if (target === undefined) {
      const { value } = after;
      return value === undefined ? NOTHING : () => this.#seen(parent, name, value);
    }
    if (this.#besideDatabase(target) !== undefined) return this.#contentGoes(target);
    if (!this.#isGuarded(target)) return NOTHING;
    this.#asideGoes(target, after.value);
    const before = this.#presentRow(target);
    return before === undefined ? NOTHING : this.#follow(target, before, after);
  }

  /** Everything that the log has committed since the last look. An error: a registration could not be kept. */
  #lookAt(database: FileNode, log: FileNode): 0 | Errno {
    const bytes = this.#bytesOf(log);
    const header = bytes && ifReadable(() => readLogHeader(bytes));
    this.#due.delete(log);
    if (bytes === undefined || header === undefined) return 0;
    const watch = this.#watchOf(database, log, bytes, header);
    watch.atMs = this.#parts.clock.monotonicMs();
    const before = pagesOver(this.#pagesOf(database, header.pageBytes), bytes, watch.pages);
    const transactions = [...transactionsOf(bytes, header, watch.position)];
    const failed = visitStates({ watch, before, log: bytes }, transactions, {
      steady: ({ value }) => {
        if (value !== undefined && database.parent !== undefined)
          this.#seen(database.parent, database.name, value);
      },
      follow: (row, after) => {
        const until = bytes.subarray(0, watch.position);
        const effect = this.#follow(database, row, after, until);
        if (typeof effect === 'number') return effect;
        effect();
        return 0;
      },
    });
    if (failed !== 0) this.#due.add(log);
    return failed;
  }

  #watchOf(database: FileNode, log: FileNode, bytes: Uint8Array, header: LogHeader): Watch {
    const known = this.#watches.get(log);
    const isOfThisUse =
      known?.header === undefined || known.header.salt.every((each, at) => each === header.salt[at]);
    const end = () => checkpointedEnd(this.#pagesOf(database, header.pageBytes), bytes, header);
    const watch =
      known !== undefined && isOfThisUse ? known : watchFrom(ifReadable(end) ?? LOG_START, bytes, header);
    watch.header = header;
    this.#watches.set(log, watch);
    return watch;
  }

  /**
   * The row of `database` was `before`, with so much of its log (`until`), and is `after`. Returns what is to be done once that is so, or why
   * it must not be.
   */
  #follow(database: FileNode, before: Row, after: Row, until?: Uint8Array): Effect | Errno {
    const { registration } = before;
    const { value } = after;
    const { parent, name } = database;
    if (!after.isKnown || parent === undefined) return NOTHING;
    if (registration.kind !== 'registered' || (value !== undefined && goesOn(registration, value)))
      return value === undefined ? NOTHING : () => this.#seen(parent, name, value);
    try {
      const kept = this.#keep(database, database, registration, this.#imageOf(database, until));
      if (kept === undefined) return NOTHING;
      if (value === undefined) return this.#removal(database, registration, { kept, aside: undefined });
      const session = this.#sessionOf(database);
      return () => this.#parts.kept.replaced(session, kept.keptAs, value);
    } catch (error) {
      return this.#parts.kept.refuse(this.#parts.tree.pathOf(database), error);
    }
  }

  /** Undefined: the image has no such registration, so the files were not what they seemed to be. Throws system errors. */
  #keep(place: Place, database: FileNode, registration: Registered, image: Uint8Array): Kept | undefined {
    const value = savedCredentials(image);
    if (value === undefined || !goesOn(registration, value)) return undefined;
    const { kept, options, tree } = this.#parts;
    if (place.parent === undefined) return undefined;
    const path = keptDatabasePath(tree.pathIn(place.parent, place.name));
    return kept.keep(path, { plain: image, meta: metaOf(database, options.owner) });
  }

  #removal(
    { parent, name }: FileNode,
    registration: Registered,
    where: Pick<Removal, 'kept' | 'aside'>,
  ): Effect {
    if (parent === undefined) return NOTHING;
    const atMs = this.#parts.clock.monotonicMs();
    return () => {
      this.#removals = this.#removals.filter(
        (each) =>
          (each.folder !== parent || each.name !== name) && (isPending(each) || this.#isThere(each.folder)),
      );
      this.#removals.push({ folder: parent, name, registration, ...where, atMs, isTold: false });
      // What is lost is told of, however many lie aside.
      const [oldest, ...others] = this.#removals.filter(({ aside }) => aside !== undefined);
      if (others.length >= MOVED_ASIDE_MAX) this.#removals = this.#removals.filter((each) => each !== oldest);
    };
  }

  /** The database of that name has the row now. */
  #seen(folder: DirectoryNode, name: string, value: Buffer): void {
    this.#parts.kept.seen(this.#sessionOf(folder), value);
    const removal = this.#removals.find((each) => each.folder === folder && each.name === name);
    if (removal === undefined) return;
    if (goesOn(removal.registration, value)) {
      this.#forget(removal);
      return;
    }
    if (removal.aside !== undefined) this.#asideGoes(removal.aside);
    this.#removals = this.#removals.filter((each) => each !== removal);
    if (removal.kept !== undefined)
      this.#parts.kept.replaced(this.#sessionOf(folder), removal.kept.keptAs, value);
  }

  #forget(removal: Removal): void {
    this.#removals = this.#removals.filter((each) => each !== removal);
    if (!removal.isTold && removal.kept !== undefined) this.#parts.kept.drop(removal.kept);
  }

  /** As SQLite would find it now; undefined: it cannot be read. */
  #presentRow(database: FileNode): Row | undefined {
    const log = this.#beside(database, 'wal');
    if (log !== undefined) {
      this.#lookAt(database, log);
      const watch = this.#watches.get(log);
      if (watch?.header !== undefined && watch.row !== undefined) return watch.row;
    }
    if (log === undefined && !this.#mayBeDatabase(database)) return undefined;
    const content = this.#bytesOf(database);
    if (content === undefined || !isDatabase(content)) return undefined;
    const journal = this.#beside(database, 'journal');
    const bytes = journal && this.#bytesOf(journal);
    const before = bytes && pagesBefore(content, bytes);
    if (bytes === undefined || before === undefined) return rowIn(pagesOf(content, pageSizeOf(content) ?? 0));
    return rowIn(pagesUnder(content, bytes, before));
  }

  /** Most files are none, by their size: they need not be read. */
  #mayBeDatabase(node: FileNode): boolean {
    if (!this.#parts.contents.load(node, this.#parts.tree.pathOf(node))) return false;
    const { length } = node.working ?? { length: node.size };
    return length > 0 && length % PAGE_BYTES_MIN === 0;
  }

  /** Of all that is committed, or of that part of the log. */
  #imageOf(database: FileNode, until?: Uint8Array): Uint8Array {
    const [log, journal] = [this.#beside(database, 'wal'), this.#beside(database, 'journal')];
    const content = this.#bytesOf(database);
    if (content === undefined) return NO_BYTES;
    const files = {
      database: new Uint8Array(content),
      log: until ?? (log && this.#bytesOf(log)),
      journal: until === undefined ? journal && this.#bytesOf(journal) : undefined,
    };
    try {
      return fold(files, this.#parts.options.maxFileSize);
    } catch (error) {
      if (error instanceof SqliteError) return NO_BYTES;
      throw error;
    }
  }

  /** Read where one of them is asked for; SqliteError if it cannot be. */
  #pagesOf(database: FileNode, pageBytes: number): Pages {
    let content: Uint8Array | undefined;
    const page = (number: number) => {
      content ??= this.#bytesOf(database);
      if (content === undefined) throw new SqliteError('the database cannot be read now');
      return pagesOf(content, pageBytes).page(number);
    };
    return { pageBytes, page };
  }

  /** As its writers see it; undefined: it cannot be read now. */
  #bytesOf(node: FileNode): Uint8Array | undefined {
    const { contents, tree } = this.#parts;
    const path = tree.pathOf(node);
    if (!contents.load(node, path)) return undefined;
    const content = node.working?.view() ?? contents.read(node, path);
    return typeof content === 'number' ? undefined : content;
  }

  #beside({ parent, name }: FileNode, kind: CompanionKind): FileNode | undefined {
    if (parent === undefined) return undefined;
    return fileIn(parent, companionName(name, kind));
  }

  /** What `node` is to the database beside it, if there is one. */
  #besideDatabase(node: FileNode): { database: FileNode; kind: CompanionKind } | undefined {
    const companion = asCompanion(node.name);
    if (companion === undefined || node.parent === undefined || !this.#isGuarded(node)) return undefined;
    const database = fileIn(node.parent, companion.database);
    return database && { database, kind: companion.kind };
  }

  /** A file in the root belongs to no session. */
  #isGuarded({ parent, isSymlink }: FileNode): boolean {
    return parent !== undefined && parent !== this.#parts.tree.root && !isSymlink;
  }

  #isThere(folder: DirectoryNode): boolean {
    return isInside(folder, this.#parts.tree.root);
  }

  #sessionOf(node: Node): string {
    return sessionOfNode(this.#parts.tree, node)?.name ?? '';
  }

  /** Whether the session has files besides this database and what lies beside it. */
  #hasOthers(folder: DirectoryNode, name: string): boolean {
    const session = this.#isThere(folder) ? sessionOfNode(this.#parts.tree, folder) : undefined;
    if (session === undefined) return false;
    const own = new Set([name, ...companionsOf(name).map(({ path }) => path)]);
    for (const node of this.#parts.tree.below(session)) {
      const isOwn = node.parent === folder && own.has(node.name);
      if (node.kind !== 'directory' && !isOwn && !(node.kind === 'file' && node.hidden)) return true;
    }
    return false;
  }
}

/** Time will tell whether it was a logout. */
function isPending({ isTold, kept }: Removal): boolean {
  return !isTold && kept !== undefined;
}

function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof SqliteError) return undefined;
    throw error;
  }
}

function fileIn(folder: DirectoryNode, name: string): FileNode | undefined {
  const node = folder.children.get(name);
  return node?.kind === 'file' && !node.isSymlink && !node.hidden ? node : undefined;
}
