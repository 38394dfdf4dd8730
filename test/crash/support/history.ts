/** Applications that do at random what applications do, through the calls that a driver makes. */

import { RENAME_EXCHANGE, ROOT_NODE } from '../../../src/fs/contract.ts';
import { S_IFREG } from '../../../src/lib/file-type.ts';
import { CALLER, type Harness, newAttributes, newEntry } from '../../fs/harness.ts';

/** From 0 up to, and not including, `below`. */
export type Random = (below: number) => number;

const FOLDERS = ['', 'u-+1', 'u-+2', 'd', 'u-+1/sub'];
const NAMES = ['creds.json', 'session-1.json', 'pre-key-2.json', 'notes.txt', 'creds.json.tmp', 'é%', 'link'];
const MODES = [0o600, 0o640, 0o400];

export class History {
  readonly #harness: Harness;
  readonly #random: Random;
  readonly #afterCall: (answer: number) => void;
  readonly #entry = newEntry();
  readonly #attributes = newAttributes();
  #version = 0;

  /** `afterCall` hears what every call that may change something answers. */
  constructor(harness: Harness, random: Random, afterCall: (answer: number) => void) {
    this.#harness = harness;
    this.#random = random;
    this.#afterCall = afterCall;
  }

  /** What one application does next, whatever comes of it. */
  step(): void {
    this.#did(this.#step());
  }

  #step(): number {
    const { fs } = this.#harness;
    const folder = this.#folder();
    const name = this.#one(NAMES);
    switch (this.#random(14)) {
      case 0: {
        const [parent = '', child = ''] = this.#one([
          ['', 'u-+1'],
          ['', 'u-+2'],
          ['', 'd'],
          ['u-+1', 'sub'],
        ]);
        return fs.mkdir(this.#find(parent), child, this.#one([0o700, 0o755]), CALLER, this.#entry);
      }
      case 1:
        return fs.unlink(folder, name);
      case 2:
        return fs.rmdir(ROOT_NODE, this.#one(['d', 'u-+2']));
      case 3:
      case 4:
        return fs.rename(folder, name, this.#folder(), this.#one(NAMES), this.#one([0, 0, RENAME_EXCHANGE]));
      case 5:
        return fs.rename(
          ROOT_NODE,
          this.#one(['u-+1', 'd']),
          ROOT_NODE,
          this.#one(['u-+2', 'd', 'moved']),
          0,
        );
      case 6:
        return fs.symlink(folder, 'link', `target-${this.#random(9)}`, CALLER, this.#entry);
      case 7:
        this.#harness.settle();
        return 0;
      default:
        return this.#onFile(folder, name);
    }
  }

  #onFile(folder: number, name: string): number {
    const { fs } = this.#harness;
    const node = this.#lookup(folder, name) || this.#make(folder, name);
    if (node === 0) return 0;
    const text = this.#document();
    switch (this.#random(9)) {
      case 0:
        return fs.setattr(node, { mode: this.#one(MODES) }, this.#attributes);
      case 1:
        return fs.setattr(node, { size: this.#one([0, 3, 50]) }, this.#attributes);
      case 2:
        return fs.write(node, this.#random(80), Buffer.from(`text ${this.#version}`), false);
      case 3:
        return fs.write(node, 0, Buffer.from(text.slice(0, -9)), false);
      case 4:
        return fs.write(node, 0, Buffer.from(text.slice(-9)), true);
      case 5:
        return fs.fsync(node);
      default: {
        const failed = this.#did(fs.setattr(node, { size: 0 }, this.#attributes));
        return failed || fs.write(node, 0, Buffer.from(text), false);
      }
    }
  }

  #did(answer: number): number {
    this.#harness.fs.takeClosedSegment();
    this.#afterCall(answer);
    return answer;
  }

  #document(): string {
    return JSON.stringify({ version: this.#version++, filler: 'x'.repeat(this.#random(300)) });
  }

  #make(folder: number, name: string): number {
    const mode = S_IFREG | this.#one(MODES);
    const failed = this.#did(this.#harness.fs.mknod(folder, name, mode, CALLER, this.#entry));
    return failed === 0 ? this.#entry.nodeId : 0;
  }

  #folder(): number {
    return this.#find(this.#one(FOLDERS)) || ROOT_NODE;
  }

  #find(path: string): number {
    let node: number = ROOT_NODE;
    for (const name of path.split('/').filter((part) => part !== '')) node = node && this.#lookup(node, name);
    return node;
  }

  /** 0: there is none. */
  #lookup(folder: number, name: string): number {
    return this.#harness.fs.lookup(folder, name, this.#entry) === 0 ? this.#entry.nodeId : 0;
  }

  #one<T>(values: readonly T[]): T {
    return values[this.#random(values.length)] as T;
  }
}
