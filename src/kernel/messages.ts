/** What the main thread and the kernel thread tell each other. */

import type { ImportReport } from '../fs/import-plain.ts';
import type { Owner } from '../fs/options.ts';
import type { ErrorCode } from '../lib/errors.ts';
import type { LogRecord } from '../observe/log.ts';
import type { NegotiatedSession } from './session.ts';

/** Everything the kernel thread needs; the keyring is moved, not copied, and zeroed once it is imported. */
export interface KernelThreadData {
  fuseFd: number;
  inFlightFd: number;
  /** False: behave as on a kernel that sends nothing again to the next daemon. */
  resend: boolean;
  cachePath: string;
  keyring: ArrayBuffer;
  /** JournalProgress, shared with the main thread. */
  progress: SharedArrayBuffer;
  /** Mailbox, shared with the main thread. */
  mailbox: SharedArrayBuffer;
  owner: Owner;
  /** Permission bits of the mount's root. */
  rootMode: number;
  maxFileSizeBytes: number;
  memoryLimitBytes: number;
  mountPoint: string;
  /** Names in the mount point, not yet mounted, that hold plain sessions to import. */
  plainSessions: readonly string[];
  /** What an earlier daemon agreed on with this kernel, which goes on with it; undefined: the connection is new. */
  takeover: NegotiatedSession | undefined;
  /** What status.json says beside the counts. */
  status: Readonly<Record<string, unknown>>;
}

export interface ReplayedJournal {
  segments: number[];
  nextSegment: number;
  records: number;
  droppedBytes: number;
}

export type FromKernelThread =
  /** The tree stands, plain sessions are journaled; it serves when told so. */
  | { type: 'loaded'; replayed: ReplayedJournal; imported: ImportReport; files: number; sessions: number }
  /** It acted on a 'settle-all' or 'ping'. */
  | { type: 'done' }
  | { type: 'failed'; code: ErrorCode; message: string; hint: string | undefined }
  | { type: 'log'; record: LogRecord }
  | { type: 'initialized'; session: NegotiatedSession }
  /** Something was appended to the journal since the last such message was acknowledged. */
  | { type: 'appended' }
  /** Only the checkpoint needs the segments up to this one any more. */
  | { type: 'closed'; segment: number }
  /** Whoever changes something waits for 'room-made'; the segments up to `closed`, if any, can be checkpointed. */
  | { type: 'disk-full'; closed: number | undefined }
  | { type: 'sync-then-reply'; uniqueLo: number; uniqueHi: number; slot: number }
  | { type: 'invalidate-inode'; node: number; offset: number; length: number }
  | { type: 'invalidate-entry'; parent: number; name: string }
  /** There are working copies: send 'settle-idle' in a while. */
  | { type: 'pending' }
  /** The mount is gone; nothing will be written any more. */
  | { type: 'ended'; uncommitted: string[] };

export type ToKernelThread =
  /** Sent before it reads requests; for everything else it must be woken. */
  | { type: 'serve' }
  /** Say 'done', after all that the kernel sent before. */
  | { type: 'ping' }
  | { type: 'settle-idle' }
  /** Close the present journal segment. */
  | { type: 'roll' }
  /** As much as can be of what a 'disk-full' asked for. */
  | { type: 'room-made' }
  /** Commit what can be committed, give up what is incomplete, and close the segment. */
  | { type: 'settle-all' }
  /** Leave the loop, although the mount may still be there. */
  | { type: 'stop' }
  /** Leave the loop to the next daemon: nothing is given up. */
  | { type: 'hand-over' };
