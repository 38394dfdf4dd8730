/**
 * The same calls on two folders, one of a filesystem that is trusted and one of the mount: what they return must be the same, and so
 * must all that lies in the folders afterwards. Which calls, on which names, by which user, one seed decides.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs, { constants } from 'node:fs';
import { join } from 'node:path';
import { Prng } from '../../drivers/support/prng.ts';

/** Of two users and root; each has a group of its own, and the second one is in the first one's too. */
interface User {
  uid: number;
  gid: number;
  groups: readonly number[];
}

const ROOT: User = { uid: 0, gid: 0, groups: [0] };
const USERS: readonly User[] = [
  ROOT,
  { uid: 1500, gid: 1500, groups: [1500] },
  { uid: 1501, gid: 1501, groups: [1501, 1500] },
];

/** Few, so that calls meet; none is a *.json, whose rules are not POSIX's (docs/semantics.md). */
const NAMES = ['a', 'b', 'c', 'file.txt', 'a name with %#*[] in it', 'é'];
const LONG = 'l'.repeat(255);
const TOO_LONG = 't'.repeat(256);
const MODES = [0o777, 0o755, 0o700, 0o666, 0o644, 0o600, 0o444, 0o000, 0o1777, 0o2775, 0o4755, 0o6711];
const SET_ID = 0o6000;
const FLAGS: Readonly<Record<string, number>> = {
  read: constants.O_RDONLY,
  write: constants.O_WRONLY,
  'read, write': constants.O_RDWR,
  'create, write': constants.O_WRONLY | constants.O_CREAT,
  'create new': constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
  'empty, write': constants.O_WRONLY | constants.O_TRUNC,
  append: constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT,
  'directory only': constants.O_RDONLY | constants.O_DIRECTORY,
  'no link': constants.O_RDONLY | constants.O_NOFOLLOW,
};
/** utimes(2) sets whole seconds, which each filesystem keeps; before this a time was set by a call, after it is that of a change. */
const SET_TIMES_BEFORE_SEC = 1_000_000_000;
const SIZE_MAX = 20_000;

/** A call in the folder `root`; what it returns is compared. */
interface Call {
  text: string;
  run: (root: string) => unknown;
}

export interface Choices {
  seed: number;
  /** No other user makes calls or owns anything, and no file gets set-id bits, which concern others. */
  isRootAlone: boolean;
}

export class TwoTrees {
  readonly #roots: readonly [trusted: string, tried: string];
  readonly #random: Prng;
  readonly #users: readonly User[];
  readonly #modes: readonly number[];
  /** Whether the trusted filesystem counts a folder's folders in its number of links, as not all do. */
  readonly #countsFolders: boolean;
  #keepsFolderTimes = true;
  readonly #done: string[] = [];
  /** How many calls did what they were to do. */
  succeeded = 0;

  constructor(trusted: string, tried: string, { seed, isRootAlone }: Choices) {
    this.#roots = [trusted, tried];
    this.#random = new Prng(seed);
    this.#users = isRootAlone ? [ROOT] : USERS;
    this.#modes = isRootAlone ? MODES.filter((mode) => (mode & SET_ID) === 0) : MODES;
    fs.mkdirSync(join(trusted, 'probe/inner'), { recursive: true });
    this.#countsFolders = fs.statSync(join(trusted, 'probe')).nlink === 3;
    fs.rmSync(join(trusted, 'probe'), { recursive: true });
    for (const root of this.#roots) fs.chmodSync(root, 0o777);
  }

  /** Makes the next call on both. Throws where they differ. */
  step(): void {
    const user = this.#random.below(2) === 0 ? ROOT : this.#random.pick(this.#users);
    const { text, run } = this.#draw();
    this.#done.push(`${user.uid}: ${text}`);
    const [expected, actual] = this.#roots.map((root) => as(user, () => outcomeOf(() => run(root))));
    assert.deepEqual(actual, expected, this.#story());
    if (typeof expected !== 'string') this.succeeded++;
  }

  /** Everything in both folders; `isAgain`: after a remount, which does not keep what a folder's time was set to. */
  compare({ isAgain = false } = {}): void {
    this.#keepsFolderTimes = !isAgain;
    const [expected, actual] = this.#roots.map((root) => this.#survey(root));
    assert.deepEqual(actual, expected, this.#story());
  }

  #story(): string {
    const calls = this.#done.slice(-12).join('\n');
    return `the last calls were\n${calls.replaceAll(LONG, 'LONG').replaceAll(TOO_LONG, 'TOO_LONG')}`;
  }

  /** Mostly of what is there, or of what could be made beside it. */
  #path(): string {
    const root = this.#roots[0];
    let path = '';
    for (;;) {
      const [kind, at] = [this.#random.below(10), join(root, path)];
      const names = fs.lstatSync(at).isDirectory() ? fs.readdirSync(at).sort() : [];
      if (path !== '' && kind < 3) return path;
      if (kind < 6 || names.length === 0) return join(path, this.#name());
      path = join(path, this.#random.pick(names));
    }
  }

  #name(): string {
    const kind = this.#random.below(40);
    return kind > 1 ? this.#random.pick(NAMES) : kind === 0 ? LONG : TOO_LONG;
  }

  #draw(): Call {
    const path = this.#path();
    const other = this.#path();
    const mode = this.#random.pick(this.#modes);
    const [uid, gid] = [this.#random.pick(this.#users).uid, this.#random.pick(this.#users).gid];
    const size = this.#random.below(SIZE_MAX);
    const fill = this.#random.below(256);
    const [flagName, flags] = this.#random.pick(Object.entries(FLAGS));
    const at = (root: string) => join(root, path);
    const calls: Call[] = [
      { text: `mkdir ${path} ${mode.toString(8)}`, run: (root) => fs.mkdirSync(at(root), { mode }) },
      {
        text: `open ${path} to ${flagName}, ${mode.toString(8)}; ${size} bytes of ${fill}`,
        run: (root) => useFile(at(root), flags, mode, size, fill),
      },
      { text: `truncate ${path} ${size}`, run: (root) => fs.truncateSync(at(root), size) },
      { text: `rmdir ${path}`, run: (root) => fs.rmdirSync(at(root)) },
      { text: `unlink ${path}`, run: (root) => fs.unlinkSync(at(root)) },
      { text: `rename ${path} ${other}`, run: (root) => fs.renameSync(at(root), join(root, other)) },
      { text: `symlink ${path} -> ${other}`, run: (root) => fs.symlinkSync(other, at(root)) },
      { text: `readlink ${path}`, run: (root) => fs.readlinkSync(at(root)) },
      { text: `chmod ${path} ${mode.toString(8)}`, run: (root) => fs.chmodSync(at(root), mode) },
      { text: `chown ${path} ${uid}:${gid}`, run: (root) => fs.chownSync(at(root), uid, gid) },
      { text: `lchown ${path} ${uid}:${gid}`, run: (root) => fs.lchownSync(at(root), uid, gid) },
      { text: `utimes ${path} ${size}`, run: (root) => fs.utimesSync(at(root), size, size) },
      { text: `stat ${path}`, run: (root) => this.#facts(fs.statSync(at(root))) },
      { text: `access ${path}`, run: (root) => fs.accessSync(at(root), fill & 7) },
      { text: `list ${path}`, run: (root) => fs.readdirSync(at(root)).sort() },
    ];
    return this.#random.pick(calls);
  }

  #facts(stats: fs.Stats): object {
    const { mode, uid, gid } = stats;
    const isDirectory = stats.isDirectory();
    return {
      mode: mode.toString(8),
      owner: `${uid}:${gid}`,
      nlink: isDirectory && !this.#countsFolders ? undefined : stats.nlink,
      size: isDirectory ? undefined : stats.size,
      mtime: isDirectory && !this.#keepsFolderTimes ? undefined : timeOf(stats),
    };
  }

  #survey(root: string, folder = ''): Record<string, unknown> {
    const found: Record<string, unknown> = { [folder]: this.#facts(fs.lstatSync(join(root, folder))) };
    for (const name of fs.readdirSync(join(root, folder)).sort()) {
      const path = join(folder, name);
      const stats = fs.lstatSync(join(root, path));
      if (stats.isDirectory()) Object.assign(found, this.#survey(root, path));
      else found[path] = { ...this.#facts(stats), content: contentOf(join(root, path), stats) };
    }
    return found;
  }
}

/** Of a change it only tells that it was one: the clocks of two filesystems differ. */
function timeOf({ mtimeMs }: fs.Stats): number | 'now' {
  return mtimeMs / 1000 < SET_TIMES_BEFORE_SEC ? mtimeMs : 'now';
}

function contentOf(path: string, stats: fs.Stats): string {
  if (stats.isSymbolicLink()) return fs.readlinkSync(path);
  return createHash('sha256').update(fs.readFileSync(path)).digest('hex');
}

/** What it returns, or the code of its error. */
function outcomeOf(call: () => unknown): unknown {
  try {
    return { returned: call() };
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/** Writes and reads through one descriptor, and tells what each step said. */
function useFile(path: string, flags: number, mode: number, size: number, fill: number): unknown {
  const fd = fs.openSync(path, flags, mode);
  try {
    const data = Buffer.alloc(size % 5000, fill);
    const position = (flags & constants.O_APPEND) === 0 ? size % 9000 : null;
    const read = Buffer.alloc(300);
    return [
      outcomeOf(() => fs.writeSync(fd, data, 0, data.length, position)),
      outcomeOf(() => fs.readSync(fd, read, 0, read.length, size % 700)),
      read.toString('latin1').replace(/(.)\1+/gs, (run, byte) => `${byte}${run.length}`),
      outcomeOf(() => fs.fstatSync(fd).size * (fs.fstatSync(fd).isDirectory() ? 0 : 1)),
      outcomeOf(() => fs.fsyncSync(fd)),
      outcomeOf(() => (fill % 3 === 0 ? fs.ftruncateSync(fd, size) : undefined)),
      outcomeOf(() => (fill % 5 === 0 ? fs.fchmodSync(fd, mode) : undefined)),
    ];
  } finally {
    fs.closeSync(fd);
  }
}

/** With the effective rights of `user`. */
function as<T>(user: User, call: () => T): T {
  if (user.uid === ROOT.uid) return call();
  const groups = process.getgroups?.() ?? [];
  process.setgroups?.([...user.groups]);
  process.setegid?.(user.gid);
  process.seteuid?.(user.uid);
  try {
    return call();
  } finally {
    process.seteuid?.(ROOT.uid);
    process.setegid?.(ROOT.gid);
    process.setgroups?.(groups);
  }
}
