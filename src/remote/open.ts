/** Opens what joins a cache to a bucket, for one daemon. In local mode that is at most a ledger from earlier hybrid use. */
import { readdirSync } from 'node:fs';
import type { Bucket } from '../bucket/bucket.ts';
import { openBucket } from '../bucket/open.ts';
import type { Config } from '../config/load.ts';
import type { Keyring } from '../crypto/keyring.ts';
import type { CoreData } from '../drivers/host/messages.ts';
import { identityFile } from '../lease/identity.ts';
import { systemClock } from '../lib/clock.ts';
import { sharedAbort } from '../lib/shared-abort.ts';
import { directoryMetaName, toObjectName } from '../naming/object-name.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Cache } from '../store/cache/cache.ts';
import type { CheckpointPlan } from '../store/checkpoint/plan.ts';
import { SessionInConflict } from '../sync/backup/flusher.ts';
import { ForeignWrite } from '../sync/backup/upload.ts';
import type { MountSide } from '../sync/bucket-sync.ts';
import { KeptVersionUploads } from '../sync/kept-version-uploads.ts';
import { Ledger, ledgerPath } from '../sync/ledger/ledger.ts';
import { noteCheckpoint } from '../sync/ledger/note-checkpoint.ts';
import { type ReadLedger, readLedger } from '../sync/ledger/reading.ts';
import { leaveBehind } from '../sync/left-behind.ts';
import { MemoryLimit } from '../sync/memory-limit.ts';
import { TrashUploads } from '../sync/trash-uploads.ts';
import { BucketHealth } from './bucket-health.ts';
import { BucketReach } from './bucket-reach.ts';
import { ControlAnswers } from './control.ts';
import { DeletedSessions } from './deleted-sessions.ts';
import { FinalFlush } from './final-flush.ts';
import { KernelSide } from './kernel-side.ts';
import { KeyCheck } from './key-check.ts';
import { bucketNumbers, makeSync } from './make-sync.ts';
import { MountLeases } from './mount-leases.ts';
import { RemoteSessions } from './remote-sessions.ts';
import { SessionOpener } from './session-opener.ts';
import { foundUnshareable } from './shareable-bucket.ts';
import { WriteThrough } from './write-through.ts';

const NAMES_IN_LINE = 100;

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

export interface OpenedRemote {
  /** Undefined in local mode. */
  readonly sessions: RemoteSessions | undefined;
  /** Undefined in local mode. */
  readonly keptVersions: KeptVersionUploads | undefined;
  readonly trash: TrashUploads | undefined;
  /**
   * For the checkpointer: notes what a checkpoint changed, durable on return. Local mode notes it too if this cache was ever
   * used with a bucket; undefined: it never was.
   */
  readonly noteCheckpoint: ((plan: CheckpointPlan) => Promise<void>) | undefined;
  /** Sessions with files that the bucket lacks. */
  dirtySessions(): string[];
  close(): Promise<void>;
}

/** Rejects as BucketHealth.requireUsable does, and with system errors of the cache. */
export async function openRemote(parts: OpenRemoteParts): Promise<OpenedRemote> {
  const { config, cache, metrics, log } = parts;
  const reach = new BucketReach();
  const bucket = await bucketOf(config, metrics, reach);
  const ledger = await openLedger(config, cache, bucket, log);
  const keyCheck = bucket && new KeyCheck({ bucket, keyring: parts.keyring, log });
  const health =
    keyCheck &&
    new BucketHealth({
      reach,
      keyCheck,
      unshareable: () => foundUnshareable(bucket, identityFile(cache.path), log),
      log,
    });
  const sessions =
    bucket && ledger && keyCheck && health
      ? openRemoteSessions({ ...parts, bucket, ledger, keyCheck, health })
      : undefined;
  const keptVersions = bucket && new KeptVersionUploads({ bucket, cachePath: cache.path, log });
  const trash =
    bucket && config.trashDays > 0
      ? new TrashUploads({
          ...{ bucket, cachePath: cache.path, days: config.trashDays, isVolatile: config.cacheInMemory },
          ...{ nowMs: systemClock.wallMs, log },
        })
      : undefined;
  const remote: OpenedRemote = {
    sessions,
    keptVersions,
    trash,
    noteCheckpoint:
      ledger &&
      (async (plan) => {
        await noteCheckpoint(ledger, plan);
        sessions?.checkpointed(plan);
      }),
    dirtySessions: () => ledger?.dirtySessions ?? [],
    close: async () => {
      await Promise.all([keptVersions?.end(), trash?.end()]);
      if (sessions !== undefined) await sessions.end();
      else ledger?.close();
    },
  };
  try {
    // A mount that is taken over never ends for that.
    if (!parts.takeover) await health?.requireUsable(canServe(cache, ledger));
    return remote;
  } catch (error) {
    await remote.close();
    throw error;
  }
}

/** The cache or its journal holds something. */
function canServe(cache: Cache, ledger: Ledger | undefined): boolean {
  return readdirSync(cache.journalDirectory).length > 0 || ledger?.hasFilesHere === true;
}

async function bucketOf(
  { storageType, bucket, storageEmulatorUrl, s3EndpointUrl }: Config,
  metrics: Metrics,
  reach: BucketReach,
): Promise<Bucket | undefined> {
  if (storageType === 'local' || bucket === undefined) return undefined;
  const opened = await openBucket(bucket, {
    emulatorUrl: storageEmulatorUrl,
    s3EndpointUrl,
    observe: (report) => metrics.bucketOperation(report),
  });
  return reach.watch(opened);
}

/** Undefined: this cache was never used with a bucket. Rejects with system errors of the cache. */
async function openLedger(
  config: Config,
  cache: Cache,
  bucket: Bucket | undefined,
  log: Logger,
): Promise<Ledger | undefined> {
  if (bucket === undefined && !Ledger.exists(cache.path)) return undefined;
  const read = readLedger(ledgerPath(cache.path));
  if (bucket !== undefined && read !== undefined && read.state.bucket !== bucket.address)
    await leaveHalvesBehind(cache, read, log);
  const ledger = Ledger.open({
    cachePath: cache.path,
    bucket: bucket?.address,
    cachedObjects: () => cachedObjects(cache),
    read,
  });
  if (ledger.wasDamaged)
    log.warn(
      { file: ledgerPath(cache.path) },
      'The record of what the bucket has is damaged or cut short; everything in the cache is compared with the bucket, and stored where it differs',
    );
  if (ledger.leftBehind.length > 0)
    log.warn(
      { sessions: ledger.leftBehind.length, bucket: bucket?.address },
      'Sessions that only the bucket used before has are not available in this one; copy their objects, or set STORAGE_BUCKET back',
    );
  const sessions = ledger.absentSessions.length;
  if (config.storageType === 'local' && sessions > 0) {
    log.warn({ sessions }, 'Sessions that only the bucket has are not visible in local mode');
  }
  return ledger;
}

/** The cache is about to be used with another bucket. */
async function leaveHalvesBehind(cache: Cache, read: ReadLedger, log: Logger): Promise<void> {
  const { sessions, files } = await leaveBehind(cache, read, systemClock.wallMs());
  if (sessions.length === 0) return;
  log.warn(
    {
      ...{ sessions: sessions.slice(0, NAMES_IN_LINE), files, bucket: read.state.bucket },
      keptIn: cache.files.locate('set-aside'),
    },
    'Of sessions that are newer in the bucket used before only a part is here: it does not go to this bucket, and is kept in quarantine',
  );
}

function cachedObjects(cache: Cache): string[] {
  const names: string[] = [];
  const meta = (path: string) => {
    if (cache.readDirectoryMetaSync(path) !== undefined) names.push(directoryMetaName(path));
  };
  meta('');
  cache.walkSync((path, kind) => {
    if (kind === 'file') names.push(toObjectName(path, 'file'));
    else meta(path);
  });
  return names;
}

interface WithBucket extends OpenRemoteParts {
  bucket: Bucket;
  ledger: Ledger;
  keyCheck: KeyCheck;
  health: BucketHealth;
}

function openRemoteSessions(parts: WithBucket): RemoteSessions {
  const { config, bucket, ledger, metrics, log } = parts;
  const isCloud = config.storageType === 'cloud';
  const kernel = new KernelSide();
  const aborted = sharedAbort();
  const threadData = beginMount(parts);
  const leases = openLeases(parts);
  const memory = isCloud
    ? limitMemory(parts, kernel, (session) => sync.restorer.announce(session))
    : undefined;
  const sync = makeSync({
    ...parts,
    leases,
    kernel,
    mount: mountSide(parts, kernel, memory),
    compared: (except) => {
      noteHeldSessions(parts, leases, except);
      void deleted.listed();
    },
    emptied: (session) => void deleted.release(session),
    signal: aborted.signal,
  });
  const stores = new WriteThrough({
    flush: (session) => (session === 'all' ? sync.flusher.flushAll() : sync.flusher.flush(session)),
    isFinal: (error) =>
      leases.isLost(error) || error instanceof SessionInConflict || error instanceof ForeignWrite,
    answer: (request, error) => kernel.post({ type: 'stored', request, error }),
    limitMs: { file: config.storeTimeoutMs, credentials: config.credentialsTimeoutMs },
    log,
  });
  const opener = new SessionOpener({
    leases,
    sync,
    ledger,
    servesUnconfirmed: !isCloud,
    waitLimitMs: config.leaseWaitLimitMs,
    refuse: (session) => kernel.post({ type: 'refuse', session }),
    log,
  });
  const deleted = new DeletedSessions({ ...parts, leases, flusher: sync.flusher, opener });
  metrics.source(bucketNumbers(ledger, leases, opener, parts.health));
  const finalFlush = new FinalFlush({ ledger, leases, flusher: sync.flusher, stores });
  const control = new ControlAnswers({
    address: bucket.address,
    health: parts.health,
    sync,
    ledger,
    leases,
    opener,
    metrics,
  });
  if (!parts.takeover) sync.begin();
  return new RemoteSessions({
    ...parts,
    kernel,
    threadData,
    leases,
    sync,
    stores,
    opener,
    deleted,
    control,
    finalFlush,
    memory,
    aborted,
  });
}

/** Notes in the ledger that a mount begins, and returns what the kernel thread must know before it builds the tree. */
function beginMount({ config, ledger, takeover }: WithBucket): NonNullable<CoreData['bucket']> {
  const rootListable = ledger.listed || ledger.wasListed;
  if (!takeover) {
    ledger.setListed(false);
    ledger.beginMount();
  }
  return {
    absent: ledger.unservedSessions,
    namesKnown: ledger.listed && !ledger.absentSessions.includes(''),
    rootListable,
    writeThrough: config.storageType === 'cloud',
    shared: true,
  };
}

function openLeases(parts: WithBucket): MountLeases {
  const { metrics, cache } = parts;
  return new MountLeases({
    ...parts,
    cachePath: cache.path,
    events: {
      acquired: ({ how }, waitedMs) => metrics.leaseAcquired(how, waitedMs),
      lost: (session, holder) => leaseLost(parts, session, holder),
    },
  });
}

/** The application that uses the session goes on: what it writes stays in this cache. */
function leaseLost({ ledger, metrics, log }: WithBucket, session: string, holder: string): void {
  metrics.leaseLost();
  if (!ledger.isServing(session) || ledger.conflicts.has(session)) return;
  ledger.conflicts.add(session);
  metrics.conflict(0);
  log.error(
    { session, holder, files: ledger.dirtyOf(session).length },
    'Another mount has taken a session over that is in use here: it is not backed up until the next start, which takes the version in the bucket and keeps this one aside',
  );
}

/** The whole ledger was compared with the bucket: sessions that this mount has held since before the listing are current. */
function noteHeldSessions({ ledger }: WithBucket, leases: MountLeases, except: ReadonlySet<string>): void {
  for (const session of ledger.sessionNames) {
    const owner = leases.ownerOf(session);
    const isHeldSince = owner !== undefined && leases.epochOf(session) === owner.epoch;
    if (isHeldSince && !except.has(session) && !ledger.conflicts.has(session))
      ledger.noteCurrent(session, owner.epoch);
  }
}

function mountSide({ ledger }: WithBucket, kernel: KernelSide, memory: MemoryLimit | undefined): MountSide {
  return {
    settle: (what) => kernel.settle(what),
    absent: (sessions) => kernel.post({ type: 'absent', sessions }),
    namesKnown: () => kernel.post({ type: 'names-known' }),
    restored: (content) => {
      ledger.serve(content.session);
      const unchanged = memory?.isUnchanged(content.session) ?? false;
      kernel.post({ type: 'restored', ...content, unchanged });
    },
  };
}

function limitMemory(
  { config, ledger, cache }: WithBucket,
  kernel: KernelSide,
  announce: (session: string) => void,
): MemoryLimit {
  return new MemoryLimit({
    ledger,
    cache,
    limitBytes: config.cloudMemoryLimitBytes,
    evict: (except) => kernel.post({ type: 'evict', except }),
    announce,
    settle: () => kernel.settle('committed'),
  });
}
