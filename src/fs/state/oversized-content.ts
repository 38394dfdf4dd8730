/**
 * The decrypted content of one file that the memory limit has no room for, while it is in use: each read request of it would
 * open the whole file again. One at a time, beside the limit; it leaves memory after a rest.
 */
import type { Clock } from '../../lib/clock.ts';
import type { FileNode } from '../model/node.ts';

/** A smaller one is opened again soon enough, and the limit holds for it. */
const BYTES_MIN = 1024 * 1024;
const REST_MS = 10_000;

export class OversizedContent {
  readonly #clock: Clock;
  #kept: { node: FileNode; plain: Buffer; usedMs: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get hasPending(): boolean {
    return this.#kept !== undefined;
  }

  keep(node: FileNode, plain: Buffer): void {
    if (plain.length >= BYTES_MIN) this.#kept = { node, plain, usedMs: this.#clock.monotonicMs() };
    else this.forget(node);
  }

  read(node: FileNode): Buffer | undefined {
    if (this.#kept?.node !== node) return undefined;
    this.#kept.usedMs = this.#clock.monotonicMs();
    return this.#kept.plain;
  }

  peek(node: FileNode): Buffer | undefined {
    return this.#kept?.node === node ? this.#kept.plain : undefined;
  }

  forget(node: FileNode): void {
    if (this.#kept?.node === node) this.#kept = undefined;
  }

  /** Lets go what no request has read for a while. */
  settle(): void {
    if (this.#kept !== undefined && this.#clock.monotonicMs() - this.#kept.usedMs >= REST_MS)
      this.#kept = undefined;
  }
}
