/** The closed segments of a running journal, as a checkpoint reads them. */
import { type FileHandle, open, readdir, readFile, stat } from 'node:fs/promises';
import { systemError } from '../../lib/system-error.ts';
import { segmentNumbers, segmentPath } from '../journal/format.ts';
import { JournalChain, type OpVisitor, type SegmentScan } from '../journal/reader.ts';
import { CheckpointPlan, type StoredBytes } from './plan.ts';

interface Survey {
  plan: CheckpointPlan;
  chain: JournalChain;
  last: SegmentScan | undefined;
}

const SEGMENTS_KEPT = 2;
const SEGMENT_BYTES_KEPT = 32 * 1024 * 1024;

export class ClosedSegments {
  readonly #directory: string;
  readonly #handles = new Map<number, Promise<FileHandle>>();
  /** Reads come in the order of the segments, but for a few at a time. */
  readonly #kept = new Map<number, Promise<Buffer | undefined>>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * The segments up to `upTo` that can be checkpointed, ascending, and what those after `after` come to, on top of `owed`. A
   * torn end is explained by the segment after it, which goes on with the same seq; where none is there yet the torn one has
   * to wait. Throws JOURNAL_CORRUPT, CACHE_FORMAT.
   */
  async survey(
    upTo: number,
    after: number,
    owed: CheckpointPlan,
  ): Promise<{ numbers: number[]; plan: CheckpointPlan }> {
    const all = segmentNumbers(await readdir(this.#directory));
    const numbers = all.filter((number) => number <= upTo);
    const { plan, chain, last } = await this.#scanAll(numbers, after, owed);
    const next = all[numbers.length];
    if (!last || last.tornBytes === 0) return { numbers, plan };
    if (next !== undefined && (await this.#scan(chain, next, () => {})).records > 0) return { numbers, plan };
    const whole = numbers.slice(0, -1);
    return { numbers: whole, plan: await this.plan(whole, after, owed) };
  }

  /** What those of these segments (from `survey`) that come after `after` come to, on top of `owed`. */
  async plan(numbers: readonly number[], after: number, owed: CheckpointPlan): Promise<CheckpointPlan> {
    return (await this.#scanAll(numbers, after, owed)).plan;
  }

  async #scanAll(numbers: readonly number[], after: number, owed: CheckpointPlan): Promise<Survey> {
    const plan = new CheckpointPlan(owed);
    const chain = new JournalChain();
    let last: SegmentScan | undefined;
    for (const number of numbers) {
      if (number > after) last = await this.#scan(chain, number, (op, place) => plan.add(op, place));
    }
    return { plan, chain, last };
  }

  async #scan(chain: JournalChain, number: number, visit: OpVisitor): Promise<SegmentScan> {
    return chain.scan(number, await readFile(segmentPath(this.#directory, number)), visit);
  }

  /** A view of the segment's bytes where it is small enough to be kept whole. */
  async read({ segment, position, length }: StoredBytes): Promise<Buffer> {
    const whole = await this.#whole(segment);
    const bytes =
      whole?.subarray(position, position + length) ?? (await this.#part(segment, position, length));
    if (bytes.length < length) throw systemError('EIO', 'read', `journal segment ${segment} became shorter`);
    return bytes;
  }

  /** Undefined: it is larger than a segment is, but for one huge record. */
  #whole(segment: number): Promise<Buffer | undefined> {
    const known = this.#kept.get(segment);
    if (known) return known;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined && this.#kept.size >= SEGMENTS_KEPT) this.#kept.delete(oldest);
    const path = segmentPath(this.#directory, segment);
    const whole = stat(path).then(({ size }) => (size <= SEGMENT_BYTES_KEPT ? readFile(path) : undefined));
    this.#kept.set(segment, whole);
    return whole;
  }

  async #part(segment: number, position: number, length: number): Promise<Buffer> {
    const handle = await this.#handle(segment);
    const bytes = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; ) {
      const { bytesRead } = await handle.read(bytes, at, length - at, position + at);
      if (bytesRead === 0) return bytes.subarray(0, at);
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
    this.#kept.clear();
  }
}
