/** Finds out whether a mount that holds a session is alive. One probe a mount serves all sessions that it holds. */
import type { Bucket } from '../bucket/bucket.ts';
import { isPrecondition } from '../bucket/bucket-error.ts';
import type { Clock } from '../lib/clock.ts';
import { newId } from './identity.ts';
import { type Contention, contend, type InboxRecord, type Seen } from './protocol.ts';
import { inboxCodec, inboxName } from './records/inbox.ts';
import { readLeaseRecord, untilWon, writeLeaseRecord } from './records/record.ts';
import { type LeaseTimes, takeOverAfterMs } from './times.ts';

export interface HolderProbeParts {
  readonly bucket: Bucket;
  readonly times: LeaseTimes;
  readonly clock: Clock;
}

/** Condemned is final. */
type Verdict = 'alive' | 'condemned';

export class HolderProbe {
  readonly #parts: HolderProbeParts;
  readonly #inboxName: string;
  /** The newest version of the inbox, and since when this mount has known it. */
  #known: { generation: string; sinceMs: number } | undefined;
  #last: { verdict: Verdict; atMs: number } | undefined;
  #probing: Promise<Verdict> | undefined;

  constructor(parts: HolderProbeParts, id: string) {
    this.#parts = parts;
    this.#inboxName = inboxName(id);
  }

  /** Probes at most once in `pollMs`; callers share the probe under way. Rejects with BucketError. */
  verdict(): Promise<Verdict> {
    const last = this.#last;
    if (last?.verdict === 'condemned' || (last && this.#nowMs() - last.atMs < this.#parts.times.pollMs))
      return Promise.resolve(last.verdict);
    this.#probing ??= this.#probe()
      .then((verdict) => {
        this.#last = { verdict, atMs: this.#nowMs() };
        return verdict;
      })
      .finally(() => {
        this.#probing = undefined;
      });
    return this.#probing;
  }

  #probe(): Promise<Verdict> {
    const { bucket } = this.#parts;
    return untilWon(this.#inboxName, async (): Promise<Verdict | undefined> => {
      const inbox = await readLeaseRecord(bucket, this.#inboxName, inboxCodec);
      if (inbox !== undefined) this.#know(inbox);
      const step = contend(inbox, this.#contention(inbox));
      if (step.do === 'take-over') return 'condemned';
      if (step.do === 'wait') return 'alive';
      try {
        this.#know(await writeLeaseRecord(bucket, this.#inboxName, inboxCodec, step));
      } catch (error) {
        if (isPrecondition(error)) return undefined;
        throw error;
      }
      return step.do === 'condemn' ? 'condemned' : 'alive';
    });
  }

  /** Counts from the answer: when the request was sent, this version may not have existed yet. */
  #know({ generation }: Seen<InboxRecord>): void {
    if (this.#known?.generation === generation) return;
    this.#known = { generation, sinceMs: this.#nowMs() };
  }

  #contention(inbox: Seen<InboxRecord> | undefined): Contention {
    const { times } = this.#parts;
    const grantMs = inbox?.record.grantMs ?? times.grantMs;
    const known = this.#known;
    const isKnown = known !== undefined && known.generation === inbox?.generation;
    return {
      challenge: newId(),
      knownForMs: isKnown ? this.#nowMs() - known.sinceMs : undefined,
      takeOverMs: takeOverAfterMs(times, grantMs),
      grantMs,
    };
  }

  #nowMs(): number {
    return this.#parts.clock.monotonicMs();
  }
}

/** One probe for each mount id. */
export class HolderProbes {
  readonly #parts: HolderProbeParts;
  readonly #probes = new Map<string, HolderProbe>();

  constructor(parts: HolderProbeParts) {
    this.#parts = parts;
  }

  of(id: string): HolderProbe {
    const probe = this.#probes.get(id) ?? new HolderProbe(this.#parts, id);
    this.#probes.set(id, probe);
    return probe;
  }
}
