/** The leases of a mount for the other parts of `remote/`: opened in the background, and answering before they are open. */
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bucket } from '../bucket/bucket.ts';
import { type BucketError, reasonOf } from '../bucket/bucket-error.ts';
import type { Config } from '../config/load.ts';
import type { Waiting } from '../lease/acquisition.ts';
import { Abandoned, type Held, type LeaseEvents, LeaseLost } from '../lease/held.ts';
import { identityFile } from '../lease/identity.ts';
import { Leases } from '../lease/leases.ts';
import type { OwnerRecord } from '../lease/protocol.ts';
import { ownerCodec, ownerName } from '../lease/records/owner.ts';
import { readLeaseRecord } from '../lease/records/record.ts';
import { leaseTimes } from '../lease/settings.ts';
import { SessionfsError } from '../lib/errors.ts';
import type { Failure } from '../lib/failures.ts';
import { sharedAbort } from '../lib/shared-abort.ts';
import type { Logger } from '../observe/log.ts';
import { UNSHARED, type WriteGrant, type WriteGrants } from '../sync/write-grant.ts';
import { BucketReach } from './bucket-reach.ts';

export interface MountLeasesParts {
  /** Does not retry by itself. */
  bucket: Bucket;
  config: Config;
  cachePath: string;
  mountPoint: string;
  takeover: boolean;
  events: LeaseEvents;
  log: Logger;
}

const RETRY_MS = 1_000;

export class MountLeases implements WriteGrants {
  readonly #leases: Promise<Leases>;
  readonly #bucket: Bucket;
  readonly #reach = new BucketReach();
  /** An earlier daemon of this mount has listed the bucket. */
  readonly #inherits: boolean;
  /** Once a run. */
  #removesOldInboxes = true;
  readonly #log: Logger;
  readonly #over = sharedAbort();
  #open: Leases | undefined;
  /** As listed at the start; undefined: the bucket has not been listed yet. */
  #owners: ReadonlyMap<string, OwnerRecord> | undefined;

  /** Sends requests to the bucket at once, in the background: a mount that is taken over must not wait for them. */
  constructor({ bucket, config, cachePath, mountPoint, takeover, events, log }: MountLeasesParts) {
    this.#bucket = this.#reach.watch(bucket);
    this.#log = log;
    this.#inherits = takeover;
    this.#leases = this.#openWithRetries(log, {
      bucket: this.#bucket,
      identity: identityFile(cachePath),
      name: `${hostname()}:${mountPoint}`,
      times: leaseTimes(config),
      log,
      events,
      takeover,
    });
    this.#leases.catch(() => {});
  }

  /** Retries: a full disk may have space again. */
  async #openWithRetries(log: Logger, parts: Parameters<typeof Leases.open>[0]): Promise<Leases> {
    for (let isLogged = false; ; isLogged = true) {
      try {
        this.#open = await Leases.open(parts);
        return this.#open;
      } catch (error) {
        if (!isLogged)
          log.error(
            { error: String(error), hint: error instanceof SessionfsError ? error.hint : undefined },
            'Cannot save the identity of this mount in its cache; sessions wait until it can (retry in 1 s)',
          );
        const { signal } = this.#over;
        await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
        if (signal.aborted) throw error;
      }
    }
  }

  get waiting(): Waiting[] {
    return this.#open?.waiting ?? [];
  }

  /** The name of the mount that an acquisition of this session waits for. */
  holderOf(session: string): string | undefined {
    return this.#open?.holderOf(session);
  }

  /** Why the lease of a session that is acquired cannot be read at present. */
  failureOf(session: string): Failure | undefined {
    return this.#open?.failureOf(session);
  }

  /** The sessions that this mount holds. */
  get held(): string[] {
    return this.#open?.held ?? [];
  }

  holds(session: string): boolean {
    return this.#open?.holds(session) ?? false;
  }

  /** The epoch under which this mount holds the session; undefined: it does not hold it. */
  epochOf(session: string): number | undefined {
    return this.#open?.epochOf(session);
  }

  /** The owner of the session as listed at the start. */
  ownerOf(session: string): OwnerRecord | undefined {
    return this.#owners?.get(session);
  }

  /** Another mount held the session when the bucket was listed; undefined: unknown, only an earlier daemon listed it. */
  wasHeldElsewhere(session: string): boolean | undefined {
    if (this.#owners === undefined && this.#inherits) return undefined;
    if (this.#open?.isUnreadable(session)) return true;
    const owner = this.ownerOf(session);
    return owner !== undefined && owner.holder !== '' && !this.holds(session);
  }

  /** Why the bucket did not serve the last request: it gave no answer, or it refuses. Undefined: it served it. */
  get failure(): BucketError | undefined {
    return this.#reach.failure;
  }

  /** Time since the bucket last served a request. */
  get silentMs(): number {
    return this.#reach.silentMs;
  }

  /** A daemon that takes over holds what the one before held, and answers the challenges to it. */
  async inherit(signal: AbortSignal): Promise<void> {
    while (this.#owners === undefined && !signal.aborted) {
      await this.list().catch(() => sleep(RETRY_MS, undefined, { signal }).catch(() => {}));
    }
  }

  /** Lists the owners of all sessions. Rejects with BucketError. */
  async list(): Promise<void> {
    const leases = await this.#leases;
    const owners = await leases.list();
    this.#owners = owners;
    if (this.#removesOldInboxes) void this.#removeOldInboxes(leases, owners);
    this.#removesOldInboxes = false;
  }

  /** Best effort: the next start tries again. */
  async #removeOldInboxes(leases: Leases, owners: ReadonlyMap<string, OwnerRecord>): Promise<void> {
    try {
      const inboxes = await leases.removeOldInboxes(owners);
      if (inboxes > 0) this.#log.info({ inboxes }, 'Removed inboxes of mounts that are gone');
    } catch (error) {
      this.#log.debug({ ...reasonOf(error) }, 'Cannot remove inboxes of mounts that are gone');
    }
  }

  /** See Leases. Rejects with Abandoned also if no caller wants the session any more when the leases are open. */
  async acquire(session: string, isWanted: () => boolean): Promise<Held> {
    const leases = await this.#leases;
    if (!isWanted()) throw new Abandoned(session);
    return leases.acquire(session);
  }

  /** See Leases. */
  abandon(session: string): void {
    this.#open?.abandon(session);
  }

  isAbandoned(error: unknown): boolean {
    return error instanceof Abandoned;
  }

  async grant(session: string): Promise<WriteGrant> {
    return session === '' ? UNSHARED : (await this.#leases).grant(session);
  }

  async verify(session: string): Promise<boolean> {
    return session === '' || (await this.#leases).verify(session);
  }

  async floorRaised(session: string, epoch: number): Promise<void> {
    await (await this.#leases).floorRaised(session, epoch);
  }

  isLost(error: unknown): boolean {
    return error instanceof LeaseLost;
  }

  /** The present or last holder of a session of this name; undefined: no mount ever held it. Rejects with BucketError. */
  async readOwner(session: string): Promise<OwnerRecord | undefined> {
    return (await readLeaseRecord(this.#bucket, ownerName(session), ownerCodec))?.record;
  }

  /** See Leases. */
  async isOwn(owner: OwnerRecord): Promise<boolean> {
    return (await this.#leases).isOwn(owner);
  }

  /** See Leases. */
  async stopAcquiring(): Promise<void> {
    await this.#open?.stopAcquiring();
  }

  /** See Leases. */
  async release(sessions: readonly string[], unsettled: ReadonlySet<string>): Promise<void> {
    await this.#open?.release(sessions, unsettled);
  }

  async rewriteOlderThan(beforeMs: number): Promise<number> {
    return (await this.#leases).rewriteOlderThan(beforeMs);
  }

  async end(): Promise<void> {
    this.#over.abort();
    await (await this.#leases.catch(() => undefined))?.end();
  }
}
