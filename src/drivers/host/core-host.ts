/**
 * What stands between the filesystem core and a driver, on the thread that serves requests: builds the core, does what the
 * main thread asks for in messages, and tells it what has happened. Knows neither the thread it is on nor the driver.
 */

import { Keyring } from '../../crypto/keyring.ts';
import type { Unstored } from '../../fs/contract.ts';
import { defaultTimings } from '../../fs/model/options.ts';
import { memoryOf } from '../../fs/operations/database-cuts.ts';
import { importPlainSessions } from '../../fs/startup/import-plain.ts';
import { type OpenedFileSystem, openFileSystem } from '../../fs/startup/open.ts';
import type { RemoteHost } from '../../fs/state/remote.ts';
import { SessionfsError } from '../../lib/errors.ts';
import { FilesystemCounters } from '../../observe/filesystem-counters.ts';
import type { LogRecord } from '../../observe/log.ts';
import type { FileNumbers } from '../../observe/measurements.ts';
import { statusText } from '../../observe/status-text.ts';
import { Cache } from '../../store/cache/cache.ts';
import { type KnownNodes, NodeTable } from '../../store/checkpoint/node-table.ts';
import { JournalProgress } from '../../store/journal/progress.ts';
import { DiskFullRecovery } from './disk-full-recovery.ts';
import type { CoreData, FromCore, SessionNews, ToCore } from './messages.ts';
import { Unanswered } from './unanswered.ts';

/** What a driver does on behalf of messages; called only from `obey`. */
export interface HostedDriver {
  /** Carries every parked request out again. */
  retryParked(): void;
  /** See Dispatcher. */
  answerStored(request: number, error: number): void;
}

/** `transfer`: memory that the receiver gets, and this side gives up. */
type Post = (message: FromCore, transfer?: ArrayBuffer[]) => void;

const HELD_BACK_SHOWN = 20;

export class CoreHost {
  readonly #data: CoreData;
  readonly #post: Post;
  readonly #driver: HostedDriver;
  readonly #progress: JournalProgress;
  readonly #opened: OpenedFileSystem;
  readonly counters: FilesystemCounters;
  #settleRequested = false;
  #handingOver = false;
  #pings = 0;
  readonly #diskFull: DiskFullRecovery;
  /** In cloud mode. */
  readonly #unanswered: Unanswered | undefined;
  /** Callers that wait for the bucket. */
  #storing = 0;

  /** Throws as openFileSystem does. */
  constructor(data: CoreData, post: Post, driver: HostedDriver) {
    this.#data = data;
    this.#post = post;
    this.#driver = driver;
    if (data.bucket?.writeThrough)
      this.#unanswered = Unanswered.open(data.cachePath, data.takeover !== undefined);
    this.#progress = new JournalProgress(data.progress);
    this.counters = new FilesystemCounters(data.counters);
    const { maxFileSizeBytes: maxFileSize, memoryLimitBytes: memoryLimit, owner, rootMode, umask } = data;
    this.#opened = openFileSystem({
      cache: new Cache(data.cachePath),
      keyring: Keyring.import(data.keyring),
      progress: this.#progress,
      counters: this.counters,
      owner,
      rootMode,
      umask,
      inherited: knownNodes(data),
      generation: data.generation,
      unanswered: this.#unanswered?.numbers ?? [],
      maxFileSize,
      memoryLimit,
      readOnly: data.readOnly ?? false,
      ...defaultTimings,
      ...(data.segmentBytes === undefined ? {} : { segmentBytes: data.segmentBytes }),
      bucket: data.bucket && { view: data.bucket, host: this.#remoteHost() },
      woken: () => this.woken(),
      startedOver: (event) => this.#post({ to: 'daemon', type: 'started-over', ...event }),
      invalidator: {
        inode: (node, offset, length) =>
          this.#post({ to: 'kernel', type: 'invalidate-inode', node, offset, length }),
        entry: (parent, name) => this.#post({ to: 'kernel', type: 'invalidate-entry', parent, name }),
      },
      log: (record) => this.log(record),
    });
    const { filesystem, hybrid } = this.#opened;
    if (hybrid === undefined) filesystem.addControlFile('status.json', () => this.#status());
    else hybrid.addControlFiles(() => this.#status());
    this.#diskFull = new DiskFullRecovery(this.#opened, (message) => this.#post(message));
  }

  get filesystem(): OpenedFileSystem['filesystem'] {
    return this.#opened.filesystem;
  }

  load(): void {
    const { core, filesystem, replayed } = this.#opened;
    const { mountPoint, plainFolder = mountPoint, plainSessions } = this.#data;
    const imported = importPlainSessions(core, plainFolder, plainSessions);
    const { segments, nextSegment, records, droppedBytes } = replayed;
    this.#post({
      to: 'client',
      type: 'loaded',
      replayed: { segments, nextSegment, records, droppedBytes },
      imported,
      files: filesystem.files,
      sessions: filesystem.sessions,
    });
    this.afterRequest();
  }

  /** The mount is gone, or left to the next daemon. */
  end(): void {
    const { filesystem, journal } = this.#opened;
    filesystem.begin(0);
    const uncommitted = this.#handingOver ? [] : filesystem.settleAll();
    if (!this.#handingOver) {
      filesystem.forgetSpecials();
      this.#rollJournal();
    }
    journal.close();
    this.#unanswered?.close();
    this.#post({ to: 'client', type: 'ended', uncommitted });
  }

  /** See DispatchHost. */
  makeRoom(): boolean {
    return !this.filesystem.takeUnlinkedLimitReached() && this.#diskFull.makeRoom();
  }

  /** See DispatchHost. Written down first: should this daemon die before the answer, the next one must only answer. */
  store(request: number, unstored: Unstored): void {
    this.#storing++;
    this.#unanswered?.add(request);
    this.#post({ to: 'remote', type: 'store', request, unstored });
  }

  /** See DispatchHost. */
  answered(request: number, interrupted: boolean): void {
    this.#storing--;
    this.#unanswered?.remove(request);
    if (interrupted) this.#post({ to: 'remote', type: 'store-cancelled', request });
  }

  /** See DispatchHost. */
  gaveUp(operation: string, node: number, name: string | undefined): void {
    const { tree } = this.#opened.core;
    const found = tree.byId(node);
    const folder = found && tree.pathOf(found);
    const path =
      name === undefined || folder === undefined ? folder : folder === '' ? name : `${folder}/${name}`;
    this.log({
      level: 'error',
      message:
        'Daemon after daemon died while it carried this request out; its caller gets EIO, everything else goes on. This is a defect of sessionfs: please report it with the lines before',
      fields: { operation, path },
    });
  }

  /** A request threw, which is a defect. */
  unexpected(request: { opcode: number } | { operation: string }, error: unknown): void {
    const fields = { ...request, error: String(error) };
    this.log({ level: 'error', message: 'a request failed unexpectedly', fields });
  }

  log(record: LogRecord): void {
    this.#post({ to: 'daemon', type: 'log', record });
  }

  #remoteHost(): RemoteHost {
    return {
      wanted: (session) => this.#post({ to: 'remote', type: 'wanted', session }),
      unwanted: (session) => this.#post({ to: 'remote', type: 'unwanted', session }),
      nameWanted: (name) => this.#post({ to: 'remote', type: 'name-wanted', name }),
      urgent: (session, why) => this.#post({ to: 'remote', type: 'urgent', session, why }),
      ask: (id, question, argument, dirtyPaths) =>
        this.#post({ to: 'remote', type: 'ask', id, question, argument, dirtyPaths }),
    };
  }

  /** Never called while a request is carried out. 'stop': leave the mount. */
  obey(message: ToCore): 'continue' | 'stop' {
    // The request before may have been a parked one.
    this.#opened.filesystem.begin(0);
    switch (message.type) {
      case 'serve':
        break;
      case 'settle-idle':
        this.#settleRequested = false;
        this.#opened.filesystem.settleIdle(this.#storing > 0);
        break;
      case 'roll':
        this.#rollJournal();
        break;
      case 'room-made':
        this.#diskFull.roomMade(() => this.#driver.retryParked());
        break;
      case 'roll-now':
        if (message.commitPlain) this.#opened.filesystem.commitPlainFiles();
        this.#rollJournal();
        this.#post({ to: 'client', type: 'rolled', segment: this.#newestInJournal() });
        break;
      case 'cut-databases':
        this.#cutDatabases(message.paths);
        break;
      case 'settle-all':
        this.#opened.filesystem.settleAll();
        this.#rollJournal();
        this.#post({ to: 'client', type: 'done' });
        break;
      case 'stored':
        this.#driver.answerStored(message.request, message.error);
        break;
      case 'measure':
        this.#post({ to: 'client', type: 'measured', files: this.#measure() });
        break;
      case 'ping':
        this.#pings++;
        break;
      case 'hand-over':
        this.#handingOver = true;
        return 'stop';
      case 'stop':
        return 'stop';
      default:
        this.#learn(message);
    }
    return 'continue';
  }

  /** News of the bucket, which parked requests may wait for. */
  #learn(message: SessionNews): void {
    const { hybrid } = this.#opened;
    if (hybrid === undefined) return;
    switch (message.type) {
      case 'absent':
        hybrid.markAbsent(message.sessions);
        break;
      case 'names-known':
        hybrid.learnNames();
        break;
      case 'restored':
        hybrid.restore(message.session, message.files, message.directories, message);
        break;
      case 'refuse':
        hybrid.refuse(message.session, () => this.#driver.retryParked());
        break;
      case 'name':
        hybrid.learnName(message.name, message.exists);
        break;
      case 'evict':
        this.#post({ to: 'remote', type: 'evicted', session: hybrid.evictLeastUsed(message.except) });
        return;
      case 'answer':
        hybrid.answer(message.id, message.text);
        break;
    }
    this.#driver.retryParked();
    this.afterRequest();
  }

  /** Everything that the kernel sent before is answered, which the sender of a 'ping' waits for. */
  woken(): void {
    for (; this.#pings > 0; this.#pings--) this.#post({ to: 'client', type: 'done' });
  }

  #rollJournal(): void {
    this.#opened.filesystem.rollJournal();
    this.afterRequest();
  }

  /** The newest closed segment, unless the cache has all of it. */
  #newestInJournal(): number | undefined {
    const { closedSegment } = this.#opened.filesystem;
    return closedSegment > this.#progress.retired ? closedSegment : undefined;
  }

  /** A handful of atomic reads when there is nothing to tell. */
  afterRequest(): void {
    const { filesystem } = this.#opened;
    filesystem.prepare();
    const segment = filesystem.takeClosedSegment();
    if (!this.#progress.synced && this.#progress.shouldNotify())
      this.#post({ to: 'journal', type: 'appended' });
    if (segment !== undefined) this.#post({ to: 'journal', type: 'closed', segment });
    if (!this.#settleRequested && filesystem.hasPending) {
      this.#settleRequested = true;
      this.#post({ to: 'daemon', type: 'pending' });
    }
  }

  #cutDatabases(paths: readonly string[]): void {
    const cut = this.#opened.filesystem.copyDatabases(paths);
    this.#post({ to: 'client', type: 'databases-cut', cut }, memoryOf(cut));
  }

  #measure(): FileNumbers {
    const { filesystem } = this.#opened;
    const { sessions, files, heldBack } = filesystem;
    const longestHeldBack = heldBack.slice(0, HELD_BACK_SHOWN);
    return {
      ...{ sessions, files, dirty: filesystem.dirtyFiles() },
      ...{ heldBack: heldBack.length, longestHeldBack },
    };
  }

  #status(): string {
    const { filesystem } = this.#opened;
    const {
      sessions,
      files,
      uncounted,
      freshRegistrations,
      startedOver,
      lostCredentials,
      heldBack,
      incomplete,
      sharedSessions,
    } = filesystem;
    return statusText({
      ...this.#data.status,
      ...(uncounted > 0 && { uncounted }),
      ...{ sessions, files, dirty: filesystem.dirtyFiles(), freshRegistrations },
      startedOver,
      lostCredentials,
      heldBack: { files: heldBack.length, longest: heldBack.slice(0, HELD_BACK_SHOWN) },
      incomplete,
      sharedSessions,
    });
  }
}

function knownNodes({ cachePath, takeover }: CoreData): KnownNodes | undefined {
  const table = new NodeTable(cachePath);
  if (takeover !== undefined) return table.readSync();
  table.clearSync();
  return undefined;
}

/** How a thread tells that the core could not be built or has failed. */
export function failureMessage(error: unknown): FromCore {
  const known = error instanceof SessionfsError ? error : undefined;
  return {
    to: 'client',
    type: 'failed',
    code: known?.code ?? 'INTERNAL',
    message: known?.message ?? `the filesystem could not be loaded: ${String(error)}`,
    hint: known?.hint,
  };
}
