/**
 * A daemon with a bucket: what src/daemon/daemon.ts wires, without the kernel and its thread. The core runs beside the main
 * thread, and messages between them take a moment.
 */
import { loadConfig } from '../../../src/config/load.ts';
import { Keyring } from '../../../src/crypto/keyring.ts';
import { JournalService } from '../../../src/daemon/journal-service.ts';
import { DaemonServices } from '../../../src/daemon/services.ts';
import { CoreClient, type CoreLink } from '../../../src/drivers/host/core-client.ts';
import { CoreHost } from '../../../src/drivers/host/core-host.ts';
import type { CoreData, FromCore, RoutedMessage, ToCore } from '../../../src/drivers/host/messages.ts';
import { PARKED } from '../../../src/fs/contract.ts';
import { FilesystemCounters } from '../../../src/observe/filesystem-counters.ts';
import type { Logger } from '../../../src/observe/log.ts';
import { Cache } from '../../../src/store/cache/cache.ts';
import { JournalProgress } from '../../../src/store/journal/progress.ts';
import type { DaemonStart } from '../../../src/supervisor/messages.ts';
import type { Settled } from '../../../src/sync/backup/flusher.ts';
import { Channel, type HearLog, KERNEL, KEY, loggerTo, SETTLE_DELAY_MS } from '../daemon-parts.ts';
import type { Machine, Process } from '../platform/machine.ts';
import { Violation } from '../violation.ts';

const OWNER = { uid: 1000, gid: 1000 };

export type Filesystem = CoreHost['filesystem'];

/** Something that an application does in one go: PARKED has changed nothing, and is done again from its beginning. */
export interface Operation {
  title: string;
  run: (filesystem: Filesystem) => number;
  /** `lost`: the daemon died, in the middle of it perhaps. */
  done: (status: number | 'lost' | 'given up') => void;
  /** Of its last try. */
  unique: number;
}

export interface DaemonParts {
  machine: Machine;
  process: Process;
  /** Below which cache and mount point lie. */
  root: string;
  settings: Readonly<Record<string, string>>;
  takeover: boolean;
  generation: number;
  restarts: number;
  hearLog: HearLog;
  /** The kernel's number of the next request: daemons that take over go on with them. */
  nextUnique: () => number;
  /** News of a session that changes what applications find. */
  news: (session: string, what: 'absent' | 'restored') => void;
}

export class Daemon {
  readonly process: Process;
  state: 'starting' | 'serving' | 'stopping' | 'ended' = 'starting';
  readonly #parts: DaemonParts;
  readonly #progress = new JournalProgress();
  readonly #log: Logger;
  readonly #asked = new Map<number, (text: string | undefined) => void>();
  #host: CoreHost | undefined;
  #client: CoreClient | undefined;
  #store: JournalService | undefined;
  #services: DaemonServices | undefined;
  #parked: Operation[] = [];
  /** Not begun. */
  readonly #submitted = new Set<Operation>();
  #questions = 1_000_000;

  constructor(parts: DaemonParts) {
    this.#parts = parts;
    this.process = parts.process;
    this.#log = loggerTo(parts.hearLog);
  }

  /** Resolves when it serves. Rejects with what the start of a daemon fails with. */
  async start(): Promise<void> {
    const { root, settings, takeover, restarts, generation } = this.#parts;
    const mountPoint = `${root}/mnt`;
    const config = loadConfig(
      { SESSION_STORAGE_PATH: mountPoint, SESSION_CACHE_PATH: `${root}/cache`, ...settings },
      {},
    );
    const keyring = Keyring.fromHex(KEY);
    const cache = Cache.open(config.cachePath, { mountPoint, keyId: keyring.currentId });
    cache.removeLeftoversSync();
    const start = {
      ...{ config, mountPoint, restarts, generation, driver: 'direct' },
      takeover: takeover ? KERNEL : undefined,
    } as unknown as DaemonStart;
    this.#services = await DaemonServices.open({ start, cache, keyring, log: this.#log });
    const client = this.#load({ start, cache, keyring });
    const { replayed } = await client.loaded();
    this.#store = this.#serviceOf(cache, client, replayed);
    const store = this.#store;
    const settle = async (what: Settled) => store.settle(await client.roll(what === 'everything'));
    this.#services.connect({ thread: client, settle }, []);
    client.listen((message) => this.#hear(message));
    await this.#services.prepare();
    client.serve();
    this.#services.start();
    this.state = 'serving';
  }

  /** An unmount. Resolves to how many files the bucket lacks; what only the journal has counts as one. */
  async stop(): Promise<number> {
    const { client, store, services } = this.#running;
    this.state = 'stopping';
    await client.send('settle-all');
    await store.sync().catch(() => {});
    await services.flushBeforeUnmount();
    client.post({ type: 'stop' });
    await client.ended;
    for (const operation of this.#parked.splice(0)) operation.done('given up');
    const lacking = await store.finish();
    const isComplete = lacking?.length === 0;
    const unsaved = await services.flushTheRest({ isComplete, lacking });
    await services.end();
    this.state = 'ended';
    return isComplete ? unsaved : Math.max(unsaved, 1);
  }

  /** A reload: another daemon takes over. */
  async handOver(): Promise<void> {
    const { client, store, services } = this.#running;
    this.state = 'stopping';
    client.post({ type: 'hand-over' });
    await client.ended;
    await store.sync().catch(() => {});
    await services.end();
    this.state = 'ended';
  }

  submit(operation: Operation): void {
    this.#submitted.add(operation);
    this.#parts.machine.schedule(0, () => this.#perform(operation), this.process);
  }

  #perform(operation: Operation): void {
    this.#submitted.delete(operation);
    const filesystem = this.#host?.filesystem;
    if (this.state !== 'serving' || filesystem === undefined) {
      operation.done('lost');
      return;
    }
    operation.unique = this.#parts.nextUnique();
    filesystem.begin(operation.unique);
    let status: number;
    try {
      status = operation.run(filesystem);
    } catch (error) {
      if (!this.process.dead || error instanceof Violation) throw error;
      operation.done('lost');
      return;
    }
    if (this.process.dead) operation.done('lost');
    else if (status === PARKED) this.#parked.push(operation);
    else operation.done(status);
    if (!this.process.dead) this.#host?.afterRequest();
  }

  /** Its caller was interrupted. */
  giveUp(operation: Operation): void {
    const at = this.#parked.indexOf(operation);
    if (at < 0) return;
    this.#parked.splice(at, 1);
    this.#host?.filesystem.interrupted(operation.unique);
    operation.done('given up');
  }

  /** As a write to .sessionfs/flush. Resolves to whether all of it is in the bucket. */
  async flush(what: string): Promise<boolean> {
    return (await this.#ask('flush', what)) !== undefined;
  }

  async status(): Promise<{ dirty: number; backups: { session: string; state: string; dirty: number }[] }> {
    return JSON.parse((await this.#ask('status', '{}')) ?? '{"dirty":-1,"backups":[]}');
  }

  /** It died: what waited in it is lost. */
  buried(): void {
    for (const operation of [...this.#submitted, ...this.#parked.splice(0)]) operation.done('lost');
    this.#submitted.clear();
  }

  #ask(question: 'flush' | 'status', argument: string): Promise<string | undefined> {
    const id = this.#questions++;
    const answered = new Promise<string | undefined>((resolve) => this.#asked.set(id, resolve));
    this.#services?.hear({ to: 'remote', type: 'ask', id, question, argument, dirtyPaths: [] });
    return answered;
  }

  get #running(): { client: CoreClient; store: JournalService; services: DaemonServices } {
    if (this.#client === undefined || this.#store === undefined || this.#services === undefined)
      throw new Error(`${this.process.name} does not run`);
    return { client: this.#client, store: this.#store, services: this.#services };
  }

  #load({ start, cache, keyring }: { start: DaemonStart; cache: Cache; keyring: Keyring }): CoreClient {
    const { machine, process } = this.#parts;
    const { config, mountPoint, takeover, generation } = start;
    const data: CoreData = {
      cachePath: cache.path,
      keyring: keyring.export(),
      progress: this.#progress.shared,
      counters: new FilesystemCounters().shared,
      umask: config.umask,
      owner: OWNER,
      rootMode: 0o755,
      maxFileSizeBytes: config.maxFileSizeBytes,
      memoryLimitBytes: config.memoryLimitBytes,
      mountPoint,
      plainSessions: [],
      takeover,
      generation,
      status: {},
      bucket: this.#services?.threadData,
    };
    let toMain: Channel<FromCore>;
    const toCore = new Channel<ToCore>(machine, process, (message) => this.#obey(message));
    const link: CoreLink = {
      start: (receive, fail) => {
        toMain = new Channel(machine, process, receive);
        try {
          const driver = { retryParked: () => this.#retryParked(), answerStored: () => {} };
          this.#host = new CoreHost(data, (message) => toMain.post(message), driver);
          this.#host.load();
        } catch (error) {
          machine.schedule(0, () => fail(error as Error));
        }
      },
      post: (message) => toCore.post(message),
      serve: () => {},
      keepAccess: async () => {},
      terminate: async () => {},
      close: () => {},
    };
    this.#client = new CoreClient(link);
    return this.#client;
  }

  #serviceOf(
    cache: Cache,
    client: CoreClient,
    replayed: Awaited<ReturnType<CoreClient['loaded']>>['replayed'],
  ): JournalService {
    return new JournalService({
      cache,
      progress: this.#progress,
      replayed,
      requestRoll: () => client.post({ type: 'roll' }),
      roomMade: () => client.post({ type: 'room-made' }),
      isVolatile: false,
      onApplied: this.#services?.noteCheckpoint,
      log: this.#log,
    });
  }

  #obey(message: ToCore): void {
    if (this.#host === undefined || this.state === 'ended') return;
    if (message.type === 'answer') {
      this.#asked.get(message.id)?.(message.text);
      this.#asked.delete(message.id);
    }
    this.#tellNews(message);
    if (this.#host.obey(message) === 'stop') this.#host.end();
  }

  #tellNews(message: ToCore): void {
    const { machine, news } = this.#parts;
    if (message.type !== 'absent' && message.type !== 'restored') return;
    const sessions = message.type === 'absent' ? message.sessions : [message.session];
    if (sessions.length === 0) return;
    machine.trace.add(`${machine.nowMs.toFixed(1)} ${this.process.name} hears: ${message.type} ${sessions}`);
    for (const session of sessions) news(session, message.type);
  }

  #retryParked(): void {
    for (const operation of this.#parked.splice(0)) this.#perform(operation);
  }

  #hear(message: RoutedMessage): void {
    const { machine, hearLog } = this.#parts;
    switch (message.to) {
      case 'daemon':
        if (message.type === 'log')
          hearLog(message.record.level, message.record.message, message.record.fields);
        else if (message.type === 'pending')
          machine.schedule(SETTLE_DELAY_MS, () => this.#client?.post({ type: 'settle-idle' }));
        else if (message.type === 'started-over') this.#services?.startedOver(message);
        break;
      case 'journal':
        this.#store?.hear(message);
        break;
      case 'remote':
        this.#services?.hear(message);
        break;
      case 'kernel':
        break;
    }
  }
}
