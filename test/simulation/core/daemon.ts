/**
 * A daemon without its threads and without a kernel: the core with its host on one side, the journal's service on the other, and
 * messages that take a moment between them.
 */
import { Keyring } from '../../../src/crypto/keyring.ts';
import { JournalService } from '../../../src/daemon/journal-service.ts';
import { CoreHost } from '../../../src/drivers/host/core-host.ts';
import type { FromCore, ToCore } from '../../../src/drivers/host/messages.ts';
import { PARKED } from '../../../src/fs/contract.ts';
import { Errno } from '../../../src/lib/errno.ts';
import { FilesystemCounters } from '../../../src/observe/filesystem-counters.ts';
import { Cache } from '../../../src/store/cache/cache.ts';
import { JournalProgress } from '../../../src/store/journal/progress.ts';
import { Channel, type HearLog, KERNEL, KEY, loggerTo, SETTLE_DELAY_MS } from '../daemon-parts.ts';
import type { Machine, Process } from '../platform/machine.ts';
import { Violation } from '../violation.ts';
import { CALLER, carryOut } from './calls.ts';
import type { Kernel, Request } from './kernel.ts';

export const DISK = '/disk';
export const CACHE = `${DISK}/cache`;
const MOUNT_POINT = `${DISK}/mnt`;
const MEMORY_BYTES = 16_000;
const FILE_BYTES_MAX = 1 << 20;

export interface DaemonParts {
  machine: Machine;
  kernel: Kernel;
  /** The kernel knows numbers of an earlier daemon. */
  takeover: boolean;
  segmentBytes: number;
  /** How many daemons served the connection before. */
  generation: number;
  hearLog: HearLog;
}

export class Daemon {
  readonly process: Process;
  readonly progress = new JournalProgress();
  isServing = false;
  /** It was told to leave the mount. */
  ended: 'handed over' | 'stopped' | undefined;
  readonly #parts: DaemonParts;
  readonly #host: CoreHost;
  readonly #service: JournalService;
  readonly #toMain: Channel<FromCore | { type: 'sync'; request: Request }>;
  readonly #toCore: Channel<ToCore>;
  #parked: Request[] = [];
  #whenDone: (() => void)[] = [];

  /** Throws what the start of a daemon throws. Runs as its process. */
  constructor(parts: DaemonParts, process: Process) {
    const { machine } = parts;
    this.#parts = parts;
    this.process = process;
    this.#toMain = new Channel(machine, process, (message) => this.#hear(message));
    this.#toCore = new Channel(machine, process, (message) => this.#obey(message));
    const keyring = Keyring.fromHex(KEY);
    const { currentId: keyId } = keyring;
    const cache = Cache.open(CACHE, { mountPoint: MOUNT_POINT, keyId });
    cache.removeLeftoversSync();
    let loaded: Extract<FromCore, { type: 'loaded' }> | undefined;
    const early: FromCore[] = [];
    const data = {
      cachePath: CACHE,
      keyring: keyring.export(),
      progress: this.progress.shared,
      counters: new FilesystemCounters().shared,
      owner: { uid: CALLER.uid, gid: CALLER.gid },
      rootMode: 0o755,
      umask: 0o077,
      maxFileSizeBytes: FILE_BYTES_MAX,
      memoryLimitBytes: MEMORY_BYTES,
      segmentBytes: parts.segmentBytes,
      generation: parts.generation,
      mountPoint: MOUNT_POINT,
      plainSessions: [],
      takeover: parts.takeover ? KERNEL : undefined,
      status: {},
      bucket: undefined,
    };
    let post = (message: FromCore) => {
      if (message.type === 'loaded') loaded = message;
      else early.push(message);
    };
    this.#host = new CoreHost(data, (message) => post(message), {
      retryParked: () => this.#retryParked(),
      answerStored: () => {},
    });
    this.#host.load();
    if (loaded === undefined) throw new Violation('a daemon starts', 'it did not say that it is loaded');
    const { replayed } = loaded;
    const requestRoll = () => this.#toCore.post({ type: 'roll' });
    const roomMade = () => this.#toCore.post({ type: 'room-made' });
    const log = loggerTo(parts.hearLog);
    const { progress } = this;
    this.#service = new JournalService({
      cache,
      progress,
      replayed,
      requestRoll,
      roomMade,
      isVolatile: false,
      log,
    });
    post = (message) => this.#toMain.post(message);
    for (const message of early) post(message);
    this.isServing = true;
  }

  get filesystem(): CoreHost['filesystem'] {
    return this.#host.filesystem;
  }

  /** Everything that was written lies in synced segments or in the cache, as this daemon says. */
  get saysSynced(): boolean {
    return this.progress.mark().appends !== 0 && this.progress.synced;
  }

  /** The disk is full: nothing is written until there is room again. */
  get waitsForRoom(): boolean {
    return this.#parked.length > 0;
  }

  serve(request: Request): void {
    const { kernel } = this.#parts;
    const { filesystem } = this.#host;
    filesystem.begin(request.unique);
    let status: number;
    try {
      status = carryOut(filesystem, request.call, request.given);
    } catch (error) {
      if (this.process.dead) {
        kernel.lost(request);
        return;
      }
      throw new Violation('no call throws', `${request.call.do}: ${(error as Error).stack}`);
    }
    if (this.process.dead) {
      kernel.lost(request);
      return;
    }
    const isFull = status === Errno.ENOSPC || status === Errno.EDQUOT;
    if (status === PARKED || (isFull && this.#host.makeRoom())) {
      if (this.process.dead) {
        kernel.lost(request);
        return;
      }
      kernel.note(request, 'waits for room');
      this.#parked.push(request);
      return;
    }
    if (this.process.dead) {
      kernel.lost(request);
      return;
    }
    if (request.call.do === 'fsync' && status === 0) {
      kernel.carriedOut(request);
      this.#toMain.post({ type: 'sync', request });
    } else if (kernel.losesReply()) {
      this.die();
      kernel.lost(request);
      return;
    } else {
      kernel.reply(request, status);
    }
    this.#host.afterRequest();
  }

  die(): void {
    this.#parts.machine.disk(DISK).kill(this.process);
  }

  /** A reload: the next daemon takes over. */
  handOver(): void {
    this.isServing = false;
    this.#toCore.post({ type: 'hand-over' });
  }

  /** An unmount. Resolves when nothing is left in the journal, to false where something is. */
  async stop(): Promise<boolean> {
    await this.#settled();
    this.isServing = false;
    this.#toCore.post({ type: 'stop' });
    await new Promise<void>((resolve) => this.#whenDone.push(resolve));
    const lacking = await this.#service.finish();
    this.ended = 'stopped';
    return lacking?.length === 0;
  }

  async #settled(): Promise<void> {
    const done = new Promise<void>((resolve) => this.#whenDone.push(resolve));
    this.#toCore.post({ type: 'settle-all' });
    await done;
    await this.#service.sync().catch(() => {});
  }

  #retryParked(): void {
    for (const request of this.#parked.splice(0)) {
      if (this.process.dead) this.#parts.kernel.lost(request);
      else this.serve(request);
    }
  }

  #obey(message: ToCore): void {
    if (this.ended !== undefined) return;
    this.#parts.machine.trace.add(`  ${this.process.name} obeys ${message.type}`);
    const next = this.#host.obey(message);
    if (next === 'stop') this.#end(message.type);
  }

  #end(type: ToCore['type']): void {
    this.#host.end();
    if (type !== 'hand-over') return;
    this.ended = 'handed over';
    // What it did not answer the kernel sends to the next one.
    void this.#service
      .sync()
      .catch(() => {})
      .then(() => this.#parts.kernel.handedOver(this));
  }

  #hear(message: FromCore | { type: 'sync'; request: Request }): void {
    const { machine, hearLog } = this.#parts;
    switch (message.type) {
      case 'sync':
        this.#sync(message.request);
        break;
      case 'log':
        hearLog(message.record.level, message.record.message, message.record.fields);
        break;
      case 'appended':
      case 'closed':
      case 'disk-full':
        this.#service.hear(message);
        break;
      case 'pending':
        machine.schedule(SETTLE_DELAY_MS, () => this.#toCore.post({ type: 'settle-idle' }));
        break;
      case 'done':
      case 'ended':
        this.#whenDone.shift()?.();
        break;
      case 'failed':
        throw new Violation('a daemon serves', message.message);
    }
  }

  #sync(request: Request): void {
    const { kernel } = this.#parts;
    this.#service.sync().then(
      () => kernel.reply(request, 0),
      () => kernel.reply(request, Errno.EIO),
    );
  }
}
