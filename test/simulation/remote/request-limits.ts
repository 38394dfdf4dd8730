/** How many requests a process may make: what it asks for without need costs money, and throttles what is needed. */
import type { BucketOperation } from '../../../src/bucket/wrap.ts';
import type { Machine, Process } from '../platform/machine.ts';
import { Violation } from '../violation.ts';

const MINUTE_MS = 60_000;
/** In a minute, of one process. */
const ALL_MAX = 1_500;
/** The same one again. A short lease is polled twice a second. */
const SAME_MAX = 200;

export class RequestLimits {
  readonly #machine: Machine;
  #minute = 0;
  #counts = new Map<string, number>();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  asked({ name: process }: Process, operation: BucketOperation, name: string): void {
    const minute = Math.floor(this.#machine.nowMs / MINUTE_MS);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#counts = new Map();
    }
    this.#count(process, ALL_MAX);
    this.#count(`${process} ${operation} ${name}`, SAME_MAX);
  }

  #count(what: string, max: number): void {
    const count = (this.#counts.get(what) ?? 0) + 1;
    this.#counts.set(what, count);
    if (count > max) throw new Violation('requests are bounded', `${count} in a minute: ${what}`);
  }
}
