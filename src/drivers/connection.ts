/** How a daemon reaches the kernel: which driver serves its mount, who makes it, and how it ends. */
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mountOnOwn, unmountLazily } from '../mount/mount.ts';
import { FilesystemCounters, operationNames } from '../observe/filesystem-counters.ts';
import type { Logger } from '../observe/log.ts';
import type { Driver } from './choose.ts';
import { KernelNotifier } from './direct/notifier.ts';
import { canResend } from './direct/session.ts';
import { WorkerLink } from './direct/worker-link.ts';
import { CoreClient } from './host/core-client.ts';
import type { CoreData, KernelThreadData, NegotiatedSession } from './host/messages.ts';
import { LibfuseLink } from './libfuse/link.ts';

/** What the daemon needs of the mount's owner, its supervisor. */
export interface MountOwner {
  /**
   * Called once, when everything is loaded. Resolves when the kernel connection may be served, with the mount's
   * `major:minor`; with '' where the driver mounts by itself, which it may then.
   */
  mounted(): Promise<string>;
  /** The kernel agreed on this; the next daemon will need it. */
  initialized(session: NegotiatedSession): void;
}

/** Inherited from the supervisor. */
export interface Descriptors {
  fuseFd: number;
  inFlightFd: number;
  /** The folder below the mount, where the daemon mounts by itself. */
  folderFd: number;
}

const FSYNC = operationNames.indexOf('fsync');
/** After so many fsyncs that the main thread has answered, a thread of its own is worth its memory. */
const SYNCS_FOR_THREAD = 8;

/** What only the direct driver needs. */
export type DirectOptions = Omit<KernelThreadData, keyof CoreData | 'mailbox' | 'syncs'>;

export interface MountNotifier extends Pick<KernelNotifier, 'inode' | 'entry'> {
  /** Replies to a call that waited for the disk for `ms`. `error`: 0 or a negative errno. */
  replySynced(uniqueLo: number, uniqueHi: number, error: number, ms: number): void;
}

export interface Connection {
  /** Builds the core from here on. */
  readonly thread: CoreClient;
  readonly notifier: MountNotifier;
  /** What each thread that answers applications counts. */
  readonly counters: readonly FilesystemCounters[];
  /** Everything is loaded: the mount is made. Resolves with its `major:minor`. */
  mount(owner: MountOwner, initialized: Promise<void>): Promise<string>;
  /** Resolves when the mount answers. */
  serve(initialized: Promise<void>): Promise<void>;
  /** The mount was taken away, and no process uses it any more: `thread` ends. */
  unmounted(): void;
  /** Segments of the journal are gone: what has them open is to close them. */
  segmentsGone(): void;
  /** `thread` has ended: resolves when each fsync that it had read is answered, or has come to `listen` of `thread`. */
  syncsSettled(): Promise<void>;
  /** Another process has taken the mount away or covered it, and it is still in use: makes `thread` end. */
  endOutOfSight(): Promise<void>;
}

/** Throws DRIVER_UNAVAILABLE. */
export function openConnection(
  driver: Driver,
  data: CoreData,
  direct: DirectOptions,
  folderFd: number,
  log: Logger,
): Connection {
  return driver === 'direct'
    ? new DirectConnection(data, direct, log)
    : new LibfuseConnection(data, folderFd);
}

/** The supervisor has the connection, mounts it, and gives it to the next daemon. */
class DirectConnection implements Connection {
  readonly thread: CoreClient;
  readonly notifier: MountNotifier;
  readonly counters: readonly FilesystemCounters[];
  readonly #kernel: KernelNotifier;
  readonly #link: WorkerLink;
  readonly #fuseFd: number;
  readonly #takeover: CoreData['takeover'];

  constructor(data: CoreData, options: DirectOptions, log: Logger) {
    this.#fuseFd = options.fuseFd;
    this.#takeover = data.takeover;
    const kernel = new KernelNotifier(options.fuseFd, (error) =>
      log.error({ error: String(error) }, 'the kernel refused a notification'),
    );
    this.#kernel = kernel;
    const [ownCounters, syncCounters] = [new FilesystemCounters(), new FilesystemCounters()];
    this.counters = [new FilesystemCounters(data.counters), ownCounters, syncCounters];
    const link = new WorkerLink({ ...data, ...options });
    this.#link = link;
    let syncs = 0;
    this.notifier = {
      inode: (node, offset, length) => kernel.inode(node, offset, length),
      entry: (parent, name) => kernel.entry(parent, name),
      replySynced: (uniqueLo, uniqueHi, error, ms) => {
        kernel.replyError(uniqueLo, uniqueHi, error);
        ownCounters.operation(FSYNC, error, ms);
        if (++syncs === SYNCS_FOR_THREAD) link.startSyncThread(syncCounters.shared);
      },
    };
    this.thread = new CoreClient(link);
  }

  segmentsGone(): void {
    this.#link.segmentsGone();
  }

  syncsSettled(): Promise<void> {
    return this.#link.syncsSettled();
  }

  mount(owner: MountOwner): Promise<string> {
    return owner.mounted();
  }

  /** No thread of the daemon may touch the mount: one that waits for its answer would keep a killed daemon from dying. */
  async serve(initialized: Promise<void>): Promise<void> {
    const takeover = this.#takeover;
    if (takeover !== undefined && canResend(takeover)) this.#kernel.resend();
    this.thread.serve();
    await (takeover === undefined ? initialized : this.thread.send('ping'));
  }

  unmounted(): void {}

  /** The thread can only be woken by a path: the connection is mounted once more for that (Linux 5.15), in a folder that only this call knows. */
  async endOutOfSight(): Promise<void> {
    const directory = await mkdtemp(join(tmpdir(), 'sessionfs-'));
    try {
      await mountOnOwn(this.#fuseFd, directory, { source: 'sessionfs', allowOther: false });
      await this.thread.keepAccess(directory);
      await unmountLazily(directory);
      this.thread.post({ type: 'stop' });
    } finally {
      await rmdir(directory);
    }
  }
}

/** The daemon mounts, and its end is the connection's. */
class LibfuseConnection implements Connection {
  readonly thread: CoreClient;
  readonly notifier: Connection['notifier'];
  readonly #link: LibfuseLink;
  readonly counters: readonly FilesystemCounters[];

  constructor(data: CoreData, folderFd: number) {
    this.counters = [new FilesystemCounters(data.counters)];
    this.#link = new LibfuseLink(data, folderFd);
    this.thread = new CoreClient(this.#link);
    this.notifier = {
      // libfuse 2 has no way to take back what the kernel was told: it forgets that after a second.
      inode: () => {},
      entry: () => {},
      replySynced: (uniqueLo, uniqueHi, error) => this.#link.replySynced(uniqueLo, uniqueHi, error),
    };
  }

  async mount(owner: MountOwner, initialized: Promise<void>): Promise<string> {
    await owner.mounted();
    this.thread.serve();
    const ended = this.thread.ended.then(() => Promise.reject(new Error('it has ended')));
    await Promise.race([initialized, ended]);
    return this.#link.watch();
  }

  async serve(): Promise<void> {}

  segmentsGone(): void {}

  async syncsSettled(): Promise<void> {}

  unmounted(): void {
    this.#link.unmounted();
  }

  async endOutOfSight(): Promise<void> {
    this.thread.post({ type: 'stop' });
  }
}
