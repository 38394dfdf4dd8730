/**
 * What a disk may hold after a power cut. Durable is what was fsynced: a file's bytes by its own fsync, a name by that of its
 * directory. Of everything else any part may be there: bytes any prefix, or zeros, or some blocks and not others; names each
 * as at any moment since, but a rename is atomic, and nothing lies in a directory that is not there.
 */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Random } from './history.ts';
import type { Change } from './recorded-disk.ts';

type NameChange = Extract<Change, { path: string }>;
type ContentChange = Extract<Change, { do: 'write' | 'truncate' }>;

interface FileState {
  durable: Buffer;
  pending: ContentChange[];
}

const DIRECTORY = -1;
const BLOCK_BYTES = 512;

export class CutDisk {
  readonly #files = new Map<number, FileState>();
  /** Durable names: a file's number, or DIRECTORY. */
  readonly #names = new Map<string, number>([
    ['', DIRECTORY],
    ['journal', DIRECTORY],
    ['tmp', DIRECTORY],
    ['sessions', DIRECTORY],
  ]);
  #pending: NameChange[] = [];

  constructor(changes: readonly Change[]) {
    for (const change of changes) this.#happen(change);
  }

  /** Makes one possible outcome, on a copy of the cache directory as it was before the first change. */
  write(fresh: string, to: string, random: Random): void {
    cpSync(fresh, to, { recursive: true });
    const names = this.#survivingNames(random);
    const contents = new Map<number, Buffer>();
    for (const [name, file] of [...names].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (name === '' || !isReachable(names, name)) continue;
      if (file === DIRECTORY) {
        mkdirSync(join(to, name), { recursive: true, mode: 0o700 });
        continue;
      }
      const content = contents.get(file) ?? this.#survivingContent(file, random);
      contents.set(file, content);
      writeFileSync(join(to, name), content, { mode: 0o600 });
    }
  }

  #happen(change: Change): void {
    switch (change.do) {
      case 'reached':
      case 'promised':
        break;
      case 'write':
      case 'truncate':
        this.#file(change.file).pending.push(change);
        break;
      case 'sync': {
        const file = this.#file(change.file);
        file.durable = applied(file);
        file.pending = [];
        break;
      }
      case 'sync-all':
        for (const file of this.#files.values()) {
          file.durable = applied(file);
          file.pending = [];
        }
        for (const pending of this.#pending) apply(pending, this.#names);
        this.#pending = [];
        break;
      case 'sync-directory':
        this.#syncDirectory(change.path);
        break;
      default:
        this.#pending.push(change);
    }
  }

  #file(number: number): FileState {
    let file = this.#files.get(number);
    if (file === undefined) {
      file = { durable: Buffer.alloc(0), pending: [] };
      this.#files.set(number, file);
    }
    return file;
  }

  /** Its names, and whatever must have happened before to those. */
  #syncDirectory(directory: string): void {
    // One that took the place of a removed one must not lose its names when that removal becomes durable.
    const needed = new Set(
      this.#pending
        .filter(({ do: did, path }) => did === 'rmdir' && `${directory}/`.startsWith(`${path}/`))
        .map(({ path }) => path),
    );
    const isNeeded = (change: NameChange) =>
      namesOf(change).some((name) => parentOf(name) === directory || needed.has(name));
    const durable = new Set<NameChange>();
    for (const change of this.#pending.toReversed()) {
      if (!isNeeded(change)) continue;
      durable.add(change);
      for (const name of namesOf(change)) needed.add(name);
    }
    for (const change of this.#pending) if (durable.has(change)) apply(change, this.#names);
    this.#pending = this.#pending.filter((change) => !durable.has(change));
  }

  #survivingNames(random: Random): Map<string, number> {
    const names = new Map(this.#names);
    const stopped = new Set<string>();
    // Some disks keep the order, some lose it: from "all but the last ones" to "hardly any".
    const inOrder = random(2) === 0;
    const last = random(this.#pending.length + 1);
    const odds = 1 + random(9);
    this.#pending.forEach((change, index) => {
      const happens = inOrder ? index < last : random(10) < odds;
      const concerned = namesOf(change);
      const possible =
        concerned.every((name) => !stopped.has(name)) && names.get(parentOf(change.path)) === DIRECTORY;
      if (happens && possible) apply(change, names);
      else for (const name of concerned) stopped.add(name);
    });
    return names;
  }

  #survivingContent(number: number, random: Random): Buffer {
    const file = this.#file(number);
    const whole = applied(file);
    const { durable, pending } = file;
    if (pending.length === 0) return whole;
    const sure = pending.some((change) => change.do === 'truncate') ? 0 : durable.length;
    const cut = sure + random(whole.length - sure + 1);
    switch (random(5)) {
      case 0:
        return durable;
      case 1:
        return whole;
      case 2:
        return whole.subarray(0, cut);
      case 3:
        return Buffer.concat([whole.subarray(0, cut), Buffer.alloc(whole.length - cut)]);
      default:
        return withoutSomeBlocks(whole, sure, random);
    }
  }
}

function namesOf(change: NameChange): string[] {
  return 'from' in change ? [change.from, change.path] : [change.path];
}

function parentOf(name: string): string {
  const parent = dirname(name);
  return parent === '.' ? '' : parent;
}

function isReachable(names: ReadonlyMap<string, number>, name: string): boolean {
  if (name === '') return true;
  const parent = parentOf(name);
  return names.get(parent) === DIRECTORY && isReachable(names, parent);
}

function apply(change: NameChange, names: Map<string, number>): void {
  switch (change.do) {
    case 'create':
      names.set(change.path, change.file);
      break;
    case 'mkdir':
      names.set(change.path, DIRECTORY);
      break;
    case 'link':
    case 'rename': {
      const file = names.get(change.from);
      if (file !== undefined) names.set(change.path, file);
      if (change.do === 'rename') names.delete(change.from);
      break;
    }
    case 'unlink':
    case 'rmdir':
      names.delete(change.path);
      for (const name of names.keys()) if (name.startsWith(`${change.path}/`)) names.delete(name);
      break;
    case 'sync-directory':
      break;
  }
}

function applied({ durable, pending }: FileState): Buffer {
  let content = durable;
  for (const change of pending) {
    const length =
      change.do === 'truncate' ? change.size : Math.max(content.length, change.at + change.bytes.length);
    const next = Buffer.alloc(length);
    content.copy(next);
    if (change.do === 'write') change.bytes.copy(next, change.at);
    content = next;
  }
  return content;
}

function withoutSomeBlocks(whole: Buffer, sure: number, random: Random): Buffer {
  const content = Buffer.from(whole);
  for (let at = sure; at < content.length; at += BLOCK_BYTES)
    if (random(2) === 0) content.fill(0, at, Math.min(content.length, at + BLOCK_BYTES));
  return content;
}
