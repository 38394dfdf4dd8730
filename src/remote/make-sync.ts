/** Makes the BucketSync of a mount from the daemon's parts, and the numbers that metrics show of it. */
import type { Bucket } from '../bucket/bucket.ts';
import { retrying } from '../bucket/retry.ts';
import type { Config } from '../config/load.ts';
import { KEY_ID_SIZE, type Keyring } from '../crypto/keyring.ts';
import { SealError } from '../crypto/seal-error.ts';
import { checkSealed, sealedSize } from '../crypto/sealed-file.ts';
import { KEY_ID_OFFSET } from '../crypto/sealed-header.ts';
import { systemClock } from '../lib/clock.ts';
import { directoryName } from '../naming/sealed-name.ts';
import type { Logger } from '../observe/log.ts';
import type { MetricsSource } from '../observe/measurements.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Cache } from '../store/cache/cache.ts';
import { BucketSync, type MountSide } from '../sync/bucket-sync.ts';
import type { Ledger } from '../sync/ledger/ledger.ts';
import type { SealVerdict } from '../sync/restore/download.ts';
import type { WriteGrants } from '../sync/write-grant.ts';
import type { BucketHealth } from './bucket-health.ts';
import { Databases, isSealedDatabase } from './databases.ts';
import { isShownNewer } from './freshness.ts';
import type { KernelSide } from './kernel-side.ts';
import type { KeyCheck } from './key-check.ts';
import type { MountLeases } from './mount-leases.ts';
import type { SessionOpener } from './session-opener.ts';

export interface SyncOfDaemonParts {
  config: Config;
  bucket: Bucket;
  ledger: Ledger;
  cache: Cache;
  keyring: Keyring;
  metrics: Metrics;
  leases: MountLeases;
  mount: MountSide;
  kernel: KernelSide;
  /** See BucketSyncParts. */
  compared: (except: ReadonlySet<string>) => void;
  keyCheck: KeyCheck;
  /** See SyncEvents. */
  emptied: (session: string) => void;
  /** Ends the retries. */
  signal: AbortSignal;
  log: Logger;
}

/** For one request. After that its callers hear the error, and the next interval or caller retries. */
const RETRY = { attempts: 4, baseMs: 500, capMs: 8_000 };
const CLOUD_INTERVAL_MS = 60_000;
const LISTING_PAGE_MS = 10_000;

export function makeSync(parts: SyncOfDaemonParts): BucketSync {
  const { config, bucket, ledger, cache, keyring, metrics, leases, mount, kernel, compared } = parts;
  const { emptied, signal, log } = parts;
  const isCloud = config.storageType === 'cloud';
  return new BucketSync({
    bucket: retrying(bucket, { ...RETRY, signal }),
    ledger,
    cache,
    verify: verifier(keyring),
    isShownNewer: (path, there, here) => isShownNewer(keyring, path, there, here),
    maxBytes: sealedSize(config.maxFileSizeBytes),
    grants: withKeyCheck(leases, parts.keyCheck),
    learnOwners: () => leases.list(),
    compared,
    floorOf: (session) => leases.ownerOf(session)?.floor ?? 0,
    wroteElsewhere: (session) => {
      const owner = leases.ownerOf(session);
      return owner !== undefined && owner.epoch !== ledger.epochOf(session);
    },
    rewriteOwners: (beforeMs) => leases.rewriteOlderThan(beforeMs),
    mount,
    databases: new Databases({ cache, keyring, ledger, kernel, maxBytes: config.maxFileSizeBytes }),
    isDatabase: (path, sealed) => isSealedDatabase(keyring, path, sealed),
    events: {
      backup: (result, counts) => metrics.backup(result, counts),
      emptied,
      restore: (result, ms) => metrics.restore(result, ms),
      conflict: (quarantined) => metrics.conflict(quarantined),
      refreshed: (objects) => metrics.lifecycleRefreshed(objects),
    },
    log,
    // In cloud mode a change without a waiting caller (a plain file at rest) is uploaded soon all the same.
    intervalMs: isCloud ? config.backupIntervalMs || CLOUD_INTERVAL_MS : config.backupIntervalMs,
    concurrency: config.backupConcurrency,
    clock: systemClock,
    listingPageMs: LISTING_PAGE_MS,
  });
}

/** Nothing is uploaded before the bucket's key check stands. */
function withKeyCheck(leases: MountLeases, keyCheck: KeyCheck): WriteGrants {
  return {
    grant: async (session) => {
      await keyCheck.ensure();
      return leases.grant(session);
    },
    verify: (session) => leases.verify(session),
    floorRaised: (session, epoch) => leases.floorRaised(session, epoch),
    isLost: (error) => leases.isLost(error),
  };
}

export function bucketNumbers(
  ledger: Ledger,
  leases: MountLeases,
  opener: SessionOpener,
  health: BucketHealth,
): MetricsSource {
  const isHere = (session: string) => session !== '' && ledger.countsOf(session).absent === 0;
  return {
    dirtyFiles: () => ledger.dirtyCount,
    oldestDirtyMs: () => ledger.oldestDirtyMs(systemClock.wallMs()),
    sessions: () => ({
      local: ledger.sessionNames.filter(isHere).length,
      remote: ledger.absentSessions.length,
    }),
    storageBytes: () => ledger.inBucket().bytes,
    storageObjects: () => ledger.inBucket().objects,
    waiting: () => opener.waiting.length,
    bucketUsable: () => (health.trouble === undefined ? 1 : 0),
    leaseWaiting: () => leases.waiting.length,
  };
}

/** The restorer learns only whether sealed bytes open. */
function verifier(keyring: Keyring) {
  return (path: string, directoryMeta: boolean, sealed: Buffer): SealVerdict => {
    try {
      checkSealed(keyring, directoryMeta ? directoryName(path) : path, sealed);
      return { kind: 'opens' };
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      if (error.reason !== 'unknown-key') return { kind: 'corrupt', reason: error.reason };
      return { kind: 'key', keyId: sealed.toString('hex', KEY_ID_OFFSET, KEY_ID_OFFSET + KEY_ID_SIZE) };
    }
  };
}
