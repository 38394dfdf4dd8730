/**
 * Journal records of the filesystem's changes. A record is atomic: a caller opens one, adds what belongs together,
 * and commits it. What was committed survives the death of this process; a power cut may take it until the journal is
 * synced. A failed commit throws and leaves no trace.
 */

import type { Keyring } from '../../crypto/keyring.ts';
import { sealedSize, sealInto } from '../../crypto/sealed-file.ts';
import { PieceSealer, sealedPieceSize } from '../../crypto/sealed-piece.ts';
import { systemError } from '../../lib/system-error.ts';
import { chunkName, directoryName } from '../../naming/sealed-name.ts';
import { sessionOfCreds, sessionOfPath } from '../../naming/session-path.ts';
import { OpFlag, OpType } from '../../store/journal/format.ts';
import type { JournalWriter } from '../../store/journal/writer.ts';
import type { DirectoryNode, FileNode, Node } from '../model/node.ts';
import { NodeAttributes, writeNodeAttributes } from '../model/node-attributes.ts';
import type { Owner } from '../model/options.ts';
import type { WorkingCopy, WorkStep } from '../model/working-copy.ts';
import { metaOf } from './contents.ts';
import type { JournaledFiles } from './journaled-files.ts';
import type { Remote } from './remote.ts';

/** Where a record put a sealed file: to be stored in the node once the record is committed. */
interface Placement {
  node: FileNode;
  at: number;
  length: number;
  size: number;
}

const EMPTY = Buffer.alloc(0);

export class Records {
  readonly #journal: JournalWriter;
  readonly #keyring: Keyring;
  readonly #pieces: PieceSealer;
  readonly #owner: Owner;
  readonly #journaled: JournaledFiles;
  readonly #placements: Placement[] = [];
  /** Called when a new segment was opened, with the number of the last closed one: what only closed ones hold must be repeated (see pending.ts). */
  onSegment: (closed: number) => void = () => {};
  /** See FileSystem.suspend. */
  suspended = false;
  #segment = 0;
  /** The record in the making is on behalf of a request. */
  #hasCaller = false;
  readonly #remote: Remote | undefined;
  /** What lies in the root, by its name: the newest segment that changes it or what is in it. */
  readonly #changedIn = new Map<string, number>();
  /** Names in the root that the record in the making changes, or what is in them. */
  readonly #changing = new Set<string>();
  /** Events of the record in the making, told once it is committed. */
  readonly #news: (() => void)[] = [];

  constructor(
    journal: JournalWriter,
    keyring: Keyring,
    owner: Owner,
    { remote, journaled }: { remote: Remote | undefined; journaled: JournaledFiles },
  ) {
    this.#remote = remote;
    this.#journaled = journaled;
    this.#journal = journal;
    this.#keyring = keyring;
    this.#pieces = new PieceSealer(keyring);
    this.#owner = owner;
  }

  /** On behalf of a request of the kernel, by its number. */
  begin(unique: number): void {
    if (this.suspended) throw systemError('ENOSPC', 'append', 'room is being made');
    this.#forget();
    this.#hasCaller = unique !== 0;
    this.#journal.begin(unique);
  }

  /** Appends the record. Throws ENOSPC, EIO…: then nothing of it happened. */
  commit(): void {
    this.#journal.commit();
    for (const { node, at, length, size } of this.#placements) {
      node.segment = this.#journal.segment;
      node.position = this.#journal.positionOf(at);
      node.sealedLength = length;
      node.size = size;
      node.unreadable = undefined;
      node.readError = undefined;
      node.loaded = true;
      this.#journaled.add(node);
    }
    for (const name of this.#changing) this.#changedIn.set(name, this.#journal.segment);
    if (this.#journal.segment !== this.#segment) {
      this.#segment = this.#journal.segment;
      this.onSegment(this.#segment - 1);
    }
    const news = this.#news.length > 0 ? this.#news.splice(0) : this.#news;
    this.#forget();
    for (const tell of news) tell();
  }

  abort(): void {
    this.#forget();
    this.#journal.abort();
  }

  /** When no caller waits: does ahead what the next one would wait for. */
  prepare(): void {
    this.#pieces.prepare();
  }

  /** Of the record in the making. Most writes of plain files leave nothing here, and to empty what is empty takes time, too. */
  #forget(): void {
    if (this.#placements.length > 0) this.#placements.length = 0;
    if (this.#news.length > 0) this.#news.length = 0;
    if (this.#changing.size > 0) this.#changing.clear();
  }

  /** `plain` becomes the durable version of `path`, with the node's present metadata, in place of what `replaced` has. */
  put(node: FileNode, path: string, plain: Buffer, replaced = node): void {
    const length = sealedSize(plain.length);
    const flags = replaced.readError === undefined ? OpFlag.NONE : OpFlag.KEEP_OLD;
    const at = this.#journal.add(OpType.PUT, flags, path, 0, length);
    sealInto(this.#journal.buffer, at, this.#keyring, path, metaOf(node, this.#owner), plain);
    this.#placements.push({ node, at, length, size: plain.length });
    this.#noteFile(path);
  }

  delete(path: string): void {
    this.#journal.add(OpType.DELETE, 0, path, 0, 0);
    this.#noteFile(path);
  }

  makeDirectory(node: DirectoryNode, path: string, withMeta: boolean): void {
    if (withMeta) this.#sealedDirectory(OpType.MKDIR, node, path);
    else this.#journal.add(OpType.MKDIR, 0, path, 0, 0);
    const remote = this.#remote;
    if (remote !== undefined && !path.includes('/')) this.#news.push(() => remote.sessionMade(path));
    this.#noteDirectory(path);
  }

  directoryMeta(node: DirectoryNode, path: string): void {
    this.#sealedDirectory(OpType.DIRECTORY_META, node, path);
    this.#noteDirectory(path);
  }

  removeDirectory(path: string): void {
    this.#journal.add(OpType.RMDIR, 0, path, 0, 0);
    this.#noteDirectory(path);
  }

  /** `held`: readers do not see the working copy until it is complete. */
  workWrite(node: FileNode, path: string, offset: number, data: Buffer, held: boolean): void {
    const length = sealedPieceSize(data.length);
    const at = this.#journal.add(OpType.WORK_WRITE, heldFlag(held), path, offset, length);
    this.#pieces.sealInto(this.#journal.buffer, at, chunkName(path, offset), metaOf(node, this.#owner), data);
  }

  workTruncate(path: string, size: number, held: boolean): void {
    this.#journal.add(OpType.WORK_TRUNCATE, heldFlag(held), path, size, 0);
  }

  /** The kernel knows the node by its number. A hidden file, FIFO or socket is written down nowhere else: its attributes are added. */
  node(node: Node, path: string): void {
    const withAttributes = node.kind === 'special' || (node.kind === 'file' && node.hidden);
    const size = withAttributes ? NodeAttributes.SIZE : 0;
    const at = this.#journal.add(OpType.NODE, OpFlag.NONE, path, node.id, size);
    if (withAttributes) writeNodeAttributes(this.#journal.buffer, at, node);
  }

  workDrop(path: string): void {
    this.#journal.add(OpType.WORK_DROP, 0, path, 0, 0);
  }

  /** The whole working copy, for a new segment or a new name. */
  workSnapshot(node: FileNode, path: string, working: WorkingCopy): void {
    this.workTruncate(path, 0, working.isHeldBack);
    this.workWrite(node, path, 0, working.view(), working.isHeldBack);
  }

  /** Changes that could not be put on the version that they change. */
  workSteps(node: FileNode, path: string, steps: readonly WorkStep[]): void {
    this.workDrop(path);
    for (const step of steps) {
      if (step.kind === 'truncate') this.workTruncate(path, step.size, step.held);
      else this.workWrite(node, path, step.offset, step.data, step.held);
    }
  }

  /** What this process has appended to the journal. */
  get appendedBytes(): number {
    return this.#journal.appendedBytes;
  }

  /** Nothing needs to be stored before the caller of the record in the making gets its reply: what it changed is in the bucket. */
  withoutWaiting(): void {
    this.#hasCaller = false;
  }

  /** Closes the present segment; returns the number of the last closed one. */
  roll(): number {
    return this.#journal.roll();
  }

  /** The newest segment with a change of `name`, in the root, or of what is in it; 0: none since the process began, or all is in the cache. */
  changedIn(name: string): number {
    return this.#changedIn.get(name) ?? 0;
  }

  /** The cache has all of the segments up to this one. */
  forgetChanges(retired: number): void {
    for (const [name, segment] of this.#changedIn) if (segment <= retired) this.#changedIn.delete(name);
  }

  #noteFile(path: string): void {
    this.#changing.add(sessionOfPath(path, 'directory'));
    const remote = this.#remote;
    if (remote === undefined) return;
    const session = sessionOfCreds(path);
    if (session !== undefined) this.#news.push(() => remote.credsChanged(session));
    // Renaming a temporary file is what counts.
    if (!path.endsWith('.tmp')) this.#noteChange(remote, path, 'file');
  }

  #noteDirectory(path: string): void {
    this.#changing.add(sessionOfPath(path, 'directory'));
    if (this.#remote !== undefined) this.#noteChange(this.#remote, path, 'directory');
  }

  #noteChange(remote: Remote, path: string, kind: 'file' | 'directory'): void {
    if (!remote.writeThrough) return;
    const hasCaller = this.#hasCaller;
    this.#news.push(() => remote.changed(path, kind, hasCaller));
  }

  #sealedDirectory(type: OpType, node: DirectoryNode, path: string): void {
    const at = this.#journal.add(type, 0, path, 0, sealedSize(0));
    sealInto(this.#journal.buffer, at, this.#keyring, directoryName(path), metaOf(node, this.#owner), EMPTY);
  }
}

function heldFlag(held: boolean): number {
  return held ? OpFlag.HELD : OpFlag.NONE;
}
