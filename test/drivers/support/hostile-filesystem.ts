import {
  type AttributeChange,
  type Attributes,
  type Caller,
  type DirectoryEntry,
  type Entry,
  type FileSystemOperations,
  type FilesystemStatistics,
  PARKED,
} from '../../../src/fs/contract.ts';
import { Errno } from '../../../src/lib/errno.ts';
import { sampleAttributes, sampleEntry } from './fake-filesystem.ts';
import type { Prng } from './prng.ts';

const FAILURES = [Errno.ENOENT, Errno.EEXIST, Errno.EIO, Errno.ENOSPC, -511, -512, -5000, PARKED, PARKED];

/** A filesystem that returns at random anything that a filesystem core may return, and worse, and throws at arguments it must never see. */
export class HostileFilesystem implements FileSystemOperations {
  begin(): void {}

  takeUnstored(): undefined {
    return undefined;
  }

  holdAttributes(): void {}

  releaseAttributes(): void {}

  interrupted(): void {}
  wasCarriedOut(): boolean {
    return false;
  }

  readonly #random: Prng;
  /** Whether a call since the last `reset` answered PARKED. */
  parked = false;

  constructor(random: Prng) {
    this.#random = random;
  }

  reset(): void {
    this.parked = false;
  }

  #answer(...nodes: number[]): 0 | Errno {
    for (const node of nodes) this.#requireCount(node);
    if (this.#random.below(3) > 0) return 0;
    const failure = this.#random.pick(FAILURES);
    if (failure === PARKED) this.parked = true;
    return failure as Errno;
  }

  #requireCount(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new TypeError(`not a number to be handed on: ${value}`);
  }

  #requireName(name: string): void {
    const fits = Buffer.byteLength(name) <= 255 && name.length > 0;
    if (!fits || /[/\0]/.test(name) || name === '.' || name === '..' || name.includes('\ufffd')) {
      throw new TypeError(`not a name: ${JSON.stringify(name)}`);
    }
  }

  #enter(out: Entry, nodeId = this.#random.below(3)): void {
    Object.assign(out, sampleEntry, { nodeId });
  }

  #makeEntry(parent: number, name: string, out: Entry): 0 | Errno {
    this.#requireName(name);
    this.#enter(out);
    return this.#answer(parent);
  }

  lookup(parent: number, name: string, out: Entry): 0 | Errno {
    return this.#makeEntry(parent, name, out);
  }
  forget(node: number, count: number): void {
    this.#requireCount(node);
    this.#requireCount(count);
  }
  getattr(node: number, out: Attributes): 0 | Errno {
    Object.assign(out, sampleAttributes);
    return this.#answer(node);
  }
  setattr(node: number, change: AttributeChange, out: Attributes): 0 | Errno {
    if (change.size !== undefined) this.#requireCount(change.size);
    if (change.mode !== undefined && change.mode > 0o7777)
      throw new TypeError(`not permissions: ${change.mode}`);
    return this.getattr(node, out);
  }
  readlink(node: number): string | Errno {
    return this.#answer(node) || 'ü'.repeat(this.#random.below(3000));
  }
  mknod(parent: number, name: string, _mode: number, _caller: Caller, out: Entry): 0 | Errno {
    return this.#makeEntry(parent, name, out);
  }
  mkdir(parent: number, name: string, _mode: number, _caller: Caller, out: Entry): 0 | Errno {
    return this.#makeEntry(parent, name, out);
  }
  symlink(parent: number, name: string, target: string, _caller: Caller, out: Entry): 0 | Errno {
    if (target === '' || Buffer.byteLength(target) > 4095) throw new TypeError('not a target');
    return this.#makeEntry(parent, name, out);
  }
  unlink(parent: number, name: string): 0 | Errno {
    this.#requireName(name);
    return this.#answer(parent);
  }
  rmdir(parent: number, name: string): 0 | Errno {
    return this.unlink(parent, name);
  }
  rename(parent: number, name: string, newParent: number, newName: string): 0 | Errno {
    this.#requireName(name);
    this.#requireName(newName);
    return this.#answer(parent, newParent);
  }
  read(node: number, offset: number, size: number, out: Buffer, outOffset: number): number {
    if (outOffset + size > out.length) throw new RangeError('the reply is too small');
    return this.#answer(node, offset) || this.#random.below(size + 1);
  }
  write(node: number, offset: number, data: Buffer): number {
    return this.#answer(node, offset) || data.length;
  }
  fsync(node: number): 0 | Errno {
    return this.#answer(node);
  }
  fallocate(node: number, offset: number, length: number): 0 | Errno {
    return this.#answer(node, offset, length, offset + length);
  }
  readdir(node: number, offset: number, add: (entry: DirectoryEntry) => boolean): 0 | Errno {
    const count = this.#random.below(20);
    for (let index = 1; index <= count; index++) {
      const name = 'ж'.repeat(1 + this.#random.below(120));
      if (!add({ name, ino: index, type: 0o100000, nextOffset: index, handle: index })) break;
    }
    return this.#answer(node, offset);
  }
  enter(handle: unknown, out: Entry): void {
    this.#enter(out, handle as number);
  }
  statfs(out: FilesystemStatistics): 0 | Errno {
    out.blocks = this.#random.u32();
    return this.#answer();
  }
}
