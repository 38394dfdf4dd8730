/** Wires the layers: the kernel thread, the journal's sync and checkpoint, the mount, and the end of all of them. */
import { closeSync } from 'node:fs';
import { type Connection, type Descriptors, type MountOwner, openConnection } from '../drivers/connection.ts';
import type { CoreClient, Loaded } from '../drivers/host/core-client.ts';
import type { DaemonMessage, KernelMessage, RoutedMessage } from '../drivers/host/messages.ts';
import { deferred } from '../lib/deferred.ts';
import { inTime } from '../lib/in-time.ts';
import { version } from '../lib/version.ts';
import { FilesystemCounters } from '../observe/filesystem-counters.ts';
import { type Logger, writeLogRecord } from '../observe/log.ts';
import { Cache } from '../store/cache/cache.ts';
import { type CacheLock, lockCache } from '../store/cache/lock.ts';
import { JournalProgress } from '../store/journal/progress.ts';
import type { DaemonStart, StopReport } from '../supervisor/messages.ts';
import { FsyncReplies } from './fsync-replies.ts';
import { PlainFiles, plainFolderOf } from './import.ts';
import { JournalService } from './journal-service.ts';
import { loadKeyring } from './keys.ts';
import { NewFiles } from './new-files.ts';
import { DaemonServices } from './services.ts';
import { cacheName, staticStatusOf } from './status.ts';
import { endMount, type Unmounted } from './unmount.ts';

const SETTLE_DELAY_MS = 250;
/** The mount is gone, and no caller waits for these any more. */
const SYNCS_END_MS = 1_000;

/** Serves `fuseFd`; resolves when the mount answers. Throws SessionfsError, and leaves nothing behind then. */
export async function startDaemon(
  start: DaemonStart,
  descriptors: Descriptors,
  owner: MountOwner,
  log: Logger,
): Promise<Daemon> {
  const { cachePath } = start.config;
  const newFiles = new NewFiles(cachePath);
  const lock = lockCache(cachePath, start.mountPoint);
  try {
    newFiles.locked();
    return await startLocked(start, descriptors, owner, lock, log);
  } catch (error) {
    const path = start.takeover === undefined ? newFiles.remove() : undefined;
    if (path !== undefined)
      log.warn(
        { path },
        'The start failed, and its new encryption key is removed: nothing was sealed with it',
      );
    lock.release();
    throw error;
  }
}

async function startLocked(
  start: DaemonStart,
  { fuseFd, inFlightFd, folderFd }: Descriptors,
  owner: MountOwner,
  lock: CacheLock,
  log: Logger,
): Promise<Daemon> {
  const { config, mountPoint, root, plainSessions, takeover } = start;
  const keyring = await loadKeyring(config, start.secrets, log);
  const { currentId: keyId, ids: acceptedKeyIds } = keyring;
  const cache = Cache.open(config.cachePath, { mountPoint, keyId, acceptedKeyIds });
  cache.removeLeftoversSync();
  const progress = new JournalProgress();
  const services = await DaemonServices.open({ start, cache, keyring, log });
  let connection: Connection | undefined;
  try {
    const data = {
      cachePath: cache.path,
      keyring: keyring.export(),
      progress: progress.shared,
      counters: new FilesystemCounters().shared,
      owner: config.owner ?? { uid: root.uid, gid: root.gid },
      rootMode: root.mode,
      umask: config.umask,
      maxFileSizeBytes: config.maxFileSizeBytes,
      memoryLimitBytes: config.memoryLimitBytes,
      readOnly: config.readOnly !== undefined,
      mountPoint,
      plainSessions,
      plainFolder: plainFolderOf(mountPoint, folderFd),
      takeover,
      generation: start.generation,
      status: staticStatusOf(start),
      bucket: services.threadData,
    };
    const { resend, fatalRequests, crashOn } = start;
    const direct = { fuseFd, inFlightFd, resend, fatalRequests, crashOn };
    connection = openConnection(start.driver, data, direct, folderFd, log);
    // The restorer goes on checking what comes from the bucket.
    if (services.threadData === undefined) keyring.destroy();
    const { thread } = connection;
    return await Daemon.start({
      start,
      fuseFd,
      inFlightFd,
      connection,
      thread,
      cache,
      progress,
      services,
      plainFolder: data.plainFolder,
      owner,
      lock,
      log,
    });
  } catch (error) {
    await connection?.thread.terminate();
    await services.end();
    closeSync(fuseFd);
    throw error;
  }
}

interface Parts extends Omit<Descriptors, 'folderFd'> {
  start: DaemonStart;
  connection: Connection;
  thread: CoreClient;
  cache: Cache;
  progress: JournalProgress;
  services: DaemonServices;
  plainFolder: string;
  owner: MountOwner;
  lock: CacheLock;
  log: Logger;
}

export class Daemon {
  readonly #parts: Parts;
  readonly #notifier: Connection['notifier'];
  readonly #store: JournalService;
  readonly #initialized = deferred<void>();
  readonly #syncReplies: FsyncReplies;
  /** Of the mount: by the end something else may be mounted there. */
  #device = '';
  #notices: readonly string[] = [];
  #unmounting: Promise<Unmounted> | undefined;
  #stopped: Promise<StopReport> | undefined;

  /** Resolves when the mount answers. */
  static async start(parts: Parts): Promise<Daemon> {
    const { thread, connection, owner, log, services } = parts;
    const { mountPoint, plainSessions, takeover, restarts } = parts.start;
    const loaded = await thread.loaded();
    const daemon = new Daemon(parts, loaded);
    const plainFiles = new PlainFiles(mountPoint, parts.plainFolder, plainSessions);
    try {
      if (plainSessions.length > 0) await daemon.#store.sync();
      await services.prepare();
      const initialized = daemon.#initialized.promise;
      daemon.#device = await connection.mount(owner, initialized);
      await connection.serve(initialized);
      daemon.#notices = plainFiles.moveToBackup(loaded.imported, log);
    } catch (error) {
      await daemon.#store.finish();
      throw error;
    } finally {
      plainFiles.close();
    }
    services.start();
    daemon.#stopped = daemon.#untilEnded();
    const { files, sessions } = loaded;
    const message = takeover === undefined ? 'Mounted' : 'Took the mount over';
    log.info(
      { mountPoint, cache: cacheName(parts.start.config), sessions, files, restarts, version },
      message,
    );
    return daemon;
  }

  private constructor(parts: Parts, { replayed }: Loaded) {
    const { cache, progress, log, thread, services } = parts;
    this.#parts = parts;
    this.#notifier = parts.connection.notifier;
    const requestRoll = () => thread.post({ type: 'roll' });
    const roomMade = () => thread.post({ type: 'room-made' });
    const { noteCheckpoint: onApplied } = services;
    this.#store = new JournalService({
      cache,
      progress,
      replayed,
      requestRoll,
      segmentsGone: () => parts.connection.segmentsGone(),
      roomMade,
      isVolatile: parts.start.config.cacheInMemory,
      onApplied,
      trash: services.trashOf(cache),
      log,
    });
    const sync = () => this.#store.sync();
    this.#syncReplies = new FsyncReplies({ sync, notifier: this.#notifier, inFlightFd: parts.inFlightFd });
    const settle = async (what: 'everything' | 'committed') =>
      this.#store.settle(await thread.roll(what === 'everything'));
    services.connect({ thread, settle }, parts.connection.counters);
    thread.listen((message) => this.#route(message));
  }

  /** Resolves when the mount is gone for whatever reason; rejects when the kernel thread failed and the mount is left. */
  get stopped(): Promise<StopReport> {
    if (this.#stopped === undefined) throw new Error('the daemon has not started');
    return this.#stopped;
  }

  /** Sentences for the terminal of the start. */
  get notices(): readonly string[] {
    return this.#notices;
  }

  /** Commits, unmounts, checkpoints. Everything that was written is on stable storage when it resolves. */
  stop(reason: string): Promise<StopReport> {
    const { connection, thread, log, start, services } = this.#parts;
    const { mountPoint } = start;
    if (this.#unmounting === undefined) log.info({ reason, mountPoint }, 'Stopping');
    const settle = async () => {
      await thread.send('settle-all');
      await this.#store.sync().catch(() => {});
      await services.flushBeforeUnmount();
    };
    this.#unmounting ??= endMount({ mountPoint, device: this.#device, connection, settle, log });
    return this.stopped;
  }

  /** Leaves the mount to another daemon: every request that was read is answered, and everything is written down. */
  async handOver(): Promise<void> {
    const { thread, connection } = this.#parts;
    // Its end is no end of the mount.
    this.#unmounting ??= new Promise(() => {});
    thread.post({ type: 'hand-over' });
    await thread.ended;
    await connection.syncsSettled();
    await this.#syncReplies.settled();
    await this.#store.sync().catch(() => {});
    await this.#parts.services.end();
  }

  #route(message: RoutedMessage): void {
    switch (message.to) {
      case 'daemon':
        this.#hear(message);
        break;
      case 'kernel':
        this.#tellKernel(message);
        break;
      case 'journal':
        this.#store.hear(message);
        break;
      case 'remote':
        this.#parts.services.hear(message);
        break;
    }
  }

  #hear(message: DaemonMessage): void {
    const { thread, log, owner, services } = this.#parts;
    switch (message.type) {
      case 'log':
        writeLogRecord(log, message.record);
        break;
      case 'initialized':
        log.debug({ session: message.session }, 'The kernel agreed on a session');
        if (message.session !== undefined) owner.initialized(message.session);
        this.#initialized.resolve();
        break;
      case 'started-over':
        services.startedOver(message);
        break;
      case 'pending':
        setTimeout(() => thread.post({ type: 'settle-idle' }), SETTLE_DELAY_MS).unref();
        break;
    }
  }

  #tellKernel(message: KernelMessage): void {
    switch (message.type) {
      case 'sync-then-reply':
        this.#syncReplies.add(message);
        break;
      case 'invalidate-inode':
        if (this.#isMounted) this.#notifier.inode(message.node, message.offset, message.length);
        break;
      case 'invalidate-entry':
        if (this.#isMounted) this.#notifier.entry(message.parent, message.name);
        break;
    }
  }

  /** Before, the kernel knows nothing that could have become wrong. */
  get #isMounted(): boolean {
    return this.#device !== '';
  }

  async #untilEnded(): Promise<StopReport> {
    const { log, fuseFd, lock, thread, connection, services } = this.#parts;
    const { uncommitted } = await thread.ended;
    await inTime(connection.syncsSettled(), SYNCS_END_MS, undefined);
    const unmounted = await (this.#unmounting ?? { lazy: false, holders: [] });
    const lacking = await this.#store.finish();
    const isInCache = lacking?.length === 0;
    if (!isInCache) {
      log.warn('What was written is in the journal, not yet in the cache; the next start goes on with it');
    }
    const isComplete = isInCache && uncommitted.length === 0;
    const unsaved = await services.flushTheRest({ isComplete, lacking });
    await services.end();
    closeSync(fuseFd);
    lock.release();
    return { exitStatus: 0, dirty: uncommitted.length + unsaved, ...unmounted };
  }
}
