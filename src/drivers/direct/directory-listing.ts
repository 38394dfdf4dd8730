import type { DirectoryEntry, Entry, FileSystemOperations } from '../../fs/contract.ts';
import { S_IFDIR } from '../../lib/file-type.ts';
import { fuse_entry_out } from './abi/attributes.ts';
import { LITTLE_ENDIAN } from './abi/layout.ts';
import { FUSE_REC_ALIGN, FUSE_UNKNOWN_INO, fuse_dirent, fuse_direntplus } from './abi/names.ts';
import { PAYLOAD, putEntry, putU64, type Reply } from './reply.ts';

/** DT_* are the type bits of a mode, shifted. */
const TYPE_SHIFT = 12;
/** Offsets 1 and 2 are behind "." and "..", which the core does not know of; its own are shifted by them. */
const DOTS = 2;

/**
 * Packs a directory's children into the reply of READDIR or READDIRPLUS. A record that does not fit is not added, and
 * its child not looked up; the kernel asks for it again. Reused: good from `begin` to the next one.
 */
export class DirectoryListing {
  readonly #reply: Reply;
  readonly #fs: FileSystemOperations;
  readonly #entry: Entry;
  #plus = false;
  #limit = 0;
  #end = 0;
  #full = false;

  constructor(reply: Reply, fs: FileSystemOperations, entry: Entry) {
    this.#reply = reply;
    this.#fs = fs;
    this.#entry = entry;
  }

  /** `size`: bytes the kernel has room for. */
  begin(size: number, plus: boolean): void {
    this.#plus = plus;
    this.#limit = PAYLOAD + Math.min(size, this.#reply.capacity);
    this.#end = PAYLOAD;
    this.#full = false;
  }

  /** Bytes of payload. */
  get length(): number {
    return this.#end - PAYLOAD;
  }

  /** A record was refused for want of room. */
  get isFull(): boolean {
    return this.#full;
  }

  /** Adds "." and ".." as far as they lie behind `offset`. */
  addDots(offset: number): void {
    if (offset < 1) this.#append('.', FUSE_UNKNOWN_INO, S_IFDIR, 1, null);
    if (offset < 2) this.#append('..', FUSE_UNKNOWN_INO, S_IFDIR, 2, null);
  }

  /** The core's offset for the kernel's. */
  coreOffset(offset: number): number {
    return Math.max(0, offset - DOTS);
  }

  /** For `FileSystemOperations.readdir`. */
  readonly add = (child: DirectoryEntry): boolean =>
    this.#append(child.name, child.ino, child.type, child.nextOffset + DOTS, child);

  #append(
    name: string,
    ino: number,
    type: number,
    nextOffset: number,
    child: DirectoryEntry | null,
  ): boolean {
    const nameBytes = Buffer.byteLength(name);
    const prefix = this.#plus ? fuse_direntplus.dirent : 0;
    const recordBytes = FUSE_REC_ALIGN(prefix + fuse_dirent.name + nameBytes);
    if (this.#end + recordBytes > this.#limit) {
      this.#full = true;
      return false;
    }
    const start = this.#end;
    this.#reply.bytes.fill(0, start, start + recordBytes);
    if (this.#plus && child !== null) {
      this.#fs.enter(child.handle, this.#entry);
      putEntry(this.#reply.view, start, this.#entry);
    }
    this.#putDirent(start + prefix, name, nameBytes, ino, type, nextOffset);
    this.#end = start + recordBytes;
    return true;
  }

  #putDirent(
    at: number,
    name: string,
    nameBytes: number,
    ino: number,
    type: number,
    nextOffset: number,
  ): void {
    const { view, bytes } = this.#reply;
    putU64(view, at + fuse_dirent.ino, ino);
    putU64(view, at + fuse_dirent.off, nextOffset);
    view.setUint32(at + fuse_dirent.namelen, nameBytes, LITTLE_ENDIAN);
    view.setUint32(at + fuse_dirent.type, type >>> TYPE_SHIFT, LITTLE_ENDIAN);
    bytes.write(name, at + fuse_dirent.name, nameBytes, 'utf8');
  }

  /** Takes back every lookup that the listing in the reply counted: the kernel never received it. */
  forgetAll(): void {
    if (!this.#plus) return;
    const { view } = this.#reply;
    for (let at = PAYLOAD; at < this.#end; ) {
      const node = Number(view.getBigUint64(at + fuse_entry_out.nodeid, LITTLE_ENDIAN));
      if (node !== 0) this.#fs.forget(node, 1);
      const nameBytes = view.getUint32(at + fuse_direntplus.dirent + fuse_dirent.namelen, LITTLE_ENDIAN);
      at += FUSE_REC_ALIGN(fuse_direntplus.SIZE + nameBytes);
    }
  }
}
