/**
 * A journal that was cut or damaged: the filesystem that opens on it shows the state after a prefix of the commits. It
 * refuses to open (JOURNAL_CORRUPT) only where a record is damaged and a later segment proves that it was once whole; a
 * damaged record in the last segment cannot be told from one whose write was cut. A damaged version in a segment's header
 * is that of another program (CACHE_FORMAT).
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SessionfsError } from '../../src/lib/errors.ts';
import { RecordHeader, SegmentHeader } from '../../src/store/journal/format.ts';
import { Prng } from '../drivers/support/prng.ts';
import { Harness } from '../fs/harness.ts';
import { count } from './support/counts.ts';
import { goesOn } from './support/goes-on.ts';
import { History, type Random } from './support/history.ts';
import { differences, type Snapshot, snapshot } from './support/snapshot.ts';

const CUTS = count(90, 600);
const FLIPS = count(60, 400);
const CUTS_PER_HISTORY = count(18, 100);
const FLIPS_PER_HISTORY = 10;
const STEPS = 50;
const LAST_RECORDS = 3;

/** What the filesystem showed when the journal was that long. */
interface Point {
  segment: number;
  bytes: number;
  state: Snapshot;
}

class Store {
  readonly harness: Harness;
  readonly points: Point[] = [];
  readonly segments = new Map<number, Buffer>();

  constructor(harness: Harness) {
    this.harness = harness;
  }

  static async make(t: TestContext, seed: number): Promise<Store> {
    const next = generator(seed);
    const harness = new Harness({ segmentBytes: 3000 + next(20_000) });
    t.after(() => harness.remove());
    const store = new Store(harness);
    const history = new History(harness, next, () => store.#note());
    for (let step = 0; step < STEPS; step++) {
      if (next(20) === 0 && step < STEPS - 15) {
        await harness.checkpoint();
        store.points.length = 0;
        store.#note();
      } else {
        history.step();
      }
    }
    harness.crash();
    for (const name of store.#names())
      store.segments.set(Number.parseInt(name, 10), readFileSync(join(store.#journal, name)));
    return store;
  }

  get #journal(): string {
    return join(this.harness.cachePath, 'journal');
  }

  #names(): string[] {
    return readdirSync(this.#journal).sort();
  }

  #note(): void {
    const last = this.#names().at(-1);
    const bytes = last === undefined ? 0 : readFileSync(join(this.#journal, last)).length;
    const segment = last === undefined ? 0 : Number.parseInt(last, 10);
    this.points.push({ segment, bytes, state: snapshot(this.harness) });
  }

  /** Where its records end; the first one is the end of the header. */
  boundaries(segment: number): number[] {
    const bytes = this.segments.get(segment) as Buffer;
    const ends = [SegmentHeader.SIZE as number];
    for (let at = ends[0] as number; at < bytes.length; ends.push(at))
      at += RecordHeader.SIZE + bytes.readUInt32LE(at + RecordHeader.LENGTH);
    return ends;
  }

  /** Before this the segment holds what a checkpoint left to it, unfinished files: with damage there, they are lost as well. */
  floor(segment: number): number {
    const first = this.points[0];
    return first?.segment === segment ? first.bytes : 0;
  }

  /** What may be shown when the journal is whole up to there: one state, or two in the middle of an operation's records. */
  allowed(segment: number, bytes: number): Snapshot[] {
    const reached = (point: Point) =>
      point.segment < segment || (point.segment === segment && point.bytes <= bytes);
    const at = this.points.findLastIndex(reached);
    const point = this.points[at];
    const exact = point?.segment === segment && point.bytes === bytes;
    const possible = exact ? [point] : [point, this.points[at + 1]];
    return possible.filter((each) => each !== undefined).map(({ state }) => state);
  }

  /** The filesystem on a copy whose `segment` is these bytes. */
  open(segment: number, bytes: Buffer): Harness {
    const path = join(this.#journal, `${String(segment).padStart(10, '0')}.log`);
    writeFileSync(path, bytes);
    try {
      return new Harness({ from: this.harness.cachePath });
    } finally {
      writeFileSync(path, this.segments.get(segment) as Buffer);
    }
  }
}

function generator(seed: number): Random {
  const prng = new Prng(seed);
  return (limit) => prng.below(limit);
}

async function showsPrefix(h: Harness, allowed: Snapshot[], context: string): Promise<void> {
  try {
    const actual = snapshot(h);
    const unlike = allowed.map((state) => differences(actual, state));
    assert.ok(
      unlike.some((found) => found.length === 0),
      `${context}: ${unlike.map((found) => found.join('\n')).join('\nor ')}`,
    );
    await goesOn(h, context);
  } finally {
    h.remove();
  }
}

/** The whole records below `at`. */
function wholeBelow(boundaries: number[], at: number): number {
  return boundaries.findLast((end) => end <= at) ?? 0;
}

test(`a journal cut at any byte of its last records shows a prefix of the commits, ${CUTS} cuts`, async (t) => {
  let done = 0;
  for (let seed = 1; done < CUTS; seed++) {
    const store = await Store.make(t, seed);
    const last = Math.max(...store.segments.keys());
    const bytes = store.segments.get(last) as Buffer;
    const boundaries = store.boundaries(last);
    const from = Math.max(boundaries.at(-1 - LAST_RECORDS) ?? 0, store.floor(last));
    // Every byte where the count allows it, and an even selection of them where it does not.
    const stride = Math.max(1, (bytes.length - from) / CUTS_PER_HISTORY);
    for (let at = from; at < bytes.length && done < CUTS; at += stride, done++) {
      const cut = Math.floor(at);
      const zeros = done % 4 === 0 ? Buffer.alloc(64) : Buffer.alloc(0);
      const h = store.open(last, Buffer.concat([bytes.subarray(0, cut), zeros]));
      const context = `history ${seed}, segment ${last} cut at ${cut}`;
      await showsPrefix(h, store.allowed(last, wholeBelow(boundaries, cut)), context);
    }
  }
  t.diagnostic(`${done} cuts`);
});

test(`a flipped bit shows a prefix of the commits, or is refused where later ones prove it, ${FLIPS} flips`, async (t) => {
  const outcomes = { prefix: 0, JOURNAL_CORRUPT: 0, CACHE_FORMAT: 0 };
  const done = () => Object.values(outcomes).reduce((sum, number) => sum + number);
  for (let seed = 1; done() < FLIPS; seed++) {
    const store = await Store.make(t, 1000 + seed);
    const next = generator(seed);
    for (let i = 0; i < FLIPS_PER_HISTORY; i++) {
      const numbers = [...store.segments.keys()];
      const segment = numbers[next(numbers.length)] as number;
      const bytes = Buffer.from(store.segments.get(segment) as Buffer);
      // Now and then where nothing but the header is.
      const at = next(8) === 0 ? next(SegmentHeader.SIZE) : next(bytes.length);
      if (at >= SegmentHeader.SIZE && at < store.floor(segment)) continue;
      bytes[at] = (bytes[at] as number) ^ (1 << next(8));
      const isLast = segment === Math.max(...numbers);
      const context = `history ${1000 + seed}, segment ${segment} of ${numbers.join()}, byte ${at}`;
      const expected = expectedError(bytes, at, isLast);
      if (expected !== undefined) {
        assert.throws(
          () => store.open(segment, bytes),
          (error) => error instanceof SessionfsError && error.code === expected,
          context,
        );
        outcomes[expected]++;
        continue;
      }
      const whole = at < SegmentHeader.SIZE ? 0 : wholeBelow(store.boundaries(segment), at);
      if (whole < store.floor(segment)) continue;
      await showsPrefix(store.open(segment, bytes), store.allowed(segment, whole), context);
      outcomes.prefix++;
    }
  }
  assert.ok(
    Object.values(outcomes).every((count) => count > 0),
    JSON.stringify(outcomes),
  );
  t.diagnostic(`outcomes: ${JSON.stringify(outcomes)}`);
});

function expectedError(
  bytes: Buffer,
  at: number,
  isLast: boolean,
): 'CACHE_FORMAT' | 'JOURNAL_CORRUPT' | undefined {
  const isVersion = at >= SegmentHeader.VERSION && at < SegmentHeader.NUMBER;
  if (isVersion && bytes.readUInt32LE(SegmentHeader.VERSION) !== 0) return 'CACHE_FORMAT';
  return isLast ? undefined : 'JOURNAL_CORRUPT';
}
