import {
  type AttributeChange,
  type Attributes,
  type DirectoryEntry,
  type Entry,
  type FileSystemOperations,
  type FilesystemStatistics,
  PARKED,
  ROOT_NODE,
} from '../../../src/fs/contract.ts';
import { Errno } from '../../../src/lib/errno.ts';

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const FIRST_FILE = 10;

interface MemoryFile {
  name: string;
  mode: number;
  data: Buffer;
}

/**
 * One folder of files in memory, just enough to be mounted. A node's number is its place in the list, so that two servers
 * started alike agree on it. Names that begin with `parked` are not answered before `release`.
 */
export class MemoryFilesystem implements FileSystemOperations {
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

  readonly #files: MemoryFile[] = [
    { name: 'parked.txt', mode: S_IFREG | 0o644, data: Buffer.from('late\n') },
  ];
  #released = false;

  release(): void {
    this.#released = true;
  }

  #file(node: number): MemoryFile | undefined {
    return this.#files[node - FIRST_FILE];
  }

  #fill(node: number, out: Attributes): 0 | Errno {
    const file = this.#file(node);
    if (file === undefined && node !== ROOT_NODE) return Errno.ENOENT;
    const zeroTimes = { atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0, ctimeSec: 0, ctimeNsec: 0 };
    const shape = file ? { mode: file.mode, size: file.data.length } : { mode: S_IFDIR | 0o755, size: 0 };
    Object.assign(out, zeroTimes, shape, {
      ino: node,
      nlink: 1,
      uid: 0,
      gid: 0,
      attributesValidMs: 3_600_000,
    });
    return 0;
  }

  #enter(index: number, out: Entry): 0 | Errno {
    out.nodeId = FIRST_FILE + index;
    out.entryValidMs = 3_600_000;
    return this.#fill(out.nodeId, out);
  }

  lookup(_parent: number, name: string, out: Entry): 0 | Errno {
    if (name.startsWith('parked') && !this.#released) return PARKED as Errno;
    const index = this.#files.findIndex((file) => file.name === name);
    return index < 0 ? Errno.ENOENT : this.#enter(index, out);
  }
  forget(): void {}
  getattr(node: number, out: Attributes): 0 | Errno {
    return this.#fill(node, out);
  }
  setattr(node: number, change: AttributeChange, out: Attributes): 0 | Errno {
    const file = this.#file(node);
    if (file && change.size !== undefined) file.data = Buffer.concat([file.data], change.size);
    if (file && change.mode !== undefined) file.mode = S_IFREG | change.mode;
    return this.#fill(node, out);
  }
  readlink(): Errno {
    return Errno.EINVAL;
  }
  mknod(_parent: number, name: string, mode: number, _caller: unknown, out: Entry): 0 | Errno {
    return this.#enter(this.#files.push({ name, mode, data: Buffer.alloc(0) }) - 1, out);
  }
  mkdir(): Errno {
    return Errno.ENOSPC;
  }
  symlink(): Errno {
    return Errno.ENOSPC;
  }
  unlink(_parent: number, name: string): 0 | Errno {
    const file = this.#files.find((candidate) => candidate.name === name);
    if (file === undefined) return Errno.ENOENT;
    file.name = '';
    return 0;
  }
  rmdir(): Errno {
    return Errno.ENOENT;
  }
  rename(_parent: number, name: string, _newParent: number, newName: string): 0 | Errno {
    const file = this.#files.find((candidate) => candidate.name === name);
    if (file === undefined) return Errno.ENOENT;
    this.unlink(ROOT_NODE, newName);
    file.name = newName;
    return 0;
  }
  read(node: number, offset: number, size: number, out: Buffer, outOffset: number): number {
    return this.#file(node)?.data.copy(out, outOffset, offset, offset + size) ?? Errno.EISDIR;
  }
  write(node: number, offset: number, data: Buffer, append: boolean): number {
    const file = this.#file(node);
    if (file === undefined) return Errno.EISDIR;
    const start = append ? file.data.length : offset;
    file.data = Buffer.concat([file.data], Math.max(file.data.length, start + data.length));
    return data.copy(file.data, start);
  }
  fsync(): 0 {
    return 0;
  }
  fallocate(): Errno {
    return Errno.EOPNOTSUPP;
  }
  readdir(_node: number, offset: number, add: (entry: DirectoryEntry) => boolean): 0 {
    for (let index = offset; index < this.#files.length; index++) {
      const { name } = this.#files[index] as MemoryFile;
      const child = { name, ino: FIRST_FILE + index, type: S_IFREG, nextOffset: index + 1, handle: index };
      if (name !== '' && !add(child)) break;
    }
    return 0;
  }
  enter(handle: unknown, out: Entry): void {
    this.#enter(handle as number, out);
  }
  statfs(out: FilesystemStatistics): 0 {
    Object.assign(out, {
      blockSize: 4096,
      blocks: 100,
      blocksFree: 50,
      blocksAvailable: 50,
      files: 10,
      filesFree: 5,
    });
    out.nameLengthMax = 255;
    return 0;
  }
}
