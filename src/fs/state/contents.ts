/**
 * The committed versions, decrypted. They stay in memory under a byte limit, most recently used first, and beside it one that
 * is larger than the limit; a miss opens the sealed bytes again, from the journal segment that holds them or, once that is
 * checkpointed, from the cache.
 */

import { LRUCache } from 'lru-cache';
import type { Keyring } from '../../crypto/keyring.ts';
import { SealError } from '../../crypto/seal-error.ts';
import {
  HEADER_SIZE,
  OWNER,
  openSealed,
  readHeader,
  type SealedMeta,
  TAG_SIZE,
} from '../../crypto/sealed-file.ts';
import type { Clock } from '../../lib/clock.ts';
import { Errno } from '../../lib/errno.ts';
import { S_IFMT, S_IFREG } from '../../lib/file-type.ts';
import { codeOf } from '../../lib/system-error.ts';
import type { FilesystemCounters } from '../../observe/filesystem-counters.ts';
import type { Cache } from '../../store/cache/cache.ts';
import type { JournalProgress } from '../../store/journal/progress.ts';
import type { JournalWriter } from '../../store/journal/writer.ts';
import { type FileNode, IN_CACHE, NOT_COMMITTED, type Node } from '../model/node.ts';
import type { Log, Owner } from '../model/options.ts';
import type { Orphan } from '../model/orphans.ts';
import { WorkingCopy, type WorkStep } from '../model/working-copy.ts';
import { OversizedContent } from './oversized-content.ts';
import { touch } from './times.ts';

/** What a small Buffer costs beside its bytes. */
const BUFFER_OVERHEAD = 400;

export interface ContentsParts {
  cache: Cache;
  journal: JournalWriter;
  progress: JournalProgress;
  keyring: Keyring;
  owner: Owner;
  clock: Clock;
  counters: FilesystemCounters;
  log: Log;
  /** Bytes of decrypted contents to keep. */
  memoryLimit: number;
}

export class Contents {
  readonly #parts: ContentsParts;
  readonly #plain: LRUCache<FileNode, Buffer>;
  readonly #oversized: OversizedContent;
  readonly #header = Buffer.alloc(HEADER_SIZE);

  constructor(parts: ContentsParts) {
    this.#parts = parts;
    this.#plain = new LRUCache({
      maxSize: Math.max(1, parts.memoryLimit),
      sizeCalculation: (plain) => plain.length + BUFFER_OVERHEAD,
    });
    this.#oversized = new OversizedContent(parts.clock);
  }

  /** The committed plaintext, not to be changed by the caller; EIO when it does not open (said once in the log). */
  read(node: FileNode, path: string): Buffer | Errno {
    if (node.orphan !== undefined) return wholeOf(node.orphan);
    const kept = this.#plain.get(node) ?? this.#oversized.read(node);
    if (kept !== undefined) return kept;
    if (node.segment === NOT_COMMITTED) return Buffer.alloc(0);
    // What lies under the name of a file that has none any more is another file.
    if (node.unreadable !== undefined || node.parent === undefined) return Errno.EIO;
    try {
      const { plain, meta } = openSealed(this.#parts.keyring, path, this.#sealed(node, path));
      if (!node.loaded) this.#learn(node, meta, plain.length);
      this.remember(node, plain);
      node.readError = undefined;
      return plain;
    } catch (error) {
      this.#cannotRead(node, path, error);
      return Errno.EIO;
    }
  }

  /** Keeps a version that was just committed. Takes ownership of `plain`. */
  remember(node: FileNode, plain: Buffer): void {
    this.#plain.set(node, plain);
    if (this.#plain.has(node)) this.#oversized.forget(node);
    else this.#oversized.keep(node, plain);
  }

  /** `settle` wants to be called. */
  get hasPending(): boolean {
    return this.#oversized.hasPending;
  }

  settle(): void {
    this.#oversized.settle();
  }

  /** The committed version has not reached the cache yet. */
  isInJournal(node: FileNode): boolean {
    return node.segment > Math.max(IN_CACHE, this.retired);
  }

  /** The newest segment of the journal that is in the cache. */
  get retired(): number {
    return this.#parts.progress.retired;
  }

  forget(node: FileNode): void {
    this.#plain.delete(node);
    this.#oversized.forget(node);
  }

  /** The committed plaintext if it is at hand. */
  peek(node: FileNode): Buffer | undefined {
    return this.#plain.peek(node) ?? this.#oversized.peek(node);
  }

  /** The cache has another version now: nothing is known of it but its name. */
  reset(node: FileNode): void {
    this.forget(node);
    node.segment = IN_CACHE;
    node.position = 0;
    node.sealedLength = 0;
    node.loaded = false;
    node.unreadable = undefined;
    node.readError = undefined;
  }

  /**
   * Reads mode, owner, times and size of a file of which only the name was known. They are not yet authenticated. Then goes on
   * with what an earlier daemon began. False: the disk does not give what that takes, so no call may change the file now.
   */
  load(node: FileNode, path: string): boolean {
    if (node.isReady || node.parent === undefined) return node.isReady;
    if (!node.loaded) this.#loadHeader(node, path);
    return node.loaded && this.#build(node, path);
  }

  #loadHeader(node: FileNode, path: string): void {
    let fileSize = 0;
    try {
      fileSize = this.#parts.cache.readHeaderSync(path, this.#header);
      const { meta, plainLength } = readHeader(this.#header, fileSize);
      this.#learn(node, meta, plainLength);
      node.readError = undefined;
    } catch (error) {
      // A size that is not 0 makes the kernel ask for the content, so that the reader gets EIO and not an empty file.
      node.size = Math.max(1, fileSize - HEADER_SIZE - TAG_SIZE);
      node.mode = S_IFREG | 0o600;
      this.#cannotRead(node, path, error);
      node.loaded = node.unreadable !== undefined;
    }
  }

  /** False: the version that was changed cannot be read now. One that does not open never will be. */
  #build(node: FileNode, path: string): boolean {
    const { unbuilt } = node;
    if (unbuilt === undefined) return true;
    const base = beginsEmpty(unbuilt) ? Buffer.alloc(0) : this.read(node, path);
    if (typeof base === 'number' && node.unreadable === undefined) return false;
    node.unbuilt = undefined;
    if (typeof base === 'number') return true;
    node.working = WorkingCopy.rebuilt(base, unbuilt, this.#parts.clock.monotonicMs());
    if (!node.working.isHeldBack) this.#changedIn(node, unbuilt);
    return true;
  }

  /** Readers see these changes: its time is that of the last one, or where that is not written down the present one. */
  #changedIn(node: FileNode, steps: readonly WorkStep[]): void {
    const last = steps.at(-1);
    touch(this.#parts, node);
    if (last?.kind !== 'write') return;
    node.mtimeSec = node.ctimeSec = last.meta.mtimeSec;
    node.mtimeNsec = node.ctimeNsec = last.meta.mtimeNsec;
  }

  #learn(node: FileNode, meta: SealedMeta, size: number): void {
    applyMeta(node, meta, this.#parts.owner);
    node.size = size;
    node.loaded = true;
  }

  #sealed(node: FileNode, path: string): Buffer {
    const { cache, journal } = this.#parts;
    if (this.isInJournal(node)) {
      try {
        return journal.readSync(node.segment, node.position, node.sealedLength);
      } catch (error) {
        // The main thread may retire the segment between the look and the reading: then the cache has it.
        if (this.isInJournal(node)) throw error;
      }
    }
    node.segment = IN_CACHE;
    return cache.readSync(path);
  }

  /** Bytes that do not open stay as they are; an error of the disk may be gone at the next read. */
  #cannotRead(node: FileNode, path: string, error: unknown): void {
    const reason = error instanceof SealError ? error.reason : (codeOf(error) ?? 'unreadable');
    if (reason === node.readError) return;
    node.readError = reason;
    if (error instanceof SealError) node.unreadable = reason;
    this.#parts.counters.refused(error instanceof SealError ? error.reason : 'disk');
    this.#parts.log({
      level: 'error',
      message:
        error instanceof SealError
          ? 'file does not open; its readers get EIO, nothing else is affected'
          : 'file cannot be read from the cache; its reader gets EIO, the next one tries again',
      fields: { file: path, reason },
    });
  }
}

/** The version before does not matter. */
function beginsEmpty([first]: readonly WorkStep[]): boolean {
  return first?.kind === 'truncate' && first.size === 0;
}

function wholeOf(orphan: Orphan): Buffer | Errno {
  const whole = Buffer.alloc(orphan.length);
  const read = orphan.read(0, whole.length, whole, 0);
  return read < 0 ? (read as Errno) : whole;
}

/** A node's metadata as it is sealed: a file of the mount's owner carries no numbers, so that it belongs to any mount's owner. */
export function metaOf(node: Node, owner: Owner): SealedMeta {
  return {
    mode: node.mode,
    uid: node.uid === owner.uid ? OWNER : node.uid,
    gid: node.gid === owner.gid ? OWNER : node.gid,
    mtimeSec: node.mtimeSec,
    mtimeNsec: node.mtimeNsec,
  };
}

/** Restores what `metaOf` sealed. Access and change times are not kept: both become the modification time. */
export function applyMeta(node: Node, meta: SealedMeta, owner: Owner): void {
  const type = meta.mode & S_IFMT;
  node.mode = type === 0 ? S_IFREG | meta.mode : meta.mode;
  node.uid = meta.uid === OWNER || owner.ownsAll ? owner.uid : meta.uid;
  node.gid = meta.gid === OWNER || owner.ownsAll ? owner.gid : meta.gid;
  node.mtimeSec = node.atimeSec = node.ctimeSec = meta.mtimeSec;
  node.mtimeNsec = node.atimeNsec = node.ctimeNsec = meta.mtimeNsec;
}
