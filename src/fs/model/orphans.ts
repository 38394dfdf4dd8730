/**
 * What files have that were unlinked and may still be open. There is no name to seal and journal it under, and it goes with this
 * process. Block by block: the newest are in memory, those that it has no room for lie sealed in a file without a name.
 */
import { type EphemeralMark, EphemeralSeal } from '../../crypto/ephemeral-seal.ts';
import { Errno, errnoOf } from '../../lib/errno.ts';
import { SpillFile } from '../../store/cache/spill-file.ts';
import type { Log } from './options.ts';

const BLOCK = 16 * 1024;
const MIB = 1024 * 1024;
/** Blocks in memory, of all these files together. */
const MEMORY_BYTES = 4 * MIB;
/** Content that is larger leaves memory as a whole: what is left of it would keep all of it there. */
const LARGE_BYTES = MIB;
/** How much of what was unlinked just now may be in memory, until time or the next one moves it out. */
const ADOPTED_BYTES = 64 * MIB;
/** What is moved out at a time, so that no request waits for long. */
const STEP_BYTES = 2 * MIB;

interface Block {
  /** The beginning of the block, zeros follow; undefined: sealed. */
  plain: Buffer | undefined;
  /** `plain` is a part of what was taken over: others may hold that, so it is not changed. */
  isShared: boolean;
  slot: number;
  mark: EphemeralMark | undefined;
}

export class OrphanStore {
  readonly #seal = new EphemeralSeal();
  readonly #sealed = Buffer.alloc(BLOCK);
  readonly #file: SpillFile;
  /** Bytes that writes may bring it to. */
  readonly #limit: number;
  readonly #log: Log;
  /** Blocks in memory, those changed longest ago first, and what they have. */
  readonly #kept = new Set<Block>();
  #keptBytes = 0;
  /** Blocks in memory that are parts of large contents. */
  readonly #large = new Set<Block>();
  #largeBytes = 0;
  #sealedBytes = 0;
  #limitReached = false;
  #limitLogged = false;

  constructor(cachePath: string, limit: number, log: Log) {
    this.#file = new SpillFile(cachePath, this.#sealed.length);
    this.#limit = limit;
    this.#log = log;
  }

  /** There is something to be moved out of memory: `settle` wants to be called. */
  get hasPending(): boolean {
    return this.#large.size > 0 || this.#keptBytes > MEMORY_BYTES;
  }

  /**
   * Whether an unlinked file's content may be taken over. It may take as much again as writes may: what one process writes
   * to files that it unlinked keeps no other from removing files.
   */
  hasRoomFor(bytes: number): boolean {
    return this.#isWithin(2 * this.#limit, bytes);
  }

  /** Takes `whole` over, and does not change it. */
  adopt(whole: Buffer): Orphan {
    // What was cut would keep all the memory that it had.
    const isSparse = whole.buffer.byteLength > Math.max(LARGE_BYTES, 2 * whole.length);
    const content = isSparse ? Buffer.from(whole) : whole;
    if (this.#largeBytes + content.length > ADOPTED_BYTES)
      this.#spillQuietly(this.#large, Number.POSITIVE_INFINITY);
    const orphan = new Orphan(this, content.length);
    const isLarge = content.length > LARGE_BYTES;
    for (let at = 0; at < content.length; at += BLOCK) {
      const block = {
        plain: content.subarray(at, Math.min(at + BLOCK, content.length)),
        isShared: true,
        slot: 0,
        mark: undefined,
      };
      orphan.blocks.push(block);
      this.#enter(block, isLarge);
    }
    return orphan;
  }

  /** Moves some of what memory has no room for out. What the disk does not take stays. */
  settle(): void {
    this.#spillQuietly(this.#large, STEP_BYTES);
    this.#spillQuietly(this.#kept, Math.min(STEP_BYTES, this.#keptBytes - MEMORY_BYTES));
  }

  /** Whether the last ENOSPC said that the limit is reached, and not that the disk is full. */
  takeLimitReached(): boolean {
    const reached = this.#limitReached;
    this.#limitReached = false;
    return reached;
  }

  /** Makes room for a write: `more` bytes in all, `inMemory` of them and of what was sealed. Throws the disk's error. */
  reserve(more: number, inMemory: number): 0 | Errno {
    if (!this.#isWithin(this.#limit, more)) return Errno.ENOSPC;
    const wanted = this.#keptBytes + inMemory - MEMORY_BYTES;
    if (wanted > 0) this.#spill(this.#kept, Math.min(wanted, inMemory + STEP_BYTES));
    return 0;
  }

  /** The content of the block in a buffer that reaches up to `to`, to be changed there and given to `install`. */
  writable(block: Block | undefined, from: number, to: number): Buffer {
    if (block?.plain !== undefined && block.plain.length >= to && !block.isShared) return block.plain;
    const isReplaced = from === 0 && to === BLOCK;
    if (block === undefined || isReplaced) return Buffer.alloc(BLOCK);
    if (block.plain === undefined) return this.#open(block);
    const grown = Buffer.alloc(BLOCK);
    block.plain.copy(grown);
    return grown;
  }

  install(block: Block | undefined, plain: Buffer): Block {
    const isLarge = block !== undefined && this.#large.has(block);
    if (block !== undefined) this.drop(block);
    const changed = block ?? { plain, isShared: false, slot: 0, mark: undefined };
    changed.plain = plain;
    changed.isShared = false;
    this.#enter(changed, isLarge);
    return changed;
  }

  copyOut(block: Block | undefined, from: number, to: number, out: Buffer, at: number): void {
    const plain = block === undefined ? undefined : (block.plain ?? this.#open(block));
    const copied = plain?.copy(out, at, Math.min(from, plain.length), Math.min(to, plain.length)) ?? 0;
    out.fill(0, at + copied, at + to - from);
  }

  /** Bytes that count against the limit. */
  sizeOf(block: Block | undefined): number {
    return block === undefined ? 0 : (block.plain?.length ?? BLOCK);
  }

  drop(block: Block): void {
    const { plain } = block;
    if (plain === undefined) {
      this.#file.free(block.slot);
      this.#sealedBytes -= BLOCK;
    } else if (this.#large.delete(block)) {
      this.#largeBytes -= plain.length;
    } else if (this.#kept.delete(block)) {
      this.#keptBytes -= plain.length;
    }
    block.mark = undefined;
  }

  get #bytes(): number {
    return this.#keptBytes + this.#largeBytes + this.#sealedBytes;
  }

  #isWithin(limit: number, more: number): boolean {
    if (this.#bytes < limit / 2) this.#limitLogged = false;
    if (more <= 0 || this.#bytes + more <= limit) return true;
    this.#limitReached = true;
    if (!this.#limitLogged)
      this.#log({ level: 'warn', message: LIMIT_REACHED, fields: { bytes: this.#bytes, limit } });
    this.#limitLogged = true;
    return false;
  }

  #enter(block: Block, isLarge: boolean): void {
    const length = block.plain?.length ?? 0;
    if (isLarge) this.#largeBytes += length;
    else this.#keptBytes += length;
    (isLarge ? this.#large : this.#kept).add(block);
  }

  #spillQuietly(blocks: Set<Block>, bytes: number): void {
    try {
      this.#spill(blocks, bytes);
    } catch {
      // It is tried again, and a write that needs the room says why there is none.
    }
  }

  #spill(blocks: Set<Block>, bytes: number): void {
    let left = bytes;
    for (const block of blocks) {
      if (left <= 0) return;
      left -= this.sizeOf(block);
      this.#spillBlock(block);
    }
  }

  #spillBlock(block: Block): void {
    let plain = block.plain as Buffer;
    if (plain.length < BLOCK) plain = Buffer.concat([plain], BLOCK);
    const mark = this.#seal.seal(plain, this.#sealed);
    const slot = this.#file.write(this.#sealed);
    this.drop(block);
    block.plain = undefined;
    block.slot = slot;
    block.mark = mark;
    this.#sealedBytes += BLOCK;
  }

  #open({ slot, mark }: Block): Buffer {
    this.#file.read(slot, this.#sealed);
    return this.#seal.open(this.#sealed, mark as EphemeralMark);
  }
}

const LIMIT_REACHED =
  'Files that were removed while open take all the room that they may; more gets ENOSPC; close them, or restart the processes that hold them';

/** The content of one file. Its calls change nothing when they fail. */
export class Orphan {
  /** undefined: zeros. */
  readonly blocks: (Block | undefined)[] = [];
  readonly #store: OrphanStore;
  #length: number;

  constructor(store: OrphanStore, length: number) {
    this.#store = store;
    this.#length = length;
  }

  get length(): number {
    return this.#length;
  }

  /** Returns how many bytes there were. */
  read(offset: number, size: number, out: Buffer, at: number): number | Errno {
    const end = Math.min(this.#length, offset + size);
    try {
      for (let from = offset; from < end; ) {
        const index = Math.floor(from / BLOCK);
        const to = Math.min(end, (index + 1) * BLOCK);
        this.#store.copyOut(
          this.blocks[index],
          from - index * BLOCK,
          to - index * BLOCK,
          out,
          at + from - offset,
        );
        from = to;
      }
    } catch (error) {
      return errnoOf(error);
    }
    return Math.max(0, end - offset);
  }

  write(at: number, data: Buffer): 0 | Errno {
    const end = at + data.length;
    const failed = this.#change(at, end, (plain, index) => {
      const from = Math.max(at, index * BLOCK);
      data.copy(plain, from - index * BLOCK, from - at, Math.min(data.length, (index + 1) * BLOCK - at));
    });
    if (failed === 0) this.#length = Math.max(this.#length, end);
    return failed;
  }

  truncate(size: number): 0 | Errno {
    const inLast = size % BLOCK;
    if (size < this.#length && inLast > 0 && this.blocks[Math.floor(size / BLOCK)] !== undefined) {
      const failed = this.#change(size - inLast, size, (plain) => plain.fill(0, inLast));
      if (failed !== 0) return failed;
    }
    for (const block of this.blocks.splice(Math.ceil(size / BLOCK)))
      if (block !== undefined) this.#store.drop(block);
    this.#length = size;
    return 0;
  }

  free(): void {
    this.truncate(0);
  }

  #change(at: number, end: number, change: (plain: Buffer, index: number) => void): 0 | Errno {
    const first = Math.floor(at / BLOCK);
    const changed: Buffer[] = [];
    let more = 0;
    let inMemory = 0;
    try {
      for (let index = first; index * BLOCK < end; index++) {
        const block = this.blocks[index];
        const from = Math.max(0, at - index * BLOCK);
        const plain = this.#store.writable(block, from, Math.min(BLOCK, end - index * BLOCK));
        changed.push(plain);
        more += plain.length - this.#store.sizeOf(block);
        inMemory += plain.length - (block?.plain?.length ?? 0);
      }
      const failed = this.#store.reserve(more, inMemory);
      if (failed !== 0) return failed;
    } catch (error) {
      return errnoOf(error);
    }
    for (const [i, plain] of changed.entries()) {
      change(plain, first + i);
      this.blocks[first + i] = this.#store.install(this.blocks[first + i], plain);
    }
    return 0;
  }
}
