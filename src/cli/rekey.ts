/** `sessionfs rekey`: seals everything with the new key, mounted or not, and says when nothing uses an earlier one any more. */
import { mkdirSync, rmdirSync, statSync } from 'node:fs';
import { orderFlush } from '../api/flush.ts';
import { isMountPoint, locateMount, requireWritable, statusOf } from '../api/locate.ts';
import { type MountStatus, readMountStatus } from '../api/mount-status.ts';
import { UNMOUNT_TIMEOUT_S, unmountFlushed } from '../api/unmount.ts';
import { type Config, loadConfig } from '../config/load.ts';
import { integer } from '../config/parsers.ts';
import { withBucketIfAny } from '../kit/export/bucket-reader.ts';
import { sourcesOf } from '../kit/export/export-session.ts';
import { type RekeyReport, rekey, sealedInBucket, sealedInCache } from '../kit/rekey.ts';
import { currentKeyId } from '../kit/sessions.ts';
import { deferred } from '../lib/deferred.ts';
import { SessionfsError } from '../lib/errors.ts';
import { countText } from '../lib/human.ts';
import { requirePrivatePath } from '../lib/private-path.ts';
import type { Secrets } from '../lib/secrets.ts';
import { createLogger } from '../observe/log.ts';
import { Supervisor } from '../supervisor/supervisor.ts';
import { flagValue, type Invocation, printEither } from './command.ts';
import { startProgress } from './progress.ts';
import { flagsOf } from './setting-flags.ts';
import { onStopSignal } from './stop-signals.ts';

const RATE = 200;
const SHOWN = 5;
/** Beyond the time after which a mount that died has lost its sessions. */
const HELD_MS = 30_000;

interface Rekeyed extends RekeyReport {
  readonly keyId: string;
  readonly mode: string;
}

export async function run(invocation: Invocation): Promise<number> {
  const env = { ...invocation.env, ...invocation.secrets };
  const rate = flagValue(invocation, '--rate', integer(1, 100_000, 'files'), RATE);
  const config = loadConfig(env, flagsOf(invocation));
  const { mountPoint } = config;
  const mounted = await locateMount(mountPoint).catch(ifNotMounted);
  // A mount would make a cache where there is none, and find nothing in it that another key seals.
  if (mounted === undefined)
    sourcesOf(config.storageType === 'local' ? { ...config, bucket: undefined } : config, undefined);
  const work = (path: string) => sealAgain(config, env, path, rate);
  const { sealed, sessions, left, keyId, mode } =
    mounted === undefined ? await onOwnMount(config, invocation, work) : await work(mounted);
  if (left.length > 0)
    throw new SessionfsError(
      'REKEY_UNFINISHED',
      `${sealed} files were sealed with key ${keyId}, but another key seals ${left.length} still: ${left.slice(0, SHOWN).join(', ')}`,
      {
        hint: 'They changed meanwhile, or another mount holds them: run it again, or there. It goes on with what is left.',
      },
    );
  const [objects, versions] =
    mode === 'local'
      ? ['', '']
      : [', and its objects', ', and for what soft delete or versioning of the bucket holds'];
  printEither(
    invocation,
    { mountPoint: mounted ?? mountPoint, keyId, sealed, sessions, left },
    `sessionfs: ${sealed} ${sealed === 1 ? 'file or folder was' : 'files and folders were'} sealed again; all of ${mounted ?? mountPoint} (${countText(sessions, 'session')})${objects} is sealed with key ${keyId}.\nEarlier keys are needed only for kept versions and the trash${versions}.`,
  );
  return 0;
}

function ifNotMounted(error: unknown): undefined {
  if (!(error instanceof SessionfsError && error.code === 'NOT_MOUNTED')) throw error;
}

async function sealAgain(
  config: Config,
  env: NodeJS.ProcessEnv,
  path: string,
  rate: number,
): Promise<Rekeyed> {
  const { status } = await statusOf(path, 'for its status');
  requireWritable(status);
  const { mode } = status;
  const isCloud = mode === 'cloud';
  const cachePath = cacheOf(status, config);
  const keyId = await currentKeyId({ ...config, cachePath }, env);
  const bar = await startProgress('sessions');
  // In cloud mode what the cache has is in memory, and in the bucket.
  const report = await withBucketIfAny(config, isCloud ? requiredBucket(config) : undefined, (bucket) => {
    const sealed =
      bucket === undefined ? sealedInCache(cachePath) : sealedInBucket(bucket, config.backupConcurrency);
    const atATime = isCloud ? config.backupConcurrency : 1;
    return rekey({ mountPoint: path, sealed, atATime, keyId, rate, progress: bar.update });
  }).finally(bar.stop);
  if (mode !== 'local') await orderFlush(path);
  return { ...report, keyId, mode };
}

function cacheOf({ cachePath }: MountStatus, config: Config): string {
  return cachePath === undefined || cachePath === 'memory' ? config.cachePath : cachePath;
}

function requiredBucket({ bucket, mountPoint }: Config): NonNullable<Config['bucket']> {
  if (bucket !== undefined) return bucket;
  throw new SessionfsError(
    'CONFIG_INVALID',
    `the mount on ${mountPoint} is in cloud mode, and no bucket is named`,
    {
      hint: 'Give the settings of the mount: STORAGE_BUCKET, and the key.',
    },
  );
}

/**
 * Where nothing is mounted: on a folder of its own beside the cache, which no application looks into. One that an earlier run left
 * behind, which was killed, is gone on with.
 */
async function onOwnMount(
  config: Config,
  { secrets }: Invocation,
  work: (path: string) => Promise<Rekeyed>,
): Promise<Rekeyed> {
  const mountPoint = `${config.cachePath}.rekey`;
  requirePrivatePath(mountPoint, 'the folder of the mount for this', 'SESSION_CACHE_PATH');
  const isServed =
    (await isMountPoint(mountPoint)) && (await readMountStatus(mountPoint)).kind === 'answered';
  try {
    return await untilSignal(
      async () =>
        isServed
          ? () => unmountFlushed(mountPoint, UNMOUNT_TIMEOUT_S * 1000)
          : serveOwn(config, mountPoint, secrets),
      () => work(mountPoint),
    );
  } finally {
    removeIfEmpty(mountPoint);
  }
}

/** Returns what ends it. */
async function serveOwn(
  config: Config,
  mountPoint: string,
  secrets: Secrets,
): Promise<() => Promise<unknown>> {
  mkdirSync(mountPoint, { recursive: true, mode: 0o700 });
  const supervisor = await Supervisor.start(ownMount(config, mountPoint), createLogger({ level: 'error' }), {
    secrets,
  });
  return () => supervisor.stop('everything is sealed again');
}

/** Sessions of another mount are waited for as long as one that died keeps them, and then left. */
function ownMount(config: Config, mountPoint: string): Config {
  const owner = config.owner ?? ownerOf(config.mountPoint);
  return {
    ...config,
    mountPoint,
    httpAddress: undefined,
    logLevel: 'error',
    leaseWaitLimitMs: config.leaseWaitLimitMs || config.leaseTakeOverMs + HELD_MS,
    ...(owner === undefined ? {} : { owner }),
  };
}

/** As the mount itself has it: what a file is not said to belong to is its owner's. */
function ownerOf(directory: string): Config['owner'] {
  const stats = statSync(directory, { throwIfNoEntry: false });
  return stats && { uid: stats.uid, gid: stats.gid };
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // It is in use still, which its own error says.
  }
}

/** Calls what `begin` returns after the work, or at a signal; one that comes meanwhile is kept until it has begun. */
async function untilSignal<T>(
  begin: () => Promise<() => Promise<unknown>>,
  work: () => Promise<T>,
): Promise<T> {
  const stopped = deferred<NodeJS.Signals>();
  const off = onStopSignal(stopped.resolve);
  let end: (() => Promise<unknown>) | undefined;
  try {
    end = await begin();
    const done = await Promise.race([work().then((result) => ({ result })), stopped.promise]);
    if (typeof done === 'object') return done.result;
    throw new SessionfsError('REKEY_UNFINISHED', `${done} has ended it`, {
      hint: 'Run it again: it goes on with what is left.',
    });
  } finally {
    // A second signal ends the process at once.
    off();
    await end?.();
  }
}
