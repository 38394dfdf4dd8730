/** What happened: a hash over all of it, to compare runs by, and the last lines, to read. */
import { createHash } from 'node:crypto';

const LINES_KEPT = 4000;
const BATCH_BYTES = 1 << 16;

export class Trace {
  readonly #hash = createHash('sha256');
  readonly #lines: string[] = new Array(LINES_KEPT).fill('');
  #count = 0;
  #batch = '';
  /** Hears each line as well. */
  echo: ((line: string) => void) | undefined;

  add(line: string): void {
    this.#lines[this.#count++ % LINES_KEPT] = line;
    this.#batch += line;
    this.#batch += '\n';
    if (this.#batch.length > BATCH_BYTES) this.#flush();
    this.echo?.(line);
  }

  get count(): number {
    return this.#count;
  }

  /** The last ones, the oldest first. */
  last(count: number): string[] {
    const from = Math.max(0, this.#count - Math.min(count, LINES_KEPT));
    return Array.from(
      { length: this.#count - from },
      (_, i) => this.#lines[(from + i) % LINES_KEPT] as string,
    );
  }

  /** Over all lines so far. */
  digest(): string {
    this.#flush();
    return this.#hash.copy().digest('hex');
  }

  #flush(): void {
    this.#hash.update(this.#batch);
    this.#batch = '';
  }
}
