/** The leases of a mount, as the daemon's other parts use them. */
import { hostname } from 'node:os';
import type { Bucket } from './bucket/bucket.ts';
import type { Config } from './config.ts';
import { type Held, type LeaseEvents, LeaseLost } from './lease/held.ts';
import { identityFile } from './lease/identity.ts';
import { Leases } from './lease/leases.ts';
import { ownerCodec, ownerName } from './lease/owner-record.ts';
import type { OwnerRecord } from './lease/protocol.ts';
import { readRecord } from './lease/record.ts';
import { checkOrder, type LeaseTimes } from './lease/times.ts';
import { SessionfsError } from './lib/errors.ts';
import type { Logger } from './observe/log.ts';
import { type Permit, type Rights, UNSHARED } from './sync/rights.ts';

export interface SessionLeasesParts {
  /** One that does not try again by itself. */
  bucket: Bucket;
  config: Config;
  cachePath: string;
  mountPoint: string;
  takeover: boolean;
  events: LeaseEvents;
  log: Logger;
}

/** Throws CONFIG_INVALID where the times do not fit together. */
export function leaseTimes(config: Config): LeaseTimes {
  const times = {
    lookIntervalMs: config.leaseLookIntervalMs,
    permissionMs: config.leasePermissionMs,
    takeOverMs: config.leaseTakeOverMs,
    pollMs: config.leasePollMs,
  };
  try {
    checkOrder(times);
  } catch (cause) {
    throw new SessionfsError('CONFIG_INVALID', withVariables((cause as Error).message), {
      cause,
      hint: 'SESSION_LEASE_LOOK_INTERVAL, SESSION_LEASE_PERMISSION and SESSION_LEASE_TAKEOVER must grow in this order: leave them alone, or change all three.',
    });
  }
  return times;
}

const VARIABLES: Readonly<Record<keyof LeaseTimes, string>> = {
  lookIntervalMs: 'SESSION_LEASE_LOOK_INTERVAL',
  permissionMs: 'SESSION_LEASE_PERMISSION',
  takeOverMs: 'SESSION_LEASE_TAKEOVER',
  pollMs: 'SESSION_LEASE_POLL',
};

function withVariables(message: string): string {
  return Object.entries(VARIABLES).reduce(
    (text, [name, variable]) => text.replaceAll(name, variable),
    message,
  );
}

export class SessionLeases implements Rights {
  readonly #leases: Promise<Leases>;
  readonly #bucket: Bucket;
  #open: Leases | undefined;
  /** As listed at the start; undefined: the bucket has not told. */
  #owners: ReadonlyMap<string, OwnerRecord> | undefined;

  /** Asks the bucket at once; a mount that is taken over must not wait for that. */
  constructor({ bucket, config, cachePath, mountPoint, takeover, events, log }: SessionLeasesParts) {
    this.#bucket = bucket;
    this.#leases = Leases.open({
      bucket,
      identity: identityFile(cachePath),
      name: `${hostname()}:${mountPoint}`,
      times: leaseTimes(config),
      log,
      events,
      takeover,
    });
    this.#leases.then(
      (leases) => {
        this.#open = leases;
      },
      (error: unknown) => log.error({ error: String(error) }, 'The leases of this mount cannot be kept'),
    );
  }

  /** Others can see that this mount lives: the bucket has answered. */
  get isOpen(): boolean {
    return this.#open?.isOpen ?? false;
  }

  get waiting(): { session: string; holder: string; waitedMs: number }[] {
    return this.#open?.waiting ?? [];
  }

  /** Whom an acquisition waits for. */
  holderOf(session: string): string | undefined {
    return this.#open?.holder(session)?.name;
  }

  /** The sessions that this mount holds. */
  get held(): string[] {
    return this.#open?.held ?? [];
  }

  holds(session: string): boolean {
    return this.#open?.holds(session) ?? false;
  }

  /** What is known of the session since the start. */
  ownerOf(session: string): OwnerRecord | undefined {
    return this.#owners?.get(session);
  }

  /** Another mount had the session when the bucket was listed. */
  wasHeldElsewhere(session: string): boolean {
    const owner = this.ownerOf(session);
    return owner !== undefined && owner.holder !== '' && !this.holds(session);
  }

  /** Learns who has what. Rejects with BucketError. */
  async list(): Promise<void> {
    this.#owners = await (await this.#leases).list();
  }

  async acquire(session: string): Promise<Held> {
    return (await this.#leases).acquire(session);
  }

  async permit(session: string): Promise<Permit> {
    return session === '' ? UNSHARED : (await this.#leases).permit(session);
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

  /** Who has a session of this name now, or had it last; undefined: nobody ever did. Rejects with BucketError. */
  async askForOwner(session: string): Promise<OwnerRecord | undefined> {
    return (await readRecord(this.#bucket, ownerName(session), ownerCodec))?.record;
  }

  /** See Leases. */
  async release(sessions: readonly string[], unsettled: ReadonlySet<string>): Promise<void> {
    await this.#open?.release(sessions, unsettled);
  }

  async rewriteOlderThan(beforeMs: number): Promise<number> {
    return (await this.#leases).rewriteOlderThan(beforeMs);
  }

  async end(): Promise<void> {
    await (await this.#leases.catch(() => undefined))?.end();
  }
}
