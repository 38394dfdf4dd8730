/** How far each session is, in a file that bots write and others read: it is right also after a SIGKILL. */
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';

const ENTRY_BYTES = 8;

export class Progress {
  readonly #fd: number;
  readonly #entry = Buffer.alloc(ENTRY_BYTES);

  constructor(path: string) {
    this.#fd = openSync(path, 'r+');
  }

  static create(path: string, sessions: number): void {
    writeFileSync(path, Buffer.alloc(sessions * ENTRY_BYTES));
  }

  /** The number of the last step that was begun, and of the last one that was acknowledged. */
  read(session: number): { begun: number; done: number } {
    readSync(this.#fd, this.#entry, 0, ENTRY_BYTES, session * ENTRY_BYTES);
    return { begun: this.#entry.readUInt32LE(0), done: this.#entry.readUInt32LE(4) };
  }

  begin(session: number, step: number): void {
    this.#write(session * ENTRY_BYTES, step);
  }

  end(session: number, step: number): void {
    this.#write(session * ENTRY_BYTES + 4, step);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #write(position: number, step: number): void {
    this.#entry.writeUInt32LE(step);
    writeSync(this.#fd, this.#entry, 0, 4, position);
  }
}
