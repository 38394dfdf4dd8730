/**
 * Which file of the cache the bucket has, in which generation, and what is still to go: an append-only log beside the cache
 * (`bucket.log`), so that a start knows it without asking the bucket for each file. It errs on one side only: a file that
 * is stored may be taken for changed, and is then found to be stored; a changed one is never taken for stored.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { ABSENT, type ObjectVersion } from '../../bucket/bucket.ts';
import { newUploadId } from '../../bucket/upload.ts';
import { Coalesced } from '../../lib/coalesced.ts';
import { crc32c } from '../../lib/crc32c.ts';
import { fileOperations } from '../../lib/file-operations.ts';
import { fromObjectName, toObjectName } from '../../naming/object-name.ts';
import { backupOf, completesSession, isTemporary, sessionOf } from '../../naming/session-path.ts';
import { asCompanion } from '../../sqlite/companions.ts';
import {
  isWordy,
  LEDGER_FILE_MODE,
  noteLength,
  type RewrittenLedger,
  rewriteInUse,
  rewriteLedger,
  spared,
  syncName,
  writeAllSync,
} from './file.ts';
import { fieldsOf, LEDGER_VERSION, type LedgerRecord, lineOf } from './format.ts';
import type { Attempt, ObjectEntry, RemoteVersion } from './object-entry.ts';
import { type ReadLedger, readLedger } from './reading.ts';
import { isMove, LedgerState } from './state.ts';

export interface LedgerOptions {
  cachePath: string;
  /** Bucket.address. Undefined: whatever bucket it was, this run (in local mode) only notes what changes. */
  bucket: string | undefined;
  /** Names of all objects that the cache holds: what a ledger that knows less starts with. */
  cachedObjects: () => Iterable<string>;
  /** The cache's ledger, where it was read already. */
  read?: ReadLedger | undefined;
  nowMs?: () => number;
}

/** Files that one rename moved from sessions to others, by their objects' names. */
export interface Move {
  deleted: readonly string[];
  put: readonly string[];
}

const LEDGER_NAME = 'bucket.log';
/** A request that was given up is not under way for so long: its connection was closed. */
const LATE_MS = 3_600_000;
/** Lines that wait for a disk that takes no more. */
const WAITING_LINES_MAX = 1_000;
/** No lease has this epoch. */
const OUTDATED_EPOCH = 0;

export function ledgerPath(cachePath: string): string {
  return join(cachePath, LEDGER_NAME);
}

export class Ledger {
  /** Sessions that only the bucket had, wholly or in part, that was used before this one. */
  readonly leftBehind: readonly string[];
  /** The file was damaged or cut short: everything in the cache counts as changed. */
  readonly wasDamaged: boolean;
  readonly #path: string;
  readonly #state: LedgerState;
  readonly #nowMs: () => number;
  #fd: number;
  /** Of the same file, for what is written in place. */
  #lengthFd: number;
  #size: number;
  /** So much of it is on stable storage at least. */
  #durableSize = 0;
  /** Its name is on stable storage: a power cut brings no file from before back. */
  #isNamed = true;
  /** What was appended since the file began to be written anew; undefined: it is not being written. */
  #since: { bytes: Buffer[]; lines: number } | undefined;
  /** Not before the file has so many lines: the last time failed, or it needs more than one line for what waits. */
  #rewriteAt = 0;
  /** Syncs of the file that are under way: it must not be closed meanwhile. */
  readonly #syncing = new Set<Promise<void>>();
  #moveMs = 0;
  /** Calls of `together` that run. */
  #gathering = 0;
  /** Lines of what is noted that the file does not have yet: they go before any other, so that none is missing before a later one. */
  #waiting: string[] = [];
  /** The disk took none of them the last time. */
  #isRefused = false;
  /** More waited than is kept: the file lacks lines until it is written anew. */
  #lacksLines = false;
  readonly #attempts = new Coalesced(() => this.#sync());
  /** Sessions whose objects another mount has written: nothing of them is uploaded by this run. */
  readonly conflicts = new Set<string>();

  /** Whether this cache was ever used with a bucket. */
  static exists(cachePath: string): boolean {
    return fs.existsSync(ledgerPath(cachePath));
  }

  /**
   * Goes on with the cache's ledger. One of another bucket is kept beside, and one that was kept so of this bucket is taken up
   * again: then what the cache holds is compared with it. One that is missing or damaged makes everything in the cache count
   * as changed. Throws system errors.
   */
  static open(options: LedgerOptions): Ledger {
    const path = ledgerPath(options.cachePath);
    const nowMs = options.nowMs ?? Date.now;
    const read = options.read ?? readLedger(path);
    const bucket = options.bucket ?? read?.state.bucket ?? '';
    // Also where there is none: a start that was to take it up again may have died before it did.
    const earlier = read?.state.bucket === bucket ? undefined : findLedger(options.cachePath, bucket);
    if (read?.state.bucket === bucket || (read ?? earlier) === undefined) {
      const state = read?.state ?? newState(bucket);
      if (read === undefined || read.damaged) markAll(state, options.cachedObjects(), nowMs());
      state.forgetAttempts(nowMs() - LATE_MS);
      const isWhole = read?.damaged === false && !read.torn && state.durableLength !== undefined;
      if (!isWhole || isWordy(state)) rewriteLedger(path, state);
      return new Ledger(path, state, nowMs, read?.damaged === true);
    }
    const left = read?.state;
    const state = earlier?.state ?? newState(bucket);
    if (earlier === undefined || earlier.damaged) markAll(state, options.cachedObjects(), nowMs());
    else catchUp(state, options.cachePath, options.cachedObjects(), nowMs());
    if (left !== undefined) fs.renameSync(path, `${path}.${left.id}`);
    rewriteLedger(path, state);
    if (earlier !== undefined) fs.unlinkSync(earlier.path);
    return new Ledger(path, state, nowMs, earlier?.damaged === true, left);
  }

  private constructor(
    path: string,
    state: LedgerState,
    nowMs: () => number,
    wasDamaged: boolean,
    left?: LedgerState,
  ) {
    this.wasDamaged = wasDamaged;
    this.#path = path;
    this.leftBehind = left === undefined ? [] : sessionsOnlyIn(left);
    this.#nowMs = nowMs;
    this.#state = state;
    this.#fd = fs.openSync(
      path,
      fs.constants.O_WRONLY | fs.constants.O_APPEND | fs.constants.O_CREAT,
      LEDGER_FILE_MODE,
    );
    this.#lengthFd = fs.openSync(path, fs.constants.O_WRONLY);
    this.#size = fs.fstatSync(this.#fd).size;
  }

  /** Of this cache: what its uploads are signed with. A copy of the cache has the same one. */
  get id(): string {
    return this.#state.id;
  }

  /** Whether this mount, whichever of its daemons, has the bucket's listing. */
  get listed(): boolean {
    return this.#state.listed;
  }

  /** Whether any mount of this cache ever had it. */
  get wasListed(): boolean {
    return this.#state.wasListed;
  }

  /** The cache has a file, of any session. */
  get hasFilesHere(): boolean {
    for (const { size, absent, dirty } of this.#state.sessions.values()) {
      const deleted = [...dirty].filter(({ local }) => local === 'deleted').length;
      if (size > absent + deleted) return true;
    }
    return false;
  }

  get dirtyCount(): number {
    let count = 0;
    for (const { dirty } of this.#state.sessions.values()) count += dirty.size;
    return count;
  }

  /** For how long the file that has waited longest has been dirty; undefined: none is. */
  oldestDirtyMs(nowMs: number): number | undefined {
    let since = Number.POSITIVE_INFINITY;
    for (const { dirty } of this.#state.sessions.values()) {
      for (const { dirtySinceMs } of dirty) since = Math.min(since, dirtySinceMs);
    }
    return since === Number.POSITIVE_INFINITY ? undefined : Math.max(0, nowMs - since);
  }

  /** What the bucket holds, as far as is known. */
  inBucket(): { objects: number; bytes: number } {
    const total = { objects: 0, bytes: 0 };
    for (const { totals } of this.#state.sessions.values()) {
      total.objects += totals.objects;
      total.bytes += totals.bytes;
    }
    return total;
  }

  /** Of what the cache has, as the bucket has it. */
  get bytesHere(): number {
    let bytes = 0;
    for (const { totals } of this.#state.sessions.values()) bytes += totals.bytesHere;
    return bytes;
  }

  setListed(listed: boolean): void {
    if (listed !== this.#state.listed) this.#note(['listed', listed]);
  }

  /** A mount begins that no daemon served before. */
  beginMount(): void {
    this.#note(['mount']);
  }

  /** Applications may have seen it since the mount was made. */
  isServing(session: string): boolean {
    return this.#state.serving.has(session);
  }

  serve(session: string): void {
    if (!this.isServing(session)) this.#note(['serving', session]);
  }

  /** Under which epoch of its lease the cache was in step with the bucket last; undefined: never. */
  epochOf(session: string): number | undefined {
    const epoch = this.#state.epochs.get(session);
    return epoch === OUTDATED_EPOCH ? undefined : epoch;
  }

  noteCurrent(session: string, epoch: number): void {
    if (this.epochOf(session) !== epoch) this.#note(['epoch', session, epoch]);
  }

  /** The bucket has newer versions of the session than those that are known: it has to be compared again. */
  noteOutdated(session: string): void {
    if (this.epochOf(session) !== undefined) this.#note(['epoch', session, OUTDATED_EPOCH]);
  }

  get(name: string): ObjectEntry | undefined {
    return this.#state.get(name);
  }

  entries(): Iterable<ObjectEntry> {
    return this.#state.entries();
  }

  /** What the bucket had when it was last compared; see `Bucket.list`. */
  readonly known = (name: string): string | undefined => this.get(name)?.remote?.generation;

  /** '' stands for the files in the root. */
  get sessionNames(): string[] {
    return [...this.#state.sessions.keys()];
  }

  countsOf(session: string): { readonly files: number; readonly dirty: number; readonly absent: number } {
    const entries = this.#state.sessions.get(session);
    return {
      files: entries?.size ?? 0,
      dirty: entries?.dirty.size ?? 0,
      absent: entries?.absent ?? 0,
    };
  }

  entriesOf(session: string): ObjectEntry[] {
    return [...(this.#state.entriesOf(session)?.values() ?? [])];
  }

  dirtyOf(session: string): ObjectEntry[] {
    return [...(this.#state.sessions.get(session)?.dirty ?? [])];
  }

  isDirty(session: string): boolean {
    return (this.#state.sessions.get(session)?.dirty.size ?? 0) > 0;
  }

  absentOf(session: string): ObjectEntry[] {
    if (this.countsOf(session).absent === 0) return [];
    return this.entriesOf(session).filter(({ local }) => local === 'absent');
  }

  /** Sessions with something that only the bucket has. */
  get absentSessions(): string[] {
    return this.sessionNames.filter((name) => this.countsOf(name).absent > 0);
  }

  /** Known sessions that applications are not to see before this mount has got the right to them, and their content. */
  get unservedSessions(): string[] {
    const absent = new Set(this.absentSessions);
    return this.sessionNames.filter((name) => name !== '' && (absent.has(name) || !this.isServing(name)));
  }

  get dirtySessions(): string[] {
    return this.sessionNames.filter((name) => (this.#state.sessions.get(name)?.dirty.size ?? 0) > 0);
  }

  /** Notes new versions and deletions in the cache; on stable storage on return. Rejects with system errors: then nothing was noted. */
  async changed(
    put: Iterable<string>,
    deleted: Iterable<string>,
    moves: readonly Move[] = [],
  ): Promise<void> {
    const atMs = Math.floor(this.#nowMs());
    const records = moves.flatMap((move) => this.#recordsOfMove(move));
    const moved = new Set(records.map(([, name]) => name));
    for (const name of put) if (!isTemporary(name) && !moved.has(name)) records.push(['changed', name, atMs]);
    for (const name of deleted) {
      if (this.get(name) !== undefined && !moved.has(name)) records.push(['deleted', name, atMs]);
      records.push(...this.#recordsOfCompanion(name, atMs));
    }
    if (records.length === 0) return;
    this.#append(records);
    for (const [kind, name] of records) if (kind === 'deleted') this.#doubtInConflict(name);
    await this.#sync();
  }

  /**
   * What the bucket has of a session that another mount has taken over is not known: of what is deleted here one deletion stays, so that
   * no flush says that all is stored, of the next daemon neither.
   */
  #doubtInConflict(name: string): void {
    const session = sessionOf(name);
    if (session !== undefined && this.conflicts.has(session) && !this.isDirty(session))
      this.doubt(name, true);
  }

  /** What lay beside a database is no object, but without it the database may be another. */
  #recordsOfCompanion(name: string, atMs: number): ['changed', string, number][] {
    const companion = asCompanion(fromObjectName(name)?.path ?? '');
    const database = companion && this.get(toObjectName(companion.database, 'file'));
    return database?.local === 'same' ? [['changed', database.name, atMs]] : [];
  }

  /** What moves on before it was stored is still waited for by what it was moved from first: so the targets are noted first. */
  #recordsOfMove({ put, deleted }: Move): (LedgerRecord & { 1: string })[] {
    const moveMs = this.#nextMoveMs();
    const sources = deleted.flatMap((name) => this.get(name) ?? []);
    const waiting = [...new Set([moveMs, ...sources.flatMap(({ movedBy }) => movedBy)])];
    return [
      ...put
        .filter((name) => !isTemporary(name))
        .flatMap((name) => waiting.map((ms): ['changed', string, number] => ['changed', name, ms])),
      ...sources.map(({ name }): ['deleted', string, number] => ['deleted', name, moveMs]),
    ];
  }

  #nextMoveMs(): number {
    const nowMs = Math.floor(this.#nowMs());
    const nextMs = this.#moveMs + 0.001;
    this.#moveMs = Math.floor(nextMs) === nowMs && isMove(nextMs) ? nextMs : nowMs + 0.001;
    return this.#moveMs;
  }

  /** Moves of files of the session to others that have not stored them yet. */
  movesFrom(session: string): ReadonlySet<number> {
    return this.#state.movesFrom(session);
  }

  /**
   * Sessions that files of this one were moved to and that have not stored them yet: deletions here wait for those. Of files that
   * were never stored here no deletion is left: their moves count unless they are among `before`.
   */
  moveTargetsOf(session: string, before: ReadonlySet<number>): string[] {
    const awaited = this.dirtyOf(session).flatMap((entry) => this.#state.targetsOf(entry));
    const targets = [...awaited, ...this.#state.movedFrom(session, before)];
    return [...new Set(targets.map((target) => target.session))];
  }

  /**
   * The credentials of the session were moved to another one that has not stored them yet, and the bucket has files here that went with
   * them: what is made anew under the name would lie between those. Sessions that wait for each other in a circle do not wait.
   */
  isHeldBack(session: string): boolean {
    const awaited = this.#credentialsMovedTo(session);
    for (const target of awaited) for (const next of this.#credentialsMovedTo(target)) awaited.add(next);
    return awaited.size > 0 && !awaited.has(session);
  }

  #credentialsMovedTo(session: string): Set<string> {
    const byMove = new Map(this.dirtyOf(session).map((entry) => [entry.deletedBy, entry]));
    const targets = [...byMove.values()].flatMap((entry) => this.#state.targetsOf(entry));
    return new Set(targets.filter(({ name }) => completesSession(name)).map((target) => target.session));
  }

  /** What a deleted file was moved to is not in the bucket yet. */
  isAwaited(entry: ObjectEntry): boolean {
    return this.#state.targetsOf(entry).length > 0;
  }

  /** What the bucket still has of files that these moves took from other sessions than this one, by their move. */
  moveSourcesOf(session: string, moves: ReadonlySet<number>): ReadonlyMap<number, readonly ObjectEntry[]> {
    return this.#state.sourcesOf(session, moves);
  }

  /** What stands for the deleted file is not in the bucket yet: without its object there would be neither of the two. */
  isBackupDirty({ name }: ObjectEntry): boolean {
    const backup = this.backupOf(name);
    return backup?.local === 'changed';
  }

  /** The entry of `NAME.json.bak`, for that of `NAME.json`. */
  backupOf(name: string): ObjectEntry | undefined {
    const backup = backupOf(name);
    return backup === undefined ? undefined : this.get(backup);
  }

  /**
   * Before an upload of content with that checksum, in place of `ifGeneration`. Returns the id that it is to carry. On stable
   * storage on return, as far as the disk takes it: what the bucket has from an upload that is not noted is another run's. A
   * change of the content has an id of its own, so that a copy of this ledger does not know it.
   */
  async attempt(name: string, ifGeneration: string, crc: number): Promise<string> {
    const isAgain = (before: Attempt) => before.ifGeneration === ifGeneration && before.crc32c === crc;
    const id = this.attemptsOf(name).find(isAgain)?.id ?? newUploadId();
    this.#note(['attempt', name, id, ifGeneration, crc, Math.floor(this.#nowMs())]);
    this.#writeWaiting();
    await this.#attempts.run().catch(() => {});
    return id;
  }

  /**
   * The bucket has an object of that name which is not taken: as if an upload were in doubt, so that a deletion of the file here is not
   * forgotten. `isGone`: it was deleted before.
   */
  doubt(name: string, isGone: boolean): void {
    if (this.attemptsOf(name).length === 0) this.#note(['attempt', name, newUploadId(), ABSENT, 0, 0]);
    if (isGone) this.#note(['deleted', name, Math.floor(this.#nowMs())]);
  }

  /** Uploads of the object whose outcome is not known. */
  attemptsOf(name: string): readonly Attempt[] {
    return this.#state.attempts.get(name) ?? [];
  }

  /** The version was made by an upload of this ledger whose outcome was not known. */
  isAttempt(name: string, uploadId: string | undefined): boolean {
    return this.attemptsOf(name).some(({ id }) => id === uploadId);
  }

  /** An upload that named no version may still be stored where there is none. */
  mayArrive(name: string): boolean {
    return this.attemptsOf(name).some(
      (attempt) => attempt.ifGeneration === ABSENT && this.#isUnderWay(attempt),
    );
  }

  /** An upload that named this version may still be stored in its place. */
  mayReplace({ name, generation }: ObjectVersion): boolean {
    return this.attemptsOf(name).some(
      (attempt) => attempt.ifGeneration === generation && this.#isUnderWay(attempt),
    );
  }

  /** An upload of the session may still arrive. */
  isUnsettled(session: string): boolean {
    for (const [name, attempts] of this.#state.attempts)
      if (sessionOf(name) === session && attempts.some((attempt) => this.#isUnderWay(attempt))) return true;
    return false;
  }

  #isUnderWay({ atMs }: Attempt): boolean {
    return this.#nowMs() - atMs < LATE_MS;
  }

  /** Nothing of the upload can arrive any more. */
  answered(name: string, uploadId: string | undefined): void {
    if (uploadId !== undefined && this.isAttempt(name, uploadId)) this.#note(['answered', name, uploadId]);
  }

  /** The bucket has taken what the cache held when the entry's `change` was this. */
  stored(entry: ObjectEntry, change: number, version: RemoteVersion): void {
    const isNewest = entry.change === change && entry.local === 'changed';
    // What was moved there is in the bucket, although the file has changed since.
    if (change >= entry.movedChange) this.#state.endMoves(entry);
    this.#note([isNewest ? 'same' : 'stored', entry.name, ...fieldsOf(version)]);
  }

  /** The bucket has no such object any more. */
  removed(entry: ObjectEntry, change: number): void {
    if (entry.change === change && entry.local === 'deleted') {
      this.#note(['gone', entry.name]);
      return;
    }
    this.#state.removed(entry);
  }

  /** The bucket's version is the one that counts. */
  absent(name: string, version: RemoteVersion): void {
    this.#note(['absent', name, ...fieldsOf(version)]);
  }

  /** Cache and bucket are known to hold the same. */
  same(name: string, version: RemoteVersion): void {
    this.#note(['same', name, ...fieldsOf(version)]);
  }

  /** The bucket holds a version of ours that is not the newest. */
  ours(name: string, version: RemoteVersion): void {
    this.#note(['stored', name, ...fieldsOf(version)]);
  }

  /** An upload of a file that is no more has arrived: the object is to be deleted. */
  late(name: string, version: RemoteVersion): void {
    this.#note(['stored', name, ...fieldsOf(version)], ['deleted', name, Math.floor(this.#nowMs())]);
  }

  /** The bucket lost it: what the cache has must go there again. */
  lost(entry: ObjectEntry): void {
    if (entry.local !== 'deleted' && entry.local !== 'absent') {
      this.#note(['gone', entry.name], ['changed', entry.name, this.#nowMs()]);
    } else {
      this.#note(['gone', entry.name]);
    }
  }

  /** To be uploaded although the bucket has it: a rule of the bucket is about to delete it. */
  refresh(entry: ObjectEntry): void {
    this.#note(['changed', entry.name, this.#nowMs()]);
    this.#state.refresh(entry);
  }

  /** A database changed, although its own file did not: what lies beside it belongs to it. */
  touched(entry: ObjectEntry): void {
    this.#note(['changed', entry.name, Math.floor(this.#nowMs())]);
  }

  /** The file is there, and never to be an object; one that the bucket has goes. */
  noObject(entry: ObjectEntry): void {
    this.#note(['deleted', entry.name, Math.floor(this.#nowMs())]);
  }

  forget(entry: ObjectEntry): void {
    this.#note(['gone', entry.name]);
  }

  close(): void {
    if (this.#fd < 0) return;
    this.#writeWaiting();
    for (const fd of [this.#fd, this.#lengthFd]) fs.closeSync(fd);
    this.#fd = -1;
  }

  /**
   * Resolves when all that was noted is on stable storage, as far as the disk takes it. Files that the cache gets sooner may be there
   * after a power cut when no note of them is: nothing would ever take out what another mount deletes.
   */
  async settle(): Promise<void> {
    this.#writeWaiting();
    if (this.#durableSize < this.#size) await this.#attempts.run().catch(() => {});
  }

  /** What `work` notes of the bucket is written in one go, at its end or before the next change of the cache. */
  async together(work: () => Promise<void>): Promise<void> {
    this.#gathering++;
    try {
      await work();
    } finally {
      this.#gathering--;
      if (this.#gathering === 0) this.#writeWaiting();
    }
  }

  #writeWaiting(): void {
    if (this.#waiting.length === 0) return;
    try {
      this.#append([]);
      this.#isRefused = false;
    } catch {
      this.#isRefused = true;
    }
  }

  /** What is noted of the bucket is true in memory even where the disk takes no more. */
  #note(...records: LedgerRecord[]): void {
    for (const record of records) this.#state.apply(record);
    // What comes after these is told of by a file that is written anew.
    if (this.#isRefused && this.#waiting.length >= WAITING_LINES_MAX) this.#lacksLines = true;
    else for (const record of records) this.#waiting.push(lineOf(record));
    if (this.#gathering === 0) this.#writeWaiting();
  }

  #append(records: readonly LedgerRecord[]): void {
    const lines = [...this.#waiting, ...records.map(lineOf)];
    const bytes = Buffer.from(lines.join(''));
    try {
      writeAllSync(this.#fd, bytes);
    } catch (error) {
      fs.ftruncateSync(this.#fd, this.#size);
      throw error;
    }
    this.#size += bytes.length;
    this.#waiting = [];
    for (const record of records) this.#state.apply(record);
    if (this.#since !== undefined) {
      this.#since.bytes.push(bytes);
      this.#since.lines += lines.length;
    } else if (this.#lacksLines || (isWordy(this.#state) && this.#state.records >= this.#rewriteAt))
      void this.#rewrite();
  }

  async #sync(): Promise<void> {
    this.#syncName();
    const fd = this.#fd;
    const size = this.#size;
    const sync = fileOperations.fdatasync(fd);
    this.#syncing.add(sync);
    await sync.finally(() => this.#syncing.delete(sync));
    if (fd !== this.#fd) return;
    this.#durableSize = size;
    noteLength(this.#lengthFd, this.#state, size);
  }

  /** Never rejects: a file that cannot be written anew goes on growing, and is tried again when it is twice as long. */
  async #rewrite(): Promise<void> {
    this.#state.forgetAttempts(this.#nowMs() - LATE_MS);
    const lackedLines = this.#lacksLines;
    this.#lacksLines = false;
    this.#since = { bytes: [], lines: 0 };
    // What waits meanwhile may be told of in part only.
    const takeSince = () => {
      const { bytes, lines } = this.#since ?? { bytes: [], lines: 0 };
      this.#since = { bytes: [], lines: 0 };
      const waiting = this.#waiting;
      return {
        bytes: Buffer.concat([...bytes, Buffer.from(waiting.join(''))]),
        lines: lines + waiting.length,
      };
    };
    try {
      const isOver = () => this.#fd < 0;
      await rewriteInUse(this.#path, this.#state, takeSince, isOver, (written) => this.#use(written));
    } catch {
      this.#rewriteAt = 2 * this.#state.records;
      this.#lacksLines ||= lackedLines;
    } finally {
      this.#since = undefined;
    }
  }

  #syncName(): void {
    if (!this.#isNamed) syncName(this.#path);
    this.#isNamed = true;
  }

  #use({ fd, lengthFd, size, lines }: RewrittenLedger): void {
    const old = [this.#fd, this.#lengthFd];
    this.#lengthFd = lengthFd;
    this.#fd = fd;
    this.#size = size;
    this.#durableSize = size;
    this.#state.records = lines;
    this.#rewriteAt = spared(lines);
    void Promise.allSettled([...this.#syncing]).then(() => {
      for (const each of old) closeUnused(each);
    });
    this.#isNamed = false;
    try {
      this.#syncName();
    } catch {
      // Nothing counts as durable before it succeeds.
    }
  }
}

/** What a disk says of it concerns a file that has no name any more. */
function closeUnused(fd: number): void {
  try {
    fs.closeSync(fd);
  } catch {
    // See above.
  }
}

interface KeptLedger extends ReadLedger {
  path: string;
}

/** The newest of those that were kept beside and are of this bucket. */
function findLedger(cachePath: string, bucket: string): KeptLedger | undefined {
  const paths = fs
    .readdirSync(cachePath)
    .filter((name) => name.startsWith(`${LEDGER_NAME}.`) && !name.endsWith('.new'))
    .map((name) => join(cachePath, name))
    .sort((a, b) => fs.statSync(b).mtimeMs - fs.statSync(a).mtimeMs);
  for (const path of paths) {
    const read = readLedger(path);
    if (read?.state.bucket === bucket) return { ...read, path };
  }
  return undefined;
}

/** The cache went on without this ledger: what it holds now is compared with what the bucket had. */
function catchUp(state: LedgerState, cachePath: string, cached: Iterable<string>, atMs: number): void {
  const names = new Set(cached);
  for (const name of names) {
    if (isTemporary(name)) continue;
    const remote = state.get(name)?.remote;
    const bytes = fs.readFileSync(join(cachePath, name));
    if (remote?.size === bytes.length && remote.crc32c === crc32c(bytes))
      state.apply(['same', name, ...fieldsOf(remote)]);
    else state.apply(['changed', name, Math.floor(atMs)]);
  }
  for (const { name, local, remote } of state.entries()) {
    if (names.has(name) || local === 'deleted') continue;
    state.apply(remote === undefined ? ['gone', name] : ['absent', name, ...fieldsOf(remote)]);
  }
}

function sessionsOnlyIn(state: LedgerState): string[] {
  return [...state.sessions].flatMap(([session, { absent }]) => (absent > 0 ? [session] : []));
}

function newState(bucket: string): LedgerState {
  const state = new LedgerState();
  state.apply(['ledger', LEDGER_VERSION, randomUUID(), bucket]);
  return state;
}

function markAll(state: LedgerState, names: Iterable<string>, atMs: number): void {
  for (const name of names) if (!isTemporary(name)) state.apply(['changed', name, atMs]);
}
