/** What the filesystem core is told from outside. */
import type { LogRecord } from '../../observe/log.ts';

export interface Owner {
  uid: number;
  gid: number;
  /** The mount knows no other user: what carries another's numbers is this one's too. */
  ownsAll?: boolean;
}

export interface FileSystemOptions {
  /** The owner of files without recorded uid and gid: SESSION_OWNER, or the owner of the mount point. */
  owner: Owner;
  /** Permission bits that new files and folders do not get. */
  umask: number;
  /** Bytes; a longer file is refused with EFBIG. */
  maxFileSize: number;
  /** Every change is refused; default: false. */
  readOnly?: boolean;
  /** How long a plain file must rest before its working copy is committed. */
  plainIdleMs: number;
  /** How long incomplete JSON may rest before it is given up. */
  gateIdleMs: number;
}

export const defaultTimings = { plainIdleMs: 250, gateIdleMs: 10_000 } as const;

export type Log = (record: LogRecord) => void;
