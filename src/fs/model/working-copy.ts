/**
 * A file's bytes as writers see them, while they differ from the committed version.
 *
 *             first change                 complete: committed
 *     none ─────────────────▶ plain ──────────────────────────────▶ none
 *     none ─────────────────▶ held  ── complete, or given up ─────▶ none
 *     (new *.json) ─────────▶ begun ── complete ──▶ none;  given up: the file is gone
 *     held, begun ── does not begin like JSON ──▶ plain (begun: committed at once)
 */
import type { SealedMeta } from '../../crypto/sealed-file.ts';
import { type GateVerdict, JsonScanner, judgePieces, type ScannerState } from './json-gate.ts';
import type { ScanBudget } from './scan-budget.ts';

const MINIMUM_CAPACITY = 4096;
/** From here on it grows where it lies: in memory whose addresses are reserved, and whose pages come as they are written. */
const LARGE_BYTES = 1024 * 1024;
const GROWTH_BYTES = 4 * LARGE_BYTES;
/** Addresses for this many times what is needed, while there are any; they cost nothing. */
const RESERVED_FACTORS = [16, 2];
/** V8 reserves no more than 4 GiB at a time, and no file is larger than this. */
const RESERVED_BYTES_MAX = 1024 * LARGE_BYTES;

/** What TypeScript's library of ES2023 does not know. */
interface GrowableMemory extends ArrayBuffer {
  readonly maxByteLength: number;
  resize(bytes: number): void;
}

const GrowableMemory = ArrayBuffer as unknown as {
  new (bytes: number, options: { maxByteLength: number }): GrowableMemory;
};

export type WorkingState =
  /** No working copy: readers and writers see the committed version. */
  | 'none'
  /** Readers see it, as POSIX wants. Committed at rename, when it rests, and at an fsync once most of it is new. */
  | 'plain'
  /** Held back: readers see the committed version until this one is complete. */
  | 'held'
  /** Held back, and there is no committed version: the file is not published, lookup and readdir do not know it. */
  | 'begun';

/** One change's worth of memory; a truncation leaves the bytes where they are. */
export interface WorkingCopyUndo {
  offset: number;
  overwritten: Buffer;
  length: number;
  scanner: JsonScanner | undefined;
  scanned: ScannerState | undefined;
  changedMs: number;
}

/** One change, as the journal has it. `held`: the copy was held back before this change. */
export type WorkStep = { held: boolean } & (
  | { kind: 'write'; offset: number; data: Buffer; meta: SealedMeta }
  | { kind: 'truncate'; size: number }
);

export class WorkingCopy {
  #isHeldBack: boolean;
  /** When it was last changed, on the monotonic clock: what "idle" is measured from. */
  changedMs: number;
  /** When it was first changed, on the same clock. */
  readonly begunMs: number;
  /** How much was written to it, over and over included. */
  writtenBytes = 0;
  /** The journal has records that rebuild it; a new segment must repeat them before the old one goes. */
  journaled = false;
  /** It has changes that the journal lacks. */
  isAhead = false;
  #bytes: Buffer;
  /** What `#bytes` lies in, where it is large. */
  #memory: GrowableMemory | undefined;
  #length: number;
  /** undefined: the content is not known to have been written from its first byte on, in order. */
  #scanner: JsonScanner | undefined;
  /**
   * What the content is, where no scanner tells: undefined when it was not looked at since the last change, 'undecided' when it
   * should have been, and the budget did not allow it.
   */
  #judged: GateVerdict | 'undecided' | undefined;

  private constructor(bytes: Buffer, length: number, heldBack: boolean, nowMs: number) {
    this.#bytes = bytes;
    this.#length = length;
    this.#isHeldBack = heldBack;
    this.changedMs = nowMs;
    this.begunMs = nowMs;
    this.#scanner = length === 0 ? new JsonScanner() : undefined;
  }

  static empty(heldBack: boolean, nowMs: number): WorkingCopy {
    return new WorkingCopy(Buffer.alloc(0), 0, heldBack, nowMs);
  }

  /** Takes a copy of `content`. */
  static of(content: Buffer, heldBack: boolean, nowMs: number): WorkingCopy {
    return new WorkingCopy(Buffer.from(content), content.length, heldBack, nowMs);
  }

  /** What an earlier daemon made of `base` in these steps. */
  static rebuilt(base: Buffer, steps: readonly WorkStep[], nowMs: number): WorkingCopy {
    // Each step says what the copy was before it; whether the last one made it plain, its content tells.
    const held = steps.at(-1)?.held === true;
    const working = base.length === 0 ? WorkingCopy.empty(held, nowMs) : WorkingCopy.of(base, held, nowMs);
    for (const step of steps) {
      if (step.kind === 'write') working.write(step.offset, step.data, nowMs);
      else working.truncate(step.size, nowMs);
    }
    if (held && working.verdict() === 'plain') working.reveal();
    working.journaled = true;
    return working;
  }

  /** Readers are not to see it (a *.json in the making). */
  get isHeldBack(): boolean {
    return this.#isHeldBack;
  }

  /** It is not JSON at all: readers see it from now on. */
  reveal(): void {
    this.#isHeldBack = false;
  }

  get length(): number {
    return this.#length;
  }

  /** The content, without copying: good until the next change. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Before a change that must not fail any more: makes room for `size` bytes. Throws RangeError where there is no memory. */
  reserve(size: number): void {
    this.#reserve(size);
  }

  /** Writes behind the end fill the gap with zeros, as POSIX wants. */
  write(offset: number, data: Buffer, nowMs: number): void {
    const end = offset + data.length;
    this.#reserve(end);
    this.#changed(nowMs);
    if (offset > this.#length) this.#bytes.fill(0, this.#length, offset);
    data.copy(this.#bytes, offset);
    if (this.#scanner !== undefined) {
      if (offset === this.#scanner.position) this.#scanner.feed(data);
      else this.#scanner = undefined;
    }
    if (end > this.#length) this.#length = end;
    this.writtenBytes += data.length;
  }

  /** Committing it costs no more than writing it did. */
  get isMostlyNew(): boolean {
    return this.writtenBytes >= this.#length;
  }

  /** What `undo` needs to take back a change of up to `length` bytes from `offset` on. */
  before(offset: number, length: number): WorkingCopyUndo {
    const overwritten = this.#bytes.subarray(offset, Math.min(offset + length, this.#length));
    return {
      offset,
      overwritten: Buffer.from(overwritten),
      length: this.#length,
      scanner: this.#scanner,
      scanned: this.#scanner?.save(length),
      changedMs: this.changedMs,
    };
  }

  undo({ offset, overwritten, length, scanner, scanned, changedMs }: WorkingCopyUndo): void {
    this.#changed(changedMs);
    overwritten.copy(this.#bytes, offset);
    this.#length = length;
    this.#scanner = scanner;
    if (scanned !== undefined) scanner?.restore(scanned);
  }

  truncate(size: number, nowMs: number): void {
    this.#changed(nowMs);
    if (size > this.#length) {
      this.#reserve(size);
      this.#bytes.fill(0, this.#length, size);
    }
    if (size === 0) this.#scanner = new JsonScanner();
    else if (size !== this.#length) this.#scanner = undefined;
    this.#length = size;
  }

  /** Nothing in it comes from the version before: it began empty and was written from its first byte on. */
  get isFromScratch(): boolean {
    return this.#scanner !== undefined;
  }

  /** See `verdict`: it said 'undecided', and nothing has decided since. */
  get isUndecided(): boolean {
    return this.#judged === 'undecided';
  }

  /** 'undecided' only where there is a budget. */
  verdict(): GateVerdict;
  verdict(budget: ScanBudget): GateVerdict | 'undecided';
  verdict(budget?: ScanBudget): GateVerdict | 'undecided' {
    if (this.#scanner !== undefined) return this.#scanner.verdict;
    if (this.#judged === undefined || this.#judged === 'undecided')
      this.#judged = judgePieces(this.view(), budget);
    return this.#judged;
  }

  #changed(nowMs: number): void {
    this.changedMs = nowMs;
    this.#judged = undefined;
  }

  #reserve(size: number): void {
    if (size <= this.#bytes.length) return;
    if (size >= LARGE_BYTES) this.#reserveLarge(Math.ceil(size / GROWTH_BYTES) * GROWTH_BYTES);
    else this.#moveTo(Buffer.allocUnsafeSlow(Math.max(size, MINIMUM_CAPACITY, this.#bytes.length * 2)));
  }

  #reserveLarge(size: number): void {
    if (this.#memory !== undefined && size <= this.#memory.maxByteLength) {
      this.#memory.resize(size);
      this.#bytes = Buffer.from(this.#memory, 0, size);
    } else {
      this.#memory = growable(size);
      this.#moveTo(Buffer.from(this.#memory, 0, size));
    }
  }

  #moveTo(larger: Buffer): void {
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Throws RangeError where there is no memory for `size` bytes. */
function growable(size: number): GrowableMemory {
  for (const factor of RESERVED_FACTORS) {
    const maxByteLength = Math.max(size, Math.min(size * factor, RESERVED_BYTES_MAX));
    try {
      return new GrowableMemory(size, { maxByteLength });
    } catch {
      // There are not as many addresses.
    }
  }
  return new GrowableMemory(size, { maxByteLength: size });
}
