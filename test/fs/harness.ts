/** A filesystem core on a cache directory of its own, without kernel and threads. */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Keyring } from '../../src/crypto/keyring.ts';
import { type Caller, type Entry, emptyAttributes } from '../../src/fs/contract.ts';
import type { HybridSessions } from '../../src/fs/hybrid/hybrid-sessions.ts';
import type { Restored } from '../../src/fs/hybrid/restore.ts';
import { defaultTimings } from '../../src/fs/model/options.ts';
import type { ProcessTable } from '../../src/fs/model/session-writers.ts';
import { type OpenedFileSystem, openFileSystem } from '../../src/fs/startup/open.ts';
import type { StartedOver } from '../../src/fs/state/kept-registrations.ts';
import type { BucketView, Question, RemoteHost, Urgency } from '../../src/fs/state/remote.ts';
import type { FileOperations, SyncFileOperations } from '../../src/lib/file-operations.ts';
import type { LogRecord } from '../../src/observe/log.ts';
import { Cache } from '../../src/store/cache/cache.ts';
import { Checkpointer, type CheckpointReport } from '../../src/store/checkpoint/checkpointer.ts';
import { type KnownNodes, NodeTable } from '../../src/store/checkpoint/node-table.ts';
import { JournalProgress } from '../../src/store/journal/progress.ts';

export const KEY = '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff';
export const CALLER: Caller = { uid: 1000, gid: 1000, pid: 1 };

export const newAttributes = emptyAttributes;
export const newEntry = (): Entry => ({ ...newAttributes(), nodeId: 0, entryValidMs: 0 });

export interface HarnessOptions {
  key?: string;
  previousKeys?: string[];
  owner?: { uid: number; gid: number };
  umask?: number;
  maxFileSize?: number;
  memoryLimit?: number;
  unlinkedLimit?: number;
  filesInMemory?: number;
  /** Default: those of the machine. */
  processes?: ProcessTable;
  segmentBytes?: number;
  unsyncedSegmentBytes?: number;
  /** Where its directory is made; default: the system's place for temporary files. */
  within?: string;
  /** A cache directory to begin with a copy of. */
  from?: string;
  /** What journal and cache are written with. */
  journalFiles?: SyncFileOperations;
  cacheFiles?: FileOperations;
  /** See CheckpointerOptions. */
  syncTogetherMin?: number;
  readOnly?: boolean;
  /** Hybrid mode. */
  bucket?: BucketView;
  /** What an earlier server had carried out and not answered. */
  unanswered?: readonly number[];
}

/** One RemoteHost.ask. */
interface Ask {
  id: number;
  question: Question;
  argument: string;
  dirtyPaths: string[];
}

export class Harness {
  readonly directory: string;
  readonly cachePath: string;
  readonly logs: LogRecord[] = [];
  /** What the core told and asked the side that knows the bucket. */
  readonly names: string[] = [];
  readonly wanted: string[] = [];
  readonly unwanted: string[] = [];
  readonly urgent: [session: string, why: Urgency][] = [];
  readonly asks: Ask[] = [];
  readonly startedOver: StartedOver[] = [];
  /** What the kernel was told to drop: `entry PARENT NAME`, `inode NODE OFFSET`. */
  readonly invalidated: string[] = [];
  nowMs = 1_700_000_000_000;
  opened!: OpenedFileSystem;
  progress = new JournalProgress();
  #options: HarnessOptions;
  #inherited: KnownNodes | undefined;
  #generation = 0;
  readonly #nodes: NodeTable;

  /** Throws what opening throws, and leaves nothing behind then. */
  constructor(options: HarnessOptions = {}) {
    this.#options = options;
    this.directory = mkdtempSync(join(options.within ?? tmpdir(), 'sessionfs-test-fs-'));
    this.cachePath = join(this.directory, 'cache');
    this.#nodes = new NodeTable(this.cachePath);
    mkdirSync(join(this.directory, 'mnt'));
    try {
      if (options.from !== undefined) cpSync(options.from, this.cachePath, { recursive: true });
      this.open();
    } catch (error) {
      rmSync(this.directory, { recursive: true, force: true });
      throw error;
    }
  }

  get fs() {
    return this.opened.filesystem;
  }

  /** In hybrid mode. */
  get hybrid(): HybridSessions {
    if (this.opened.hybrid === undefined) throw new Error('opened without a bucket');
    return this.opened.hybrid;
  }

  /** As a daemon that starts: after the constructor, after `crash`. */
  open(options: HarnessOptions = this.#options): void {
    this.#options = options;
    const keyring = Keyring.fromHex(options.key ?? KEY, options.previousKeys);
    Cache.open(this.cachePath, {
      mountPoint: join(this.directory, 'mnt'),
      keyId: keyring.currentId,
      acceptedKeyIds: [keyring.currentId, ...(this.#acceptAnyKey() ?? [])],
    });
    this.progress = new JournalProgress();
    this.opened = openFileSystem({
      cache: new Cache(this.cachePath, options.cacheFiles),
      keyring,
      progress: this.progress,
      owner: options.owner ?? { uid: CALLER.uid, gid: CALLER.gid },
      rootMode: 0o755,
      inherited: this.#inherited,
      generation: this.#generation,
      ...(options.unanswered === undefined ? {} : { unanswered: options.unanswered }),
      umask: options.umask ?? 0o077,
      maxFileSize: options.maxFileSize ?? 64 * 1024 * 1024,
      memoryLimit: options.memoryLimit ?? 64 * 1024 * 1024,
      ...(options.processes === undefined ? {} : { processes: options.processes }),
      ...(options.unlinkedLimit === undefined ? {} : { unlinkedLimit: options.unlinkedLimit }),
      ...(options.filesInMemory === undefined ? {} : { filesInMemory: options.filesInMemory }),
      ...(options.segmentBytes === undefined ? {} : { segmentBytes: options.segmentBytes }),
      ...(options.unsyncedSegmentBytes === undefined
        ? {}
        : { unsyncedSegmentBytes: options.unsyncedSegmentBytes }),
      ...(options.journalFiles === undefined ? {} : { journalFiles: options.journalFiles }),
      ...defaultTimings,
      readOnly: options.readOnly ?? false,
      clock: { wallMs: () => this.nowMs, monotonicMs: () => this.nowMs },
      invalidator: {
        inode: (node, offset) => this.invalidated.push(`inode ${node} ${offset}`),
        entry: (parent, name) => this.invalidated.push(`entry ${parent} ${name}`),
      },
      bucket: options.bucket && { view: options.bucket, host: this.#remoteHost() },
      log: (record) => this.logs.push(record),
      startedOver: (event) => this.startedOver.push(event),
    });
    this.fs.takeClosedSegment();
  }

  /** The process dies: whatever was not written is gone. */
  crash(): void {
    this.opened.journal.close();
  }

  restart(options?: HarnessOptions): void {
    this.crash();
    this.#inherited = undefined;
    this.#generation = 0;
    this.#nodes.clearSync();
    this.open(options);
  }

  /** The daemon dies and another goes on with the same kernel, which still has its numbers. */
  takeOver(options?: HarnessOptions): void {
    this.crash();
    this.#inherited = this.#nodes.readSync();
    this.#generation++;
    this.open(options);
  }

  /** Everything in closed segments goes to the cache, and the segments go. */
  async checkpoint(): Promise<CheckpointReport | undefined> {
    this.fs.rollJournal();
    const closed = this.fs.takeClosedSegment();
    if (closed === undefined) return undefined;
    const checkpointer = new Checkpointer({
      journalDirectory: join(this.cachePath, 'journal'),
      cache: this.opened.cache,
      progress: this.progress,
      onRetired: () => {},
      nodes: this.#nodes,
      log: { warn: () => {} },
      // A disk that is really synced has few files here; a recorded one may sync any number of them at once.
      ...(this.#options.syncTogetherMin === undefined
        ? {}
        : { syncTogetherMin: this.#options.syncTogetherMin }),
    });
    return await checkpointer.run(closed);
  }

  /** As the side that downloaded it would: with everything that the cache has of the session. */
  restore(session: string, how?: Restored): void {
    const files: string[] = [];
    const directories: string[] = [];
    this.opened.cache.walkSync((path, kind) => {
      if (path.startsWith(`${session}/`)) (kind === 'file' ? files : directories).push(path);
    });
    this.hybrid.restore(session, files, directories, how);
  }

  settle(): void {
    this.nowMs += 3_600_000;
    this.fs.settleIdle();
  }

  remove(): void {
    this.opened.journal.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #remoteHost(): RemoteHost {
    return {
      nameWanted: (name) => this.names.push(name),
      wanted: (session) => this.wanted.push(session),
      unwanted: (session) => this.unwanted.push(session),
      urgent: (session, why) => this.urgent.push([session, why]),
      ask: (id, question, argument, dirtyPaths) => this.asks.push({ id, question, argument, dirtyPaths }),
    };
  }

  #acceptAnyKey(): string[] | undefined {
    const known = Cache.readKeyId(this.cachePath);
    return known === undefined ? undefined : [known];
  }
}
