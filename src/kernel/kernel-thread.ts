/**
 * The thread that answers the kernel. It blocks in read(2) on /dev/fuse and waits for nothing else: what it has to know
 * in between comes as a message; a lookup on the mount, made by another process (waker.ts), wakes it.
 */
import { setPriority } from 'node:os';
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { Keyring } from '../crypto/keyring.ts';
import { importPlainSessions } from '../fs/import-plain.ts';
import { type OpenedFileSystem, openFileSystem } from '../fs/open.ts';
import { defaultTimings } from '../fs/options.ts';
import type { RemoteHost } from '../fs/remote.ts';
import { SessionfsError } from '../lib/errors.ts';
import { Mailbox } from '../lib/mailbox.ts';
import { Cache } from '../store/cache.ts';
import { JournalProgress } from '../store/journal-progress.ts';
import { type KnownNodes, NodeTable } from '../store/node-table.ts';
import { DirectDriver, type DirectDriverHost } from './direct-driver.ts';
import type { FromKernelThread, KernelThreadData, ToKernelThread } from './messages.ts';
import { Room } from './room.ts';

type NewsOfBucket = Extract<ToKernelThread, { type: 'absent' | 'names-known' | 'restored' | 'answer' }>;

const KERNEL_THREAD_NICENESS = -10;

class KernelThread {
  readonly #data: KernelThreadData;
  readonly #port: MessagePort;
  readonly #progress: JournalProgress;
  readonly #opened: OpenedFileSystem;
  #driver: DirectDriver | undefined;
  #settleRequested = false;
  #handingOver = false;
  #pings = 0;
  readonly #mailbox: Mailbox;
  readonly #room: Room;

  constructor(data: KernelThreadData, port: MessagePort) {
    this.#data = data;
    this.#port = port;
    this.#progress = new JournalProgress(data.progress);
    this.#mailbox = new Mailbox(data.mailbox);
    const { maxFileSizeBytes: maxFileSize, memoryLimitBytes: memoryLimit, owner, rootMode } = data;
    this.#opened = openFileSystem({
      cache: new Cache(data.cachePath),
      keyring: Keyring.import(data.keyring),
      progress: this.#progress,
      owner,
      rootMode,
      inherited: knownNodes(data),
      maxFileSize,
      memoryLimit,
      ...defaultTimings,
      bucket: data.bucket && { view: data.bucket, host: this.#remoteHost() },
      woken: () => this.#woken(),
      startedOver: (event) => this.#post({ type: 'started-over', ...event }),
      invalidator: {
        inode: (node, offset, length) => this.#post({ type: 'invalidate-inode', node, offset, length }),
        entry: (parent, name) => this.#post({ type: 'invalidate-entry', parent, name }),
      },
      log: (record) => this.#post({ type: 'log', record }),
    });
    const { filesystem, hybrid } = this.#opened;
    if (hybrid === undefined) filesystem.addControlFile('status.json', () => this.#status());
    else hybrid.addControlFiles(() => this.#status());
    this.#room = new Room(this.#opened, (message) => this.#post(message));
  }

  load(): void {
    const { core, filesystem, replayed } = this.#opened;
    const imported = importPlainSessions(core, this.#data.mountPoint, this.#data.plainSessions);
    const { segments, nextSegment, records, droppedBytes } = replayed;
    this.#post({
      type: 'loaded',
      replayed: { segments, nextSegment, records, droppedBytes },
      imported,
      files: filesystem.files,
      sessions: filesystem.sessions,
    });
    this.#afterRequest();
  }

  serve(): void {
    const { fuseFd: fd, inFlightFd, resend, takeover: session } = this.#data;
    const { filesystem, journal } = this.#opened;
    this.#driver = new DirectDriver({ fd, inFlightFd, resend, session }, filesystem, this.#host());
    this.#driver.serve();
    filesystem.begin(0);
    const uncommitted = this.#handingOver ? [] : filesystem.settleAll();
    if (!this.#handingOver) this.#rollJournal();
    journal.close();
    this.#post({ type: 'ended', uncommitted });
  }

  #host(): DirectDriverHost {
    return {
      beforeRequest: () => (this.#mailbox.lower() ? this.#takeMessages() : 'continue'),
      afterRequest: () => this.#afterRequest(),
      syncThenReply: (uniqueLo, uniqueHi, slot) =>
        this.#post({ type: 'sync-then-reply', uniqueLo, uniqueHi, slot }),
      makeRoom: () => this.#room.make(),
      initialized: (session) => this.#post({ type: 'initialized', session }),
      refused: ({ code, message, hint }) => this.#post({ type: 'failed', code, message, hint }),
      unexpected: (error, opcode) =>
        this.#post({
          type: 'log',
          record: {
            level: 'error',
            message: 'a request failed unexpectedly',
            fields: { opcode, error: String(error) },
          },
        }),
    };
  }

  #remoteHost(): RemoteHost {
    return {
      wanted: (session) => this.#post({ type: 'wanted', session }),
      urgent: (session, why) => this.#post({ type: 'urgent', session, why }),
      ask: (id, question, argument, dirtyPaths) =>
        this.#post({ type: 'ask', id, question, argument, dirtyPaths }),
    };
  }

  #takeMessages(): 'continue' | 'stop' {
    let next: 'continue' | 'stop' = 'continue';
    for (;;) {
      // Each on nobody's behalf: the one before may have carried parked requests out.
      this.#opened.filesystem.begin(0);
      const received = receiveMessageOnPort(this.#port) as { message: ToKernelThread } | undefined;
      if (received === undefined) return next;
      if (this.obey(received.message) === 'stop') next = 'stop';
    }
  }

  obey(message: ToKernelThread): 'continue' | 'stop' {
    switch (message.type) {
      case 'serve':
        break;
      case 'settle-idle':
        this.#settleRequested = false;
        this.#opened.filesystem.settleIdle();
        break;
      case 'roll':
        this.#rollJournal();
        break;
      case 'room-made':
        this.#room.retryInIt(() => this.#driver?.retryParked());
        break;
      case 'roll-now':
        if (message.commitPlain) this.#opened.filesystem.commitPlainFiles();
        this.#rollJournal();
        this.#post({ type: 'rolled', segment: this.#newestInJournal() });
        break;
      case 'settle-all':
        this.#opened.filesystem.settleAll();
        this.#rollJournal();
        this.#post({ type: 'done' });
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

  /** News of the bucket: somebody may wait for it. */
  #learn(message: NewsOfBucket): void {
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
        hybrid.restore(message.session, message.files, message.directories);
        break;
      case 'answer':
        hybrid.answer(message.id, message.text);
        break;
    }
    this.#driver?.retryParked();
    this.#afterRequest();
  }

  #woken(): void {
    for (; this.#pings > 0; this.#pings--) this.#post({ type: 'done' });
  }

  #rollJournal(): void {
    this.#opened.filesystem.rollJournal();
    this.#afterRequest();
  }

  /** The newest closed segment, unless the cache has all of it. */
  #newestInJournal(): number | undefined {
    const { closedSegment } = this.#opened.filesystem;
    return closedSegment > this.#progress.retired ? closedSegment : undefined;
  }

  /** A handful of atomic reads when there is nothing to tell. */
  #afterRequest(): void {
    const { filesystem } = this.#opened;
    const segment = filesystem.takeClosedSegment();
    if (!this.#progress.synced && this.#progress.shouldNotify()) this.#post({ type: 'appended' });
    if (segment !== undefined) this.#post({ type: 'closed', segment });
    if (!this.#settleRequested && filesystem.hasPending) {
      this.#settleRequested = true;
      this.#post({ type: 'pending' });
    }
  }

  #status(): string {
    const { filesystem } = this.#opened;
    const { sessions, files, freshRegistrations } = filesystem;
    const counts = { sessions, files, dirty: filesystem.dirtyFiles(), freshRegistrations };
    return `${JSON.stringify({ ...this.#data.status, ...counts }, undefined, 2)}\n`;
  }

  #post(message: FromKernelThread): void {
    this.#port.postMessage(message);
  }
}

function knownNodes({ cachePath, takeover }: KernelThreadData): KnownNodes | undefined {
  const table = new NodeTable(cachePath);
  if (takeover !== undefined) return table.readSync();
  table.clearSync();
  return undefined;
}

function main(port: MessagePort): void {
  try {
    const thread = new KernelThread(workerData as KernelThreadData, port);
    thread.load();
    port.on('message', (message: ToKernelThread) => {
      if (message.type !== 'serve') {
        thread.obey(message);
        return;
      }
      // From here on messages are taken by receiveMessageOnPort only.
      thread.serve();
      port.close();
    });
  } catch (error) {
    const known = error instanceof SessionfsError ? error : undefined;
    const message = known?.message ?? `the filesystem could not be loaded: ${String(error)}`;
    port.postMessage({
      type: 'failed',
      code: known?.code ?? 'INTERNAL',
      message,
      hint: known?.hint,
    } satisfies FromKernelThread);
    port.close();
  }
}

/**
 * Every call on the mount waits for this thread, which has little to do: on a machine whose cores are all busy it is to run
 * at once. Only where that is permitted (root, CAP_SYS_NICE).
 */
function runAtOnce(): void {
  try {
    // 0: the calling thread.
    setPriority(0, KERNEL_THREAD_NICENESS);
  } catch {}
}

if (parentPort !== null) {
  runAtOnce();
  main(parentPort);
}
