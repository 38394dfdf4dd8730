/** Opens what joins a cache to a bucket, for one daemon. In local mode that is at most a ledger from earlier hybrid use. */
import { openBucket } from '../bucket/open.ts';
import type { Config } from '../config/load.ts';
import type { Keyring } from '../crypto/keyring.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Cache } from '../store/cache/cache.ts';
import type { CheckpointPlan } from '../store/checkpoint/plan.ts';
import { KeptVersionUploads } from '../sync/kept-version-uploads.ts';
import { noteCheckpoint } from '../sync/ledger/note-checkpoint.ts';
import { openLedger } from './open-ledger.ts';
import { RemoteSessions } from './remote-sessions.ts';

export interface OpenRemoteParts {
  config: Config;
  mountPoint: string;
  cache: Cache;
  /** Kept until `close`, for the restorer to check what it downloads. */
  keyring: Keyring;
  metrics: Metrics;
  log: Logger;
  /** An earlier daemon of this very mount has compared the cache with the bucket. */
  takeover: boolean;
}

export interface Remote {
  /** Undefined in local mode. */
  readonly sessions: RemoteSessions | undefined;
  /** Undefined in local mode. */
  readonly keptVersions: KeptVersionUploads | undefined;
  /**
   * For the checkpointer: notes what a checkpoint changed, durable on return. Local mode notes it too if this cache was ever
   * used with a bucket; undefined: it never was.
   */
  readonly noteCheckpoint: ((plan: CheckpointPlan) => Promise<void>) | undefined;
  /** Sessions with files that the bucket lacks. */
  dirtySessions(): string[];
  close(): Promise<void>;
}

/** Rejects with system errors of the cache. The bucket is not asked for anything yet. */
export async function openRemote(parts: OpenRemoteParts): Promise<Remote> {
  const { config, cache, metrics, log } = parts;
  const bucket = await bucketOf(config, metrics);
  const ledger = openLedger(config, cache, bucket, log);
  const sessions = bucket && ledger && new RemoteSessions({ ...parts, bucket, ledger });
  const keptVersions = bucket && new KeptVersionUploads({ bucket, cachePath: cache.path, log });
  return {
    sessions,
    keptVersions,
    noteCheckpoint: ledger && ((plan) => noteCheckpoint(ledger, plan)),
    dirtySessions: () => ledger?.dirtySessions ?? [],
    close: async () => {
      await keptVersions?.end();
      if (sessions !== undefined) await sessions.end();
      else ledger?.close();
    },
  };
}

async function bucketOf({ storageType, bucket, storageEmulatorUrl }: Config, metrics: Metrics) {
  if (storageType === 'local' || bucket === undefined) return undefined;
  return openBucket(bucket, {
    emulatorUrl: storageEmulatorUrl,
    observe: (report) => metrics.bucketOperation(report),
  });
}
