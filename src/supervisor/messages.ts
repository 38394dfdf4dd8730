/** What the supervisor and the daemon tell each other, over Node's IPC channel. */
import type { Config } from '../config/load.ts';
import type { Driver } from '../drivers/choose.ts';
import type { NegotiatedSession } from '../drivers/host/messages.ts';
import type { ErrorCode } from '../lib/errors.ts';
import type { Secrets } from '../lib/secrets.ts';

/** The descriptor of /dev/fuse in the daemon: stdin, stdout and stderr come before it. */
export const FUSE_DESCRIPTOR = 3;
/** A file in memory, for requests in flight (drivers/direct/in-flight.ts). */
export const IN_FLIGHT_DESCRIPTOR = 4;
/** The directory in memory that takes the cache's place (mount/memory-directory.ts), if there is one; IPC has the one before it. */
export const MEMORY_DESCRIPTOR = 6;

/** The folder below the mount (mount/mount-folder.ts), where the daemon mounts by itself. */
export const FOLDER_DESCRIPTOR = 7;

/** What the supervisor keeps open for all daemons of a mount. */
export interface OwnedDescriptors {
  fuseFd: number;
  inFlightFd: number;
  memoryFd: number | undefined;
  /** Undefined where the supervisor mounts. */
  folderFd: number | undefined;
}

/** Owner and permission bits that the mount point has when nothing is mounted and it is not shut (mount/mount-folder.ts). */
export interface MountRoot {
  uid: number;
  gid: number;
  mode: number;
}

export interface DaemonStart {
  config: Config;
  /** The file that standard error leads to, by the name that it is opened by anew; undefined: it is no file. */
  logFile: string | undefined;
  /** The key's variables, which are in no environment. */
  secrets: Secrets;
  driver: Driver;
  /** Resolved. */
  mountPoint: string;
  root: MountRoot;
  /** Names in the mount point that hold plain sessions; none in a take-over. */
  plainSessions: string[];
  /** What an earlier daemon agreed on with the kernel, which says it only once; undefined: the mount is to be made. */
  takeover: NegotiatedSession | undefined;
  /** False: behave as on a kernel that sends nothing again. */
  resend: boolean;
  /** Numbers of requests that daemon after daemon died of: they are answered EIO. */
  fatalRequests: readonly number[];
  /** For tests: a lookup of this name kills the daemon. */
  crashOn: string | undefined;
  supervisor: { pid: number; version: string };
  /** How often a daemon of this mount died. */
  restarts: number;
  /** How many daemons of this mount were started before; each gives node numbers from a range of its own. */
  generation: number;
  /** Once the supervisor is gone: stop when no process but this one is left in the mount's namespace. */
  endsWithLastUser: boolean;
}

export type ToDaemon =
  | ({ type: 'start' } & DaemonStart)
  /** The kernel connection is in place: serve it. `device`: the mount's, as `major:minor`. */
  | { type: 'mounted'; device: string }
  /** The mount could not be made: remove what the start has made, exit. */
  | { type: 'not-mounted' }
  /** The log file was renamed: open a new one of its name. */
  | { type: 'reopen-log' }
  /** Leave the mount to the next daemon: answer what was read, write down what is needed, exit. */
  | { type: 'hand-over' };

export interface StopReport {
  exitStatus: number;
  /** It was taken out of the tree although a process still used it. */
  lazy: boolean;
  /** The processes that still used it, where they can be seen. */
  holders: string[];
  /** Files whose last content could not be committed; what was written of them is in the journal. */
  dirty: number;
}

export type FromDaemon =
  /** It knows all that it must know; the supervisor mounts now. */
  | { type: 'loaded' }
  | { type: 'initialized'; session: NegotiatedSession }
  /** The mount answers. `notices`: sentences for the terminal of the start. */
  | { type: 'ready'; notices: readonly string[] }
  | { type: 'failed'; code: ErrorCode; message: string; hint: string | undefined }
  | { type: 'stopped'; report: StopReport };
