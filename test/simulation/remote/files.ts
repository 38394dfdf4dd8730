/** What applications find in a session and do to it, by the calls of the core. */
import { type Entry, emptyAttributes, PARKED, ROOT_NODE } from '../../../src/fs/contract.ts';
import { Errno } from '../../../src/lib/errno.ts';
import { S_IFREG } from '../../../src/lib/file-type.ts';
import { Violation } from '../violation.ts';
import type { Filesystem } from './daemon.ts';

const CALLER = { uid: 1000, gid: 1000, pid: 1 };
const READ_BYTES = 1 << 16;

/** Thrown out of an operation: the whole of it waits. */
export class Parked extends Error {}

/** A call failed. */
export class Failed extends Error {
  readonly errno: number;

  constructor(what: string, errno: number) {
    super(`${what} failed with ${errno}`);
    this.errno = errno;
  }
}

function checked(what: string, status: number): number {
  if (status === PARKED) throw new Parked();
  if (status < 0) throw new Failed(what, status);
  return status;
}

function newEntry(): Entry {
  return { ...emptyAttributes(), nodeId: 0, entryValidMs: 0 };
}

/** Runs what throws Parked or Failed, and returns what a call returns. */
export function statusOf(work: () => void): number {
  try {
    work();
    return 0;
  } catch (error) {
    if (error instanceof Parked) return PARKED;
    if (error instanceof Failed) return error.errno;
    throw error;
  }
}

export class SessionFiles {
  readonly filesystem: Filesystem;
  readonly session: string;

  constructor(filesystem: Filesystem, session: string) {
    this.filesystem = filesystem;
    this.session = session;
  }

  /** By name, with their content; undefined: there is no such session. */
  read(): Map<string, string> | undefined {
    return this.#inFolder((folder) => {
      const names: string[] = [];
      const add = ({ name }: { name: string }) => names.push(name) > 0;
      checked(`list ${this.session}`, this.filesystem.readdir(folder, 0, add));
      const found = new Map<string, string>();
      for (const name of names.sort()) found.set(name, this.#contentOf(folder, name));
      return found;
    });
  }

  makeFolder(): void {
    const entry = newEntry();
    checked(`mkdir ${this.session}`, this.filesystem.mkdir(ROOT_NODE, this.session, 0o700, CALLER, entry));
    this.filesystem.forget(entry.nodeId, 1);
  }

  write(name: string, content: string): void {
    this.#required((folder) => {
      const entry = newEntry();
      checked(`look up ${name}`, this.filesystem.lookup(folder, name, entry));
      if (entry.nodeId === 0)
        checked(`make ${name}`, this.filesystem.mknod(folder, name, S_IFREG | 0o600, CALLER, entry));
      else checked(`empty ${name}`, this.filesystem.setattr(entry.nodeId, { size: 0 }, newEntry()));
      checked(`write ${name}`, this.filesystem.write(entry.nodeId, 0, Buffer.from(content), false));
      this.filesystem.forget(entry.nodeId, 1);
    });
  }

  renameFile(name: string, newName: string): void {
    this.#required((folder) =>
      checked(`rename ${name}`, this.filesystem.rename(folder, name, folder, newName, 0)),
    );
  }

  remove(name: string): void {
    this.#required((folder) => checked(`remove ${name}`, this.filesystem.unlink(folder, name)));
  }

  removeFolder(): void {
    checked(`rmdir ${this.session}`, this.filesystem.rmdir(ROOT_NODE, this.session));
  }

  renameTo(newName: string): void {
    checked(`rename ${this.session}`, this.filesystem.rename(ROOT_NODE, this.session, ROOT_NODE, newName, 0));
  }

  #contentOf(folder: number, name: string): string {
    const entry = newEntry();
    checked(`look up ${name}`, this.filesystem.lookup(folder, name, entry));
    if (entry.nodeId === 0) throw new Violation('a listed file is there', `${this.session}/${name}`);
    const out = Buffer.alloc(READ_BYTES);
    const length = checked(`read ${name}`, this.filesystem.read(entry.nodeId, 0, out.length, out, 0));
    this.filesystem.forget(entry.nodeId, 1);
    return out.toString('utf8', 0, length);
  }

  #required<T>(work: (folder: number) => T): T {
    const done = this.#inFolder((folder) => ({ value: work(folder) }));
    if (done === undefined) throw new Failed(`look up ${this.session}`, Errno.ENOENT);
    return done.value;
  }

  #inFolder<T>(work: (folder: number) => T): T | undefined {
    const entry = newEntry();
    checked(`look up ${this.session}`, this.filesystem.lookup(ROOT_NODE, this.session, entry));
    if (entry.nodeId === 0) return undefined;
    try {
      return work(entry.nodeId);
    } finally {
      this.filesystem.forget(entry.nodeId, 1);
    }
  }
}

/** The names in the root that are sessions. */
export function sessionsIn(filesystem: Filesystem): string[] {
  const names: string[] = [];
  const add = ({ name }: { name: string }) => names.push(name) > 0;
  checked('list the root', filesystem.readdir(ROOT_NODE, 0, add));
  return names.filter((name) => name.includes('-+')).sort();
}
