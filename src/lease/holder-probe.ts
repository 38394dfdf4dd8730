/** A mount that holds what this one waits for: asked whether it lives, once for all sessions. */
import type { Bucket } from '../bucket/bucket.ts';
import type { Clock } from '../lib/clock.ts';
import { newId } from './identity.ts';
import { contend, type InboxRecord, type Seen } from './protocol.ts';
import { inboxCodec, inboxName } from './records/inbox.ts';
import { isPrecondition, readRecord, writeRecord } from './records/record.ts';
import { type LeaseTimes, takeOverAfterMs } from './times.ts';

export interface RivalParts {
  readonly bucket: Bucket;
  readonly times: LeaseTimes;
  readonly clock: Clock;
}

type Verdict = 'alive' | 'condemned';

export class Rival {
  readonly #parts: RivalParts;
  readonly #name: string;
  /** The newest version of its inbox, and since when that has been known. */
  #known: { generation: string; sinceMs: number } | undefined;
  #verdict: { verdict: Verdict; atMs: number } | undefined;
  #asking: Promise<Verdict> | undefined;

  constructor(parts: RivalParts, id: string) {
    this.#parts = parts;
    this.#name = inboxName(id);
  }

  /** Condemned is final. Asks the bucket at most once in `pollMs`. Rejects with BucketError. */
  verdict(): Promise<Verdict> {
    const last = this.#verdict;
    const isFresh =
      last?.verdict === 'condemned' ||
      (last !== undefined && this.#nowMs() - last.atMs < this.#parts.times.pollMs);
    if (isFresh) return Promise.resolve(last.verdict);
    this.#asking ??= this.#ask()
      .then((verdict) => {
        this.#verdict = { verdict, atMs: this.#nowMs() };
        return verdict;
      })
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }

  async #ask(): Promise<Verdict> {
    for (;;) {
      const inbox = await readRecord(this.#parts.bucket, this.#name, inboxCodec);
      if (inbox !== undefined) this.#know(inbox);
      const step = contend(inbox, this.#contention(inbox));
      if (step.do === 'take-over') return 'condemned';
      if (step.do === 'wait') return 'alive';
      try {
        this.#know(await writeRecord(this.#parts.bucket, this.#name, inboxCodec, step));
      } catch (error) {
        if (isPrecondition(error)) continue;
        throw error;
      }
      return step.do === 'condemn' ? 'condemned' : 'alive';
    }
  }

  /** Counts from the answer: when a request was sent, its version may not have been there yet. */
  #know({ generation }: Seen<InboxRecord>): void {
    if (this.#known?.generation === generation) return;
    this.#known = { generation, sinceMs: this.#nowMs() };
  }

  #contention(inbox: Seen<InboxRecord> | undefined): Parameters<typeof contend>[1] {
    const { times } = this.#parts;
    const permissionMs = inbox?.record.permissionMs ?? times.permissionMs;
    const known = this.#known;
    return {
      challenge: newId(),
      knownForMs:
        known && inbox && known.generation === inbox.generation ? this.#nowMs() - known.sinceMs : undefined,
      takeOverMs: takeOverAfterMs(times, permissionMs),
      permissionMs,
    };
  }

  #nowMs(): number {
    return this.#parts.clock.monotonicMs();
  }
}

/** One for each mount id. */
export class Rivals {
  readonly #parts: RivalParts;
  readonly #known = new Map<string, Rival>();

  constructor(parts: RivalParts) {
    this.#parts = parts;
  }

  of(id: string): Rival {
    const known = this.#known.get(id) ?? new Rival(this.#parts, id);
    this.#known.set(id, known);
    return known;
  }
}
