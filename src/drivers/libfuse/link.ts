/** Serves the mount from the main thread itself, through fuse-native: messages only take turns here. */
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { SessionfsError } from '../../lib/errors.ts';
import { isPlaceAt, MountFolder } from '../../mount/mount-folder.ts';
import { replacedMountPoint } from '../../mount/mount-point.ts';
import { findMountSync, isMounted } from '../../mount/mountinfo.ts';
import { type OperationName as CountedName, operationNames } from '../../observe/filesystem-counters.ts';
import type { CoreLink } from '../host/core-client.ts';
import { CoreHost, failureMessage } from '../host/core-host.ts';
import type { CoreData, FromCore, ToCore } from '../host/messages.ts';
import { type LibfuseBinding, loadBinding, type OperationName } from './binding.ts';
import { LibfuseDriver } from './driver.ts';
import { libfuseMountOptions, mayAllowOther, withFusermount } from './mount.ts';

const UNMOUNTED_POLL_MS = 500;
const CONNECTIONS = '/sys/fs/fuse/connections';

export class LibfuseLink implements CoreLink {
  readonly #data: CoreData;
  readonly #folderFd: number;
  readonly #binding: LibfuseBinding;
  #receive: (message: FromCore) => void = () => {};
  #host: CoreHost | undefined;
  #driver: LibfuseDriver | undefined;
  #device: string | undefined;
  #ended = false;

  /** `folderFd`: of the folder that is mounted on. Throws DRIVER_UNAVAILABLE. */
  constructor(data: CoreData, folderFd: number) {
    this.#data = data;
    this.#folderFd = folderFd;
    this.#binding = loadBinding();
  }

  start(receive: (message: FromCore) => void): void {
    this.#receive = receive;
    this.#later(() => this.#load());
  }

  post(message: ToCore): void {
    this.#later(() => this.#obey(message));
  }

  serve(): void {
    this.#later(() => {
      const { mountPoint } = this.#data;
      this.#mount();
      if (!isPlaceAt(this.#folderFd, mountPoint)) throw replacedMountPoint(mountPoint);
      this.#device = findMountSync(mountPoint)?.device;
    });
  }

  /** As root it mounts on the descriptor's folder; fusermount takes a name, and what this user may write. */
  #mount(): void {
    const { mountPoint, readOnly = false } = this.#data;
    const options = libfuseMountOptions({ allowOther: mayAllowOther(isRoot()), readOnly });
    const folder = new MountFolder(this.#folderFd, mountPoint);
    if (isRoot() || process.platform !== 'linux') this.#driver?.mount(folder.path, options);
    else folder.writable(() => withFusermount(process.env, () => this.#driver?.mount(mountPoint, options)));
  }

  /** Nothing must be woken here. */
  async keepAccess(): Promise<void> {}

  /** What it has written so far is there for the next one. */
  async terminate(): Promise<void> {
    this.#ended = true;
  }

  close(): void {}

  /** To a 'sync-then-reply'. */
  replySynced(uniqueLo: number, uniqueHi: number, error: number): void {
    if (!this.#ended) this.#driver?.requests.replySynced(uniqueLo, uniqueHi, error);
  }

  /** The mount is made: returns its `major:minor`. Its end is noticed by itself, or told by `unmounted`. */
  watch(): string {
    const device = this.#device;
    if (device === undefined)
      throw new SessionfsError('MOUNT_FAILED', `libfuse has not mounted on ${this.#data.mountPoint}`);
    void untilUnmounted(device, () => this.#ended).then(() => this.unmounted());
    return device;
  }

  unmounted(): void {
    this.#later(() => this.#end());
  }

  #load(): void {
    const host = new CoreHost(this.#data, (message) => this.#post(message), {
      retryParked: () => this.#driver?.requests.retryParked(),
      answerStored: (request, error) => this.#driver?.requests.answerStored(request, error),
    });
    this.#host = host;
    host.load();
    this.#driver = new LibfuseDriver(this.#binding, host.filesystem, this.#data.owner, {
      syncThenReply: (uniqueLo, uniqueHi, slot) =>
        this.#post({ to: 'kernel', type: 'sync-then-reply', uniqueLo, uniqueHi, slot }),
      store: (request, unstored) => host.store(request, unstored),
      answered: (request) => host.answered(request, false),
      makeRoom: () => host.makeRoom(),
      measured: (operation, error, ms) => host.counters.operation(countedAs(operation), error, ms),
      afterRequest: () => host.afterRequest(),
      initialized: () => this.#post({ to: 'daemon', type: 'initialized', session: undefined }),
      cannotMap: (path) =>
        host.log({
          level: 'warn',
          message:
            'A database maps its files shared and writable, which fuse-native cannot; SQLite in WAL mode and LevelDB fail here. Use sessionfs run, or mount as root',
          fields: { file: path.slice(1) },
        }),
      unexpected: (error, operation) => host.unexpected({ operation }, error),
    });
  }

  #obey(message: ToCore): void {
    if (this.#ended || this.#host === undefined) return;
    const next = this.#host.obey(message);
    // What was asked before has been answered: there is no queue but that of this thread.
    this.#host.woken();
    if (next === 'stop') this.#end();
  }

  /** Requests that still wait end with this process, whose connection goes with it. */
  #end(): void {
    if (this.#ended) return;
    this.#driver?.requests.finish();
    this.#ended = true;
    this.#host?.end();
  }

  /** Both directions take turns, so that no callback comes in the middle of a call. */
  #post(message: FromCore): void {
    queueMicrotask(() => this.#receive(message));
  }

  #later(run: () => void): void {
    queueMicrotask(() => {
      try {
        run();
      } catch (error) {
        this.#receive(failureMessage(error));
      }
    });
  }
}

const COUNTED_AS: Partial<Record<OperationName, CountedName>> = {
  fgetattr: 'getattr',
  truncate: 'setattr',
  ftruncate: 'setattr',
  chmod: 'setattr',
  chown: 'setattr',
  utimens: 'setattr',
  mknod: 'create',
  fsyncdir: 'fsync',
};

/** The place of the operation in `operationNames`. */
function countedAs(operation: OperationName): number {
  const found = operationNames.indexOf(COUNTED_AS[operation] ?? (operation as CountedName));
  return found < 0 ? operationNames.indexOf('other') : found;
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/**
 * Resolves when the device is mounted nowhere and no longer in use, as far as can be seen, or `isOver` says so: libfuse
 * notices the end of its mount and says nothing.
 */
async function untilUnmounted(device: string, isOver: () => boolean): Promise<void> {
  do await sleep(UNMOUNTED_POLL_MS);
  while (!isOver() && ((await isMounted(device).catch(() => true)) || (await isConnected(device))));
}

/** A mount that was taken away lazily lives as long as a process is in it; that can be seen only where fusectl is mounted. */
async function isConnected(device: string): Promise<boolean> {
  const minor = device.slice(device.indexOf(':') + 1);
  const connections = await readdir(CONNECTIONS).catch((): string[] => []);
  return connections.includes(minor);
}
