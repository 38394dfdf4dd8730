/** Puts the core together: from the cache directory and the journal to a filesystem that can answer. */

import { statfsSync } from 'node:fs';
import type { Keyring } from '../../crypto/keyring.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { type SyncFileOperations, syncFileOperations } from '../../lib/file-operations.ts';
import { S_IFDIR } from '../../lib/file-type.ts';
import { isAlive, processOfThread } from '../../lib/process-table.ts';
import { FilesystemCounters } from '../../observe/filesystem-counters.ts';
import type { Cache } from '../../store/cache/cache.ts';
import type { KnownNodes } from '../../store/checkpoint/node-table.ts';
import type { JournalOp, OpPlace } from '../../store/journal/format.ts';
import type { JournalProgress } from '../../store/journal/progress.ts';
import { type ReplayResult, replayJournal } from '../../store/journal/replay.ts';
import { JournalWriter } from '../../store/journal/writer.ts';
import { KeptVersions } from '../../store/set-aside/kept-versions.ts';
import type { FilesystemStatistics, Invalidator } from '../contract.ts';
import { forgetInKernel, knownByName, markAbsent } from '../hybrid/absent.ts';
import { HybridSessions } from '../hybrid/hybrid-sessions.ts';
import { DirectoryNode, type FileNode } from '../model/node.ts';
import type { FileSystemOptions, Log } from '../model/options.ts';
import { OrphanStore } from '../model/orphans.ts';
import { ScanBudget } from '../model/scan-budget.ts';
import type { ProcessTable } from '../model/session-writers.ts';
import { Tree } from '../model/tree.ts';
import { CONTROL_NODE, makeControlDirectory } from '../operations/control-files.ts';
import { ControlQuestions } from '../operations/control-questions.ts';
import { FileSystem } from '../operations/filesystem.ts';
import { IdleSessions } from '../operations/idle-sessions.ts';
import { ReadOnlyFileSystem } from '../operations/read-only.ts';
import { Contents } from '../state/contents.ts';
import type { Core } from '../state/core.ts';
import { DatabaseRegistrations } from '../state/database-registrations.ts';
import { IncompleteJson } from '../state/incomplete.ts';
import { JournaledFiles } from '../state/journaled-files.ts';
import { KeptRegistrations, type StartedOver } from '../state/kept-registrations.ts';
import { Records } from '../state/records.ts';
import { Registrations } from '../state/registrations.ts';
import { type BucketView, Remote, type RemoteHost } from '../state/remote.ts';
import { SharedSessions } from '../state/shared-sessions.ts';
import { touchAll } from '../state/times.ts';
import { JournalReplay } from './journal-replay.ts';
import { inheritNumbers, rebuildWorkingCopies } from './rebuild.ts';
import { SessionReader } from './session-reader.ts';
import { TreeBuilder } from './tree-builder.ts';

export interface OpenFileSystemOptions extends FileSystemOptions {
  cache: Cache;
  keyring: Keyring;
  progress: JournalProgress;
  log: Log;
  invalidator: Invalidator;
  woken?: () => void;
  /** A session's registered credentials were replaced by others; called in the middle of a request. */
  startedOver?: (event: StartedOver) => void;
  /** Permission bits of the root, until a chmod. */
  rootMode: number;
  /** Another daemon served this connection before; undefined: the kernel is new and knows nothing. */
  inherited?: KnownNodes | undefined;
  /** How many daemons served this connection before; it keeps their node numbers apart. */
  generation?: number;
  /** Requests that it had carried out, and that waited to be stored. */
  unanswered?: Iterable<number>;
  /** Bytes of decrypted contents to keep in memory. */
  memoryLimit: number;
  /** So many files may be in memory; a test has its own limit. */
  filesInMemory?: number;
  /** Bytes of files that were unlinked while open. */
  unlinkedLimit?: number;
  /** Those of this machine; a test brings its own. */
  processes?: ProcessTable;
  clock?: Clock;
  counters?: FilesystemCounters;
  segmentBytes?: number;
  unsyncedSegmentBytes?: number;
  /** What journal and set-aside/ are written with; a test may record or fail it. */
  journalFiles?: SyncFileOperations;
  /** Hybrid mode; undefined: local mode. */
  bucket?: { view: BucketView; host: RemoteHost } | undefined;
}

export interface OpenedFileSystem {
  filesystem: FileSystem;
  /** Hybrid and cloud mode. */
  hybrid: HybridSessions | undefined;
  core: Core;
  cache: Cache;
  journal: JournalWriter;
  replayed: ReplayResult;
}

/** The cache lock must be held. Throws JOURNAL_CORRUPT, CACHE_FORMAT, and system errors of the cache directory. */
export function openFileSystem(options: OpenFileSystemOptions): OpenedFileSystem {
  const { cache, keyring, progress, owner, log, clock = systemClock, generation = 0 } = options;
  const { counters = new FilesystemCounters() } = options;
  const root = new DirectoryNode(S_IFDIR | (options.rootMode & 0o7777), owner.uid, owner.gid);
  const tree = new Tree(root);
  const keepsTimes = options.inherited !== undefined;
  const builder = new TreeBuilder({ tree, keyring, owner, clock, log, keepsTimes });
  const reader = new SessionReader(builder, cache);
  reader.readRoot();
  const replay = new JournalReplay(builder, options.inherited);
  const visit = (op: JournalOp, place: OpPlace) => replay.visit(op, place);
  const replayed = replayJournal(cache.journalDirectory, visit, options.journalFiles);
  tree.reserve(options.inherited?.largest ?? 0);
  tree.beginRange(generation);
  const { nextSegment, nextSeq } = replayed;
  const journal = new JournalWriter(cache.journalDirectory, {
    nextSegment,
    nextSeq,
    progress,
    ...(options.segmentBytes === undefined ? {} : { segmentBytes: options.segmentBytes }),
    ...(options.unsyncedSegmentBytes === undefined
      ? {}
      : { unsyncedSegmentBytes: options.unsyncedSegmentBytes }),
    ...(options.journalFiles === undefined ? {} : { files: options.journalFiles }),
  });
  const contents = new Contents({
    cache,
    journal,
    progress,
    keyring,
    owner,
    clock,
    counters,
    log,
    memoryLimit: options.memoryLimit,
  });
  const isInJournal = (node: FileNode) => contents.isInJournal(node);
  const journaled = new JournaledFiles({ tree, isInJournal });
  const { startedOver = () => {} } = options;
  const kept = new KeptRegistrations({
    ...{ keyring, clock, log, tell: startedOver },
    kept: new KeptVersions(cache.path, options.journalFiles ?? syncFileOperations),
  });
  const remote = options.bucket && new Remote(options.bucket.view, options.bucket.host);
  const core: Core = {
    tree,
    contents,
    records: new Records(journal, keyring, owner, { remote, journaled }),
    journaled,
    incomplete: new IncompleteJson(counters, clock, log),
    cache,
    registrations: new Registrations({ contents, options, clock, tree, kept }),
    databases: new DatabaseRegistrations({ contents, options, clock, tree, kept }),
    kept,
    remote,
    keyring,
    clock,
    invalidator: options.invalidator,
    options,
    log,
    woken: options.woken ?? (() => {}),
    shared: new SharedSessions({ tree, clock, counters, processes: options.processes ?? machine, log }),
    control: makeControlDirectory(owner.uid, owner.gid),
    scanBudget: new ScanBudget(clock),
    pending: new Set(),
    orphans: new OrphanStore(cache.path, options.unlinkedLimit ?? unlinkedLimit(options), log),
    request: 0,
    isLastTry: false,
    generation,
    executedBefore:
      options.inherited === undefined ? NOTHING : executed(replay.lastRequest, options.unanswered),
  };
  core.control.parent = root;
  tree.inherit(core.control, CONTROL_NODE);
  touchAll(core, root);
  touchAll(core, core.control);
  for (const node of replay.placed) journaled.add(node);
  rebuildWorkingCopies(core, builder, replay.unfinished);
  const { inherited } = options;
  const absent = [...(remote?.absentAtStart ?? []), ...(inherited ? knownByName(core, inherited) : [])];
  markAbsent(core, absent);
  if (inherited !== undefined) {
    inheritNumbers(core, inherited);
    if (remote !== undefined) forgetInKernel(core, absent);
  }
  const questions = remote && new ControlQuestions(core, remote);
  const hybrid = remote && questions && new HybridSessions(core, remote, questions);
  const filesystem = new (options.readOnly ? ReadOnlyFileSystem : FileSystem)(core, {
    closed: nextSegment - 1,
    diskStatistics: (out) => diskStatistics(cache.path, () => tree.files + reader.files, out),
    questions,
    unread: reader,
    idle: new IdleSessions(core, {
      leave: (session) => reader.leave(session, (node) => contents.forget(node)),
      replayed: replayed.segments.at(-1) ?? 0,
      filesMax: options.filesInMemory ?? FILES_IN_MEMORY,
    }),
  });
  filesystem.countFiles(COUNTED_AT_START);
  return { filesystem, hybrid, core, cache, journal, replayed };
}

/** Beyond it, sessions at rest leave memory. */
const FILES_IN_MEMORY = 30_000;
/** So many files are counted before the mount answers; the rest follows beside everything else. */
const COUNTED_AT_START = 20_000;

const machine: ProcessTable = {
  processOf: (thread) => processOfThread(thread),
  lives: (process) => isAlive(process),
};

const UNLINKED_BYTES = 256 * 1024 * 1024;
const UNLINKED_FILES = 4;

function unlinkedLimit({ maxFileSize }: FileSystemOptions): number {
  return Math.max(UNLINKED_BYTES, UNLINKED_FILES * maxFileSize);
}

const NOTHING: ReadonlySet<number> = new Set();

/** The journal tells only the last one: those before it were answered, or waited to be stored. */
function executed(last: number, unanswered: Iterable<number> = []): ReadonlySet<number> {
  return new Set(last === 0 ? unanswered : [last, ...unanswered]);
}

/** `files`: of a disk that does not count them itself. */
function diskStatistics(path: string, files: () => number, out: FilesystemStatistics): void {
  const disk = statfsSync(path);
  out.blockSize = disk.bsize;
  out.blocks = disk.blocks;
  out.blocksFree = disk.bfree;
  out.blocksAvailable = disk.bavail;
  out.files = disk.files;
  out.filesFree = disk.ffree;
  out.nameLengthMax = 255;
  if (out.files === 0) out.files = files();
}
