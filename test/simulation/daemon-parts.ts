/** What the daemons of both worlds are made of, in place of a kernel, threads and a log file. */
import type { Logger } from '../../src/observe/log.ts';
import type { Machine, Process } from './platform/machine.ts';

export const KEY = '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff';
export const SETTLE_DELAY_MS = 250;
/** What the kernel told the daemon before one that takes over. */
export const KERNEL = {
  major: 7,
  minor: 41,
  flags: 0,
  flags2: 0,
  maxReadaheadBytes: 0,
  maxWriteBytes: 0,
  maxPages: 0,
};

export type HearLog = (level: string, message: string, fields: Readonly<Record<string, unknown>>) => void;

/** Messages in one direction: they take a moment, and keep their order. */
export class Channel<T> {
  readonly #machine: Machine;
  readonly #owner: Process;
  readonly #receive: (message: T) => void;
  readonly #queue: T[] = [];

  constructor(machine: Machine, owner: Process, receive: (message: T) => void) {
    this.#machine = machine;
    this.#owner = owner;
    this.#receive = receive;
  }

  post(message: T): void {
    this.#queue.push(message);
    const delayMs = this.#machine.between(1, 200) / 1000;
    this.#machine.schedule(delayMs, () => this.#receive(this.#queue.shift() as T), this.#owner);
  }
}

export function loggerTo(hear: HearLog): Logger {
  const say = (level: string) => (fields: Record<string, unknown> | string, message?: string) =>
    typeof fields === 'string' ? hear(level, fields, {}) : hear(level, message ?? '', fields);
  const log = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
  return log as unknown as Logger;
}
