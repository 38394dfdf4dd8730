/**
 * A directory held by a descriptor, and what lies in it opened by name below that descriptor: another process may swap, rename or
 * link what it likes meanwhile, and each step still takes place in the directory that was opened. No step follows a link.
 */
import fs, { constants, type Dirent, type Stats } from 'node:fs';
import { join } from 'node:path';
import { systemError } from './system-error.ts';

/** Opening a FIFO must not wait for a writer. */
const SAFELY = constants.O_NOFOLLOW | constants.O_NONBLOCK;

const DESCRIPTORS = '/proc/self/fd/';

export class OpenDirectory {
  readonly fd: number;
  /** For messages, and for systems without /proc. */
  readonly #path: string;

  private constructor(fd: number, path: string) {
    this.fd = fd;
    this.#path = path;
  }

  /** The last component must not be a link, a descriptor's path in /proc apart. Throws system errors. */
  static open(path: string): OpenDirectory {
    const place = path.startsWith(DESCRIPTORS) ? `${path}/.` : path;
    return new OpenDirectory(fs.openSync(place, SAFELY | constants.O_RDONLY | constants.O_DIRECTORY), path);
  }

  /** A path of an entry that no other process can lead elsewhere. */
  at(name: string): string {
    return process.platform === 'linux' ? `${DESCRIPTORS}${this.fd}/${name}` : join(this.#path, name);
  }

  directory(name: string): OpenDirectory {
    const fd = fs.openSync(this.at(name), SAFELY | constants.O_RDONLY | constants.O_DIRECTORY);
    return new OpenDirectory(fd, join(this.#path, name));
  }

  /** Made new, 0700, and opened. Throws EEXIST where anything has the name. */
  makeDirectory(name: string): OpenDirectory {
    fs.mkdirSync(this.at(name), { mode: 0o700 });
    return this.directory(name);
  }

  entries(): Dirent[] {
    return fs.readdirSync(this.at('.'), { withFileTypes: true });
  }

  stat(): Stats {
    return fs.fstatSync(this.fd);
  }

  close(): void {
    fs.closeSync(this.fd);
  }

  /** The file's descriptor is closed when `use` returns. What is no regular file is refused with EINVAL. */
  withFile<T>(name: string, use: (fd: number, stats: Stats) => T): T {
    const fd = fs.openSync(this.at(name), SAFELY | constants.O_RDONLY);
    try {
      const stats = fs.fstatSync(fd);
      if (!stats.isFile())
        throw systemError('EINVAL', 'open', `${join(this.#path, name)} is no regular file`);
      return use(fd, stats);
    } finally {
      fs.closeSync(fd);
    }
  }
}

/** The directory is closed when `use` returns. */
export function within<T>(directory: OpenDirectory, use: (directory: OpenDirectory) => T): T {
  try {
    return use(directory);
  } finally {
    directory.close();
  }
}

/**
 * Calls `use` with the folder that the file `name` lies in, and its name there: names are parts of a path below `folder`, and `enter`
 * opens each folder on the way. Throws for a name that leads elsewhere.
 */
export function inFolderOf<T>(
  folder: OpenDirectory,
  name: string,
  enter: (parent: OpenDirectory, name: string) => OpenDirectory,
  use: (folder: OpenDirectory, name: string) => T,
): T {
  const parts = name.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..'))
    throw new Error(`${name} would lie elsewhere`);
  const descend = (at: OpenDirectory, [part = '', ...rest]: readonly string[]): T =>
    rest.length === 0 ? use(at, part) : within(enter(at, part), (below) => descend(below, rest));
  return descend(folder, parts);
}

/** `size` bytes from the start of the file; undefined: it has fewer or more now. */
export function readExactly(fd: number, size: number): Buffer | undefined {
  const bytes = Buffer.alloc(size + 1);
  let length = 0;
  while (length < bytes.length) {
    const read = fs.readSync(fd, bytes, length, bytes.length - length, length);
    if (read === 0) break;
    length += read;
  }
  return length === size ? bytes.subarray(0, size) : undefined;
}
