/**
 * Operators: while a computer is off they put its cache back from a copy, delete files of it, delete its ledger, or give it another
 * bucket for a while; and they bring old objects back.
 */
import { join } from 'node:path';
import { fromObjectName } from '../../../src/naming/object-name.ts';
import { mkdirSync, readdirSync, rmSync, unlinkSync, writeFileSync } from '../platform/fs.ts';
import type { Machine } from '../platform/machine.ts';
import { bringAlong, type CacheContent, contentOf, LEDGER } from './cache-content.ts';
import type { Computer } from './computer.ts';
import type { Truth } from './truth.ts';

export const DEEDS = ['copies', 'lostFiles', 'lostLedgers', 'otherBuckets', 'oldObjects'] as const;
export type Deed = (typeof DEEDS)[number];

export class Operator {
  readonly #machine: Machine;
  readonly #truth: Truth;
  readonly #deeds: readonly Deed[];
  readonly #copies = new Map<Computer, CacheContent>();

  constructor(machine: Machine, truth: Truth, deeds: readonly Deed[]) {
    this.#machine = machine;
    this.#truth = truth;
    this.#deeds = deeds;
  }

  /** The computer is off: nothing runs on its cache. */
  visit(computer: Computer): void {
    const { chance } = this.#machine;
    if (this.#deeds.length === 0 || chance.below(3) === 0) return;
    const deed = chance.pick(this.#deeds);
    this.#machine.trace.add(`${this.#machine.nowMs.toFixed(1)} an operator of ${computer.name}: ${deed}`);
    switch (deed) {
      case 'copies':
        this.#copyOrPutBack(computer);
        break;
      case 'lostFiles':
        this.#loseFiles(computer);
        break;
      case 'lostLedgers':
        if (readdirSync(computer.cache).includes(LEDGER)) unlinkSync(join(computer.cache, LEDGER));
        computer.view.hasNoLedger(computer.store);
        break;
      case 'otherBuckets':
        this.#giveOtherBucket(computer);
        break;
      case 'oldObjects':
        this.#bringBack(computer);
        break;
    }
    computer.disk.writeBack();
  }

  #giveOtherBucket(computer: Computer): void {
    const name = computer.bucketName === 'bucket-a' ? 'bucket-b' : 'bucket-a';
    computer.useBucket(name);
    bringAlong(computer, this.#truth);
  }

  #copyOrPutBack(computer: Computer): void {
    const copy = this.#copies.get(computer);
    if (copy === undefined || this.#machine.once(3)) {
      this.#copies.set(computer, contentOf(computer.cache));
      return;
    }
    rmSync(computer.cache, { recursive: true });
    mkdirSync(computer.cache, 0o700);
    for (const [path, content] of copy)
      if (content === 'directory') mkdirSync(path, 0o700);
      else writeFileSync(path, content);
    computer.view.forgetAll();
    bringAlong(computer, this.#truth);
  }

  /** Of what was not stored yet nothing is left then. */
  #loseFiles(computer: Computer): void {
    for (const [path, content] of contentOf(computer.cache)) {
      if (content === 'directory' || !path.startsWith(`${computer.cache}/sessions/`)) continue;
      if (!this.#machine.once(3)) continue;
      unlinkSync(path);
      this.#excuse(path.slice(computer.cache.length + 1));
    }
    computer.view.forgetAll();
  }

  #bringBack({ store }: Computer): void {
    const old = store.old.filter(({ name, size }) => name.startsWith('sessions/') && size > 0);
    if (old.length === 0) return;
    const object = this.#machine.chance.pick(old);
    this.#excuse(object.name);
    store.bringBack(object, this.#machine.once(2));
  }

  #excuse(objectName: string): void {
    const path = fromObjectName(objectName)?.path;
    if (path !== undefined) this.#truth.excuse(path.slice(0, path.indexOf('/')));
  }
}
