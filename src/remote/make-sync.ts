/** What syncs a mount with its bucket, made of the daemon's parts, and the numbers that it shows. */
import type { Bucket } from '../bucket/bucket.ts';
import { retrying } from '../bucket/retry.ts';
import type { Config } from '../config/load.ts';
import type { Keyring } from '../crypto/keyring.ts';
import { systemClock } from '../lib/clock.ts';
import type { Logger } from '../observe/log.ts';
import type { MetricsSource } from '../observe/measurements.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Cache } from '../store/cache/cache.ts';
import { BucketSync, type MountSide } from '../sync/bucket-sync.ts';
import type { Ledger } from '../sync/ledger/ledger.ts';
import type { MountLeases } from './mount-leases.ts';
import type { SessionOpener } from './session-opener.ts';
import { verifier } from './verify.ts';

export interface SyncOfDaemonParts {
  config: Config;
  bucket: Bucket;
  ledger: Ledger;
  cache: Cache;
  keyring: Keyring;
  metrics: Metrics;
  leases: MountLeases;
  mount: MountSide;
  /** See BucketSyncParts. */
  compared: (except: ReadonlySet<string>) => void;
  /** Ends the tries. */
  signal: AbortSignal;
  log: Logger;
}

/** Of one request: then whoever waits is told, and the next interval or caller tries again. */
const RETRY = { attempts: 4, baseMs: 500, capMs: 8_000 };
const CLOUD_INTERVAL_MS = 60_000;

export function makeSync(parts: SyncOfDaemonParts): BucketSync {
  const { config, bucket, ledger, cache, keyring, metrics, leases, mount, compared, signal, log } = parts;
  const isCloud = config.storageType === 'cloud';
  return new BucketSync({
    bucket: retrying(bucket, { ...RETRY, signal }),
    ledger,
    cache,
    verify: verifier(keyring),
    grants: leases,
    learnOwners: () => leases.list(),
    compared,
    floorOf: (session) => leases.ownerOf(session)?.floor ?? 0,
    wroteElsewhere: (session) => {
      const owner = leases.ownerOf(session);
      return owner !== undefined && owner.epoch !== ledger.epochOf(session);
    },
    rewriteOwners: (beforeMs) => leases.rewriteOlderThan(beforeMs),
    mount,
    events: {
      backup: (result, counts) => metrics.backup(result, counts),
      restore: (result, ms) => metrics.restore(result, ms),
      conflict: (quarantined) => metrics.conflict(quarantined),
      refreshed: (objects) => metrics.lifecycleRefreshed(objects),
    },
    log,
    // In cloud mode a change that nobody waits for (a plain file at rest) goes soon all the same.
    intervalMs: isCloud ? config.backupIntervalMs || CLOUD_INTERVAL_MS : config.backupIntervalMs,
    concurrency: config.backupConcurrency,
  });
}

export function bucketNumbers(ledger: Ledger, leases: MountLeases, sessions: SessionOpener): MetricsSource {
  const isHere = (session: string) => session !== '' && ledger.absentOf(session).length === 0;
  return {
    dirtyFiles: () => ledger.dirtyCount,
    oldestDirtyMs: () => ledger.oldestDirtyMs(systemClock.wallMs()),
    sessions: () => ({
      local: ledger.sessionNames.filter(isHere).length,
      remote: ledger.absentSessions.length,
    }),
    storageBytes: () => ledger.inBucket().bytes,
    storageObjects: () => ledger.inBucket().objects,
    waiting: () => sessions.waiting.length,
    leaseWaiting: () => leases.waiting.length,
  };
}
