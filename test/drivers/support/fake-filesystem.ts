import type {
  AttributeChange,
  Attributes,
  Caller,
  DirectoryEntry,
  Entry,
  FileSystemOperations,
  FilesystemStatistics,
  Unstored,
} from '../../../src/fs/contract.ts';
import type { Errno } from '../../../src/lib/errno.ts';

export const sampleAttributes: Attributes = {
  ino: 0x11,
  size: 0x1_0000_0203,
  mode: 0o100644,
  nlink: 1,
  uid: 1000,
  gid: 1001,
  atimeSec: 1,
  atimeNsec: 2,
  mtimeSec: 3,
  mtimeNsec: 4,
  ctimeSec: -5,
  ctimeNsec: 6,
  attributesValidMs: 1500,
};

export const sampleEntry: Entry = { ...sampleAttributes, nodeId: 0x22, entryValidMs: 60_250 };

/**
 * Records every call as `[name, ...arguments]` and answers `status` (the answer of read and write too, when it is
 * negative), filling what it is to fill with the samples.
 */
export class FakeFilesystem implements FileSystemOperations {
  begin(_unique: number): void {}

  /** The request that an earlier server carried out. */
  carriedOut = 0;

  wasCarriedOut(unique: number): boolean {
    return unique === this.carriedOut;
  }

  /** The numbers of parked requests whose callers gave up. */
  readonly interruptions: number[] = [];

  /** What each call has changed and must be stored; cloud mode. */
  unstored: Unstored | undefined;

  takeUnstored(): Unstored | undefined {
    return this.unstored;
  }

  /** Files whose attributes are held, once for each hold. */
  readonly held: number[] = [];

  holdAttributes(node: number): void {
    this.held.push(node);
  }

  releaseAttributes(node: number): void {
    const at = this.held.indexOf(node);
    if (at >= 0) this.held.splice(at, 1);
  }

  interrupted(unique: number): void {
    this.interruptions.push(unique);
  }

  readonly calls: unknown[][] = [];
  /** What the next calls answer, the first one first; then `status`. */
  readonly answers: number[] = [];
  status = 0;
  target: string | Errno = 'target';
  content = Buffer.from('hello');
  children: DirectoryEntry[] = [];
  entry: Entry = { ...sampleEntry };
  attributes: Attributes = { ...sampleAttributes };

  #answer(...call: unknown[]): 0 | Errno {
    this.calls.push(call);
    return (this.answers.shift() ?? this.status) as 0 | Errno;
  }

  #fill<T extends object>(status: 0 | Errno, out: T, sample: T): 0 | Errno {
    if (status === 0) Object.assign(out, sample);
    return status;
  }

  lookup(parent: number, name: string, out: Entry): 0 | Errno {
    return this.#fill(this.#answer('lookup', parent, name), out, this.entry);
  }
  forget(node: number, count: number): void {
    this.calls.push(['forget', node, count]);
  }
  getattr(node: number, out: Attributes): 0 | Errno {
    return this.#fill(this.#answer('getattr', node), out, this.attributes);
  }
  setattr(node: number, change: AttributeChange, out: Attributes): 0 | Errno {
    return this.#fill(this.#answer('setattr', node, change), out, this.attributes);
  }
  readlink(node: number): string | Errno {
    const status = this.#answer('readlink', node);
    return status === 0 ? this.target : status;
  }
  mknod(parent: number, name: string, mode: number, caller: Caller, out: Entry): 0 | Errno {
    return this.#fill(this.#answer('mknod', parent, name, mode, { ...caller }), out, this.entry);
  }
  mkdir(parent: number, name: string, mode: number, caller: Caller, out: Entry): 0 | Errno {
    return this.#fill(this.#answer('mkdir', parent, name, mode, { ...caller }), out, this.entry);
  }
  symlink(parent: number, name: string, target: string, caller: Caller, out: Entry): 0 | Errno {
    return this.#fill(this.#answer('symlink', parent, name, target, { ...caller }), out, this.entry);
  }
  unlink(parent: number, name: string): 0 | Errno {
    return this.#answer('unlink', parent, name);
  }
  rmdir(parent: number, name: string): 0 | Errno {
    return this.#answer('rmdir', parent, name);
  }
  rename(parent: number, name: string, newParent: number, newName: string, flags: number): 0 | Errno {
    return this.#answer('rename', parent, name, newParent, newName, flags);
  }
  read(node: number, offset: number, size: number, out: Buffer, outOffset: number): number {
    const status = this.#answer('read', node, offset, size);
    return status === 0 ? this.content.copy(out, outOffset, 0, size) : status;
  }
  write(node: number, offset: number, data: Buffer, append: boolean): number {
    const status = this.#answer('write', node, offset, data.toString('latin1'), append);
    return status === 0 ? data.length : status;
  }
  fsync(node: number): 0 | Errno {
    return this.#answer('fsync', node);
  }
  fallocate(node: number, offset: number, length: number, keepSize: boolean): 0 | Errno {
    return this.#answer('fallocate', node, offset, length, keepSize);
  }
  readdir(node: number, offset: number, add: (entry: DirectoryEntry) => boolean): 0 | Errno {
    const status = this.#answer('readdir', node, offset);
    for (const child of this.children) {
      if (child.nextOffset > offset && !add(child)) break;
    }
    return status;
  }
  enter(handle: unknown, out: Entry): void {
    this.calls.push(['enter', handle]);
    Object.assign(out, this.entry, { nodeId: handle });
  }
  statfs(out: FilesystemStatistics): 0 | Errno {
    const sample = {
      blockSize: 4096,
      blocks: 7,
      blocksFree: 6,
      blocksAvailable: 5,
      files: 4,
      filesFree: 3,
      nameLengthMax: 255,
    };
    return this.#fill(this.#answer('statfs'), out, sample);
  }
}
