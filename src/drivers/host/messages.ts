/** What the main thread and the thread that serves tell each other. */

import type { Unstored } from '../../fs/contract.ts';
import type { Owner } from '../../fs/model/options.ts';
import type { DatabasesCut } from '../../fs/operations/database-cuts.ts';
import type { ImportReport } from '../../fs/startup/import-plain.ts';
import type { StartedOver } from '../../fs/state/kept-registrations.ts';
import type { BucketView, Question, Urgency } from '../../fs/state/remote.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import type { LogRecord } from '../../observe/log.ts';
import type { FileNumbers } from '../../observe/measurements.ts';

/**
 * What the direct driver and the kernel agreed on. Plain data: a daemon that takes the connection over gets no INIT and is
 * given this instead. `flags`, `flags2`: the two words of FUSE_INIT flags.
 */
export interface NegotiatedSession {
  major: number;
  /** The smaller of the two sides' versions. */
  minor: number;
  flags: number;
  flags2: number;
  maxReadaheadBytes: number;
  maxWriteBytes: number;
  maxPages: number;
}

/** Everything that the filesystem core is built from; the keyring is moved, not copied, and zeroed once it is imported. */
export interface CoreData {
  cachePath: string;
  keyring: ArrayBuffer;
  /** JournalProgress, shared with the main thread. */
  progress: SharedArrayBuffer;
  /** FilesystemCounters, shared with the main thread. */
  counters: SharedArrayBuffer;
  owner: Owner;
  /** Permission bits of the mount's root. */
  rootMode: number;
  /** See FileSystemOptions. */
  umask: number;
  maxFileSizeBytes: number;
  memoryLimitBytes: number;
  /** Every change is refused; default: false. */
  readOnly?: boolean;
  /** When a journal segment is full, where that is not to be the usual size. */
  segmentBytes?: number;
  mountPoint: string;
  /** Names in the mount point, not yet mounted, that hold plain sessions to import. */
  plainSessions: readonly string[];
  /** A path of their folder that no other process can lead elsewhere; default: the mount point. */
  plainFolder?: string;
  /** What an earlier daemon agreed on with this kernel, which goes on with it; undefined: the connection is new. */
  takeover: NegotiatedSession | undefined;
  /** How many daemons of this mount were started before. */
  generation: number;
  /** What status.json says beside the counts. */
  status: Readonly<Record<string, unknown>>;
  /** Hybrid mode: what is known of the bucket at the start; undefined: local mode, and none of the messages about it. */
  bucket: BucketView | undefined;
}

/** What the direct driver's thread needs beside it. */
export interface KernelThreadData extends CoreData {
  fuseFd: number;
  inFlightFd: number;
  /** False: behave as on a kernel that sends nothing again to the next daemon. */
  resend: boolean;
  /** Numbers of requests that daemon after daemon died of: they are answered EIO. */
  fatalRequests: readonly number[];
  /** For tests: a lookup of this name kills the process. */
  crashOn: string | undefined;
  /** Mailbox, shared with the main thread. */
  mailbox: SharedArrayBuffer;
  /** SyncQueue, shared with the sync thread. */
  syncs: SharedArrayBuffer;
}

export interface ReplayedJournal {
  segments: number[];
  nextSegment: number;
  records: number;
  droppedBytes: number;
}

/** To CoreClient, the main thread's end of the link. */
export type ClientMessage =
  /** The tree stands, plain sessions are journaled; it serves when told so. */
  | {
      to: 'client';
      type: 'loaded';
      replayed: ReplayedJournal;
      imported: ImportReport;
      files: number;
      sessions: number;
    }
  /** To a 'measure'. */
  | { to: 'client'; type: 'measured'; files: FileNumbers }
  /** It acted on a 'settle-all' or 'ping'. */
  | { to: 'client'; type: 'done' }
  /**
   * To a 'roll-now', after the 'closed' of the same segment: every commit before it lies in segments up to this one, or is in
   * the cache; undefined: all of it is in the cache. If unfinished files could not be repeated (a full disk) this is the last
   * segment that was closed, and later ones are left out.
   */
  | { to: 'client'; type: 'rolled'; segment: number | undefined }
  /** To a 'cut-databases'. */
  | { to: 'client'; type: 'databases-cut'; cut: DatabasesCut }
  | { to: 'client'; type: 'failed'; code: ErrorCode; message: string; hint: string | undefined }
  /** The mount is gone; nothing will be written any more. */
  | { to: 'client'; type: 'ended'; uncommitted: string[] };

/** To the daemon itself, which wires the others. */
export type DaemonMessage =
  | { to: 'daemon'; type: 'log'; record: LogRecord }
  /** The kernel is served from here on. `session`: what the next daemon must know; undefined: none can take this over. */
  | { to: 'daemon'; type: 'initialized'; session: NegotiatedSession | undefined }
  /** An application replaced a session's registered credentials by others: what was there lies in set-aside/, durably. */
  | ({ to: 'daemon'; type: 'started-over' } & StartedOver)
  /** There are working copies: send 'settle-idle' in a while. */
  | { to: 'daemon'; type: 'pending' };

/** To the main thread's side of the kernel connection. */
export type KernelMessage =
  | { to: 'kernel'; type: 'sync-then-reply'; uniqueLo: number; uniqueHi: number; slot: number }
  | { to: 'kernel'; type: 'invalidate-inode'; node: number; offset: number; length: number }
  | { to: 'kernel'; type: 'invalidate-entry'; parent: number; name: string };

/** To JournalService. */
export type JournalMessage =
  /** Something was appended to the journal since the last such message was acknowledged. */
  | { to: 'journal'; type: 'appended' }
  /** Only the checkpoint needs the segments up to this one any more. */
  | { to: 'journal'; type: 'closed'; segment: number }
  /** Changes wait for 'room-made'; the segments up to `closed`, if any, can be checkpointed. */
  | { to: 'journal'; type: 'disk-full'; closed: number | undefined };

/** To RemoteSessions. */
export type RemoteMessage =
  /** A call waits for what is in this session; once until it was restored. */
  | { to: 'remote'; type: 'wanted'; session: string }
  /** No call waits for it any more. */
  | { to: 'remote'; type: 'unwanted'; session: string }
  /** A lookup asks for a session of this name, which is not here: 'name' is to follow. */
  | { to: 'remote'; type: 'name-wanted'; name: string }
  /**
   * A session folder was made or got its name, or its creds.json changed; at most once a session until the next 'roll' or
   * 'roll-now' was obeyed: take everything that is journaled until then.
   */
  | { to: 'remote'; type: 'urgent'; session: string; why: Urgency }
  /**
   * A caller waits for an 'answer' of this number. `argument`: for status and metrics what this thread knows, in JSON; for
   * flush what was written, trimmed. `dirtyPaths` (not for flush): files whose newest version is not in the cache yet.
   */
  | { to: 'remote'; type: 'ask'; id: number; question: Question; argument: string; dirtyPaths: string[] }
  /** Cloud mode: the request of this number was carried out; send 'stored' once that is in the bucket. */
  | { to: 'remote'; type: 'store'; request: number; unstored: Unstored }
  /** Cloud mode: its caller no longer waits. */
  | { to: 'remote'; type: 'store-cancelled'; request: number }
  /** To an 'evict': the bucket's version is the one that counts from now on; undefined: no session can go. */
  | { to: 'remote'; type: 'evicted'; session: string | undefined };

/** Each receiver has one switch, over its own messages; `to` is all that is looked at on the way. */
export type FromCore = ClientMessage | RoutedMessage;
export type RoutedMessage = DaemonMessage | KernelMessage | JournalMessage | RemoteMessage;

/** To CoreHost. */
export type CoreMessage =
  /** Sent before it reads requests; for everything else it must be woken. */
  | { type: 'serve' }
  /** Say 'done', after all that the kernel sent before. */
  | { type: 'ping' }
  /** Say 'measured'. */
  | { type: 'measure' }
  | { type: 'settle-idle' }
  /** Close the present journal segment. */
  | { type: 'roll' }
  /** The same, and say 'rolled'. `commitPlain`: first commit plain files that are still being written, as they are. */
  | { type: 'roll-now'; commitPlain: boolean }
  /** Say 'databases-cut': the databases that are, or lie beside, one of these files of the mount, as they are now. */
  | { type: 'cut-databases'; paths: readonly string[] }
  /** To a 'store'. `error`: 0, or the negative errno that its caller gets. */
  | { type: 'stored'; request: number; error: number }
  /** As much room as can be made of what a 'disk-full' asked for. */
  | { type: 'room-made' }
  /** Commit what can be committed, give up what is incomplete, and close the segment. */
  | { type: 'settle-all' }
  /** Leave the loop, although the mount may still be there. */
  | { type: 'stop' }
  /** Leave the loop to the next daemon: nothing is given up. */
  | { type: 'hand-over' };

/** To the absent sessions, by CoreHost: parked requests are carried out again after it. */
export type SessionNews =
  /** These top-level directories are (partly or wholly) in the bucket only: what needs their content waits. */
  | { type: 'absent'; sessions: string[] }
  /** No top-level name is missing any more. */
  | { type: 'names-known' }
  /**
   * The cache now holds exactly these mount paths below the session, all durable, and the journal holds nothing of it. Session
   * '': top-level files, which are added. See `Restored` of fs.
   */
  | {
      type: 'restored';
      session: string;
      files: string[];
      directories: string[];
      unchanged?: boolean;
      confirmed?: true;
    }
  /** Cloud mode: make a session absent that is not among these, and say 'evicted'. */
  | { type: 'evict'; except: string[] }
  /** Calls that wait for this session now get EBUSY. */
  | { type: 'refuse'; session: string }
  /** To a 'name-wanted': whether another mount has made a session of this name. */
  | { type: 'name'; name: string; exists: boolean }
  /** To an 'ask'; undefined: it failed. */
  | { type: 'answer'; id: number; text: string | undefined };

export type ToCore = CoreMessage | SessionNews;
