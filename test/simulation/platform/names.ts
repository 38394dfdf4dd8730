/**
 * Which names of a simulated disk a power cut leaves. Durable is a name once its directory was synced. Of the changes since any
 * part may be there, each as at any moment since; but a rename is atomic, and nothing lies in a directory that is not there.
 */
import { dirname } from 'node:path';
import type { Prng } from '../../drivers/support/prng.ts';
import type { Inode } from './inode.ts';

export type NameChange =
  | { do: 'add'; path: string; inode: Inode }
  | { do: 'remove'; path: string }
  | { do: 'rename'; path: string; from: string; inode: Inode };

export class Names {
  readonly #durable = new Map<string, Inode>();
  #pending: NameChange[] = [];

  note(change: NameChange): void {
    this.#pending.push(change);
  }

  /** The names in this directory, and whatever must have happened before to those. */
  sync(directory: string): void {
    const needed = new Set(
      this.#pending
        .filter(({ do: did, path }) => did === 'remove' && `${directory}/`.startsWith(`${path}/`))
        .map(({ path }) => path),
    );
    const durable = new Set<NameChange>();
    for (const change of this.#pending.toReversed()) {
      const names = namesOf(change);
      if (!names.some((name) => dirname(name) === directory || needed.has(name))) continue;
      durable.add(change);
      for (const name of names) needed.add(name);
    }
    if (durable.size === 0) return;
    for (const change of this.#pending) if (durable.has(change)) apply(change, this.#durable);
    this.#pending = this.#pending.filter((change) => !durable.has(change));
  }

  /** What a system does by itself from time to time. */
  syncAll(): void {
    for (const change of this.#pending) apply(change, this.#durable);
    this.#pending = [];
  }

  /** The power goes: what is left is durable. */
  cut(chance: Prng): Map<string, Inode> {
    const stopped = new Set<string>();
    // Some disks keep the order, some lose it: from "all but the last ones" to "hardly any".
    const inOrder = chance.below(2) === 0;
    const last = chance.below(this.#pending.length + 1);
    const odds = 1 + chance.below(9);
    this.#pending.forEach((change, index) => {
      const happens = inOrder ? index < last : chance.below(10) < odds;
      const names = namesOf(change);
      const isPossible = names.every((name) => !stopped.has(name)) && this.#hasParent(change.path);
      if (happens && isPossible) apply(change, this.#durable);
      else for (const name of names) stopped.add(name);
    });
    this.#pending = [];
    for (const path of [...this.#durable.keys()].sort())
      if (!this.#hasParent(path)) this.#durable.delete(path);
    return this.#durable;
  }

  #hasParent(path: string): boolean {
    const parent = dirname(path);
    return parent === '/' || this.#durable.get(parent)?.kind === 'directory';
  }
}

function namesOf(change: NameChange): string[] {
  return change.do === 'rename' ? [change.from, change.path] : [change.path];
}

function apply(change: NameChange, names: Map<string, Inode>): void {
  if (change.do === 'add') {
    names.set(change.path, change.inode);
  } else if (change.do === 'rename') {
    names.set(change.path, change.inode);
    names.delete(change.from);
  } else {
    names.delete(change.path);
    for (const name of names.keys()) if (name.startsWith(`${change.path}/`)) names.delete(name);
  }
}
