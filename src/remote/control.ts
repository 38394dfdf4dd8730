/** Serves reads of and writes to `.sessionfs` that concern the bucket. */

import type { RemoteMessage } from '../drivers/host/messages.ts';
import type { Metrics } from '../observe/metrics.ts';
import { statusText } from '../observe/status-text.ts';
import type { BucketSync } from '../sync/bucket-sync.ts';
import type { Ledger } from '../sync/ledger/ledger.ts';
import type { BucketHealth } from './bucket-health.ts';
import type { MountLeases } from './mount-leases.ts';
import type { SessionOpener } from './session-opener.ts';
import { type BucketStatus, type BucketStatusParts, bucketStatus } from './status.ts';

export interface ControlParts {
  /** Bucket.address. */
  address: string;
  health: BucketHealth;
  sync: BucketSync;
  ledger: Ledger;
  leases: MountLeases;
  opener: SessionOpener;
  metrics: Metrics;
}

export type ControlQuestion = Extract<RemoteMessage, { type: 'ask' }>;

export class ControlAnswers {
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  /** undefined: it failed, and the log says why. Never rejects. */
  async answer({ question, argument, dirtyPaths }: ControlQuestion): Promise<string | undefined> {
    try {
      if (question === 'flush') return await this.#flush(argument);
      if (question === 'metrics') return await this.#parts.metrics.render();
      return this.#status(argument, dirtyPaths);
    } catch {
      return undefined;
    }
  }

  async #flush(what: string): Promise<string> {
    const { flusher } = this.#parts.sync;
    if (what === 'all') await flusher.flushAll();
    else await flusher.flushKnown(what);
    return '';
  }

  /** `known`: the kernel thread's part of the status, in JSON. */
  #status(known: string, dirtyPaths: readonly string[]): string {
    return statusText({ ...(JSON.parse(known) as object), ...this.report(dirtyPaths) });
  }

  /** `dirtyPaths`: as BucketStatusParts has them. */
  report(dirtyPaths: readonly string[]): BucketStatus {
    const { address, health, ledger, leases, opener } = this.#parts;
    const { flusher, restorer, listingError } = this.#parts.sync;
    const waiting = new Map(
      leases.waiting.map(({ session, holder, waitedMs }) => [
        session,
        { holder, waitedMs: Math.round(waitedMs) },
      ]),
    );
    return bucketStatus({
      address,
      ledger,
      waiting: [...restorer.waiting, ...opener.waiting],
      outcomeOf: (session) => flusher.outcomeOf(session),
      holderOf: (session) => waiting.get(session),
      epochOf: (session) => leases.epochOf(session),
      listingError,
      trouble: health.trouble,
      failureOf: (session) => this.#failureOf(session),
      dirtyPaths,
    });
  }

  #failureOf(session: string): ReturnType<BucketStatusParts['failureOf']> {
    const { leases, opener, sync } = this.#parts;
    const failure =
      leases.failureOf(session) ?? opener.failureOf(session) ?? sync.restorer.failureOf(session);
    if (failure !== undefined) return { ...failure, waits: 'calls' };
    const backup = sync.flusher.failureOf(session);
    return backup && { ...backup, waits: 'backup' };
  }
}
