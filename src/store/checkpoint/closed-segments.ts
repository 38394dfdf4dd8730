/** The closed segments of a running journal, as a checkpoint reads them. */
import { type FileHandle, open, readdir, readFile } from 'node:fs/promises';
import { systemError } from '../../lib/system-error.ts';
import { segmentNumbers, segmentPath } from '../journal/format.ts';
import { JournalChain, type OpVisitor, type SegmentScan } from '../journal/reader.ts';
import { CheckpointPlan, type StoredBytes } from './plan.ts';

interface Survey {
  plan: CheckpointPlan;
  chain: JournalChain;
  last: SegmentScan | undefined;
}

export class ClosedSegments {
  readonly #directory: string;
  readonly #handles = new Map<number, Promise<FileHandle>>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * The segments up to `upTo` that can be checkpointed, ascending, and what they come to. A torn end is explained by the
   * segment after it, which goes on with the same seq; where none is there yet the torn one has to wait. Throws
   * JOURNAL_CORRUPT, CACHE_FORMAT.
   */
  async survey(upTo: number): Promise<{ numbers: number[]; plan: CheckpointPlan }> {
    const all = segmentNumbers(await readdir(this.#directory));
    const numbers = all.filter((number) => number <= upTo);
    const { plan, chain, last } = await this.#scanAll(numbers);
    const next = all[numbers.length];
    if (!last || last.tornBytes === 0) return { numbers, plan };
    if (next !== undefined && (await this.#scan(chain, next, () => {})).records > 0) return { numbers, plan };
    const whole = numbers.slice(0, -1);
    return { numbers: whole, plan: await this.plan(whole) };
  }

  /** What these segments (from `survey`) come to. */
  async plan(numbers: readonly number[]): Promise<CheckpointPlan> {
    return (await this.#scanAll(numbers)).plan;
  }

  async #scanAll(numbers: readonly number[]): Promise<Survey> {
    const plan = new CheckpointPlan();
    const chain = new JournalChain();
    let last: SegmentScan | undefined;
    for (const number of numbers) last = await this.#scan(chain, number, (op, place) => plan.add(op, place));
    return { plan, chain, last };
  }

  async #scan(chain: JournalChain, number: number, visit: OpVisitor): Promise<SegmentScan> {
    return chain.scan(number, await readFile(segmentPath(this.#directory, number)), visit);
  }

  async read({ segment, position, length }: StoredBytes): Promise<Buffer> {
    const handle = await this.#handle(segment);
    const bytes = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; ) {
      const { bytesRead } = await handle.read(bytes, at, length - at, position + at);
      if (bytesRead === 0) throw systemError('EIO', 'read', `journal segment ${segment} became shorter`);
      at += bytesRead;
    }
    return bytes;
  }

  #handle(segment: number): Promise<FileHandle> {
    let handle = this.#handles.get(segment);
    if (!handle) {
      handle = open(segmentPath(this.#directory, segment), 'r');
      this.#handles.set(segment, handle);
    }
    return handle;
  }

  async close(): Promise<void> {
    for (const handle of this.#handles.values()) await handle.then((open) => open.close()).catch(() => {});
    this.#handles.clear();
  }
}
