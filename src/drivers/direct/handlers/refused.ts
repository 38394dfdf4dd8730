/**
 * Requests that are answered without the filesystem. For most, ENOSYS is a permanent answer: the kernel does the thing
 * itself, or does without, and never asks again. What Linux 5.4 to 6.18 makes of it:
 *
 * | request | after ENOSYS |
 * |---|---|
 * | OPEN, OPENDIR | files open with no request, pages (and listings) stay cached; RELEASE is not sent either |
 * | CREATE | MKNOD, then OPEN |
 * | FLUSH | close(2) succeeds with no request |
 * | ACCESS | allowed; with default_permissions it is not even sent |
 * | GETXATTR, SETXATTR, LISTXATTR, REMOVEXATTR | EOPNOTSUPP; file capabilities, looked for at each write, are not asked for again |
 * | STATX | GETATTR instead |
 * | POLL | always ready |
 * | LSEEK | SEEK_DATA and SEEK_HOLE see one piece of data |
 * | COPY_FILE_RANGE, _64 | EOPNOTSUPP, and the kernel or the caller reads and writes |
 * | TMPFILE | EOPNOTSUPP, and the caller makes a named file |
 * | BMAP | 0: no swap file here |
 * | GETLK, SETLK, SETLKW | not sent: without POSIX_LOCKS and FLOCK_LOCKS the kernel keeps locks itself |
 * | SETUPMAPPING, REMOVEMAPPING | not sent over /dev/fuse |
 * | anything unknown | as the kernel's authors planned for it |
 */

import { ENOTTY, NO_REPLY } from '../../host/outcome.ts';
import { Opcode } from '../abi/opcodes.ts';
import type { Operation } from './exchange.ts';

/** Kernels before 5.13 hand ENOSYS to the caller, whose isatty(3) knows only ENOTTY. */
function ioctl(): number {
  return ENOTTY;
}

/** An open file has no state here. One opened before the kernel learned that is released all the same. */
function release(): number {
  return 0;
}

/** Sent by the last unmount of some filesystems; the end of the connection follows and is what counts. */
function destroy(): number {
  return 0;
}

/** The answer to a FUSE_NOTIFY_RETRIEVE, which is never sent. */
function notifyReply(): number {
  return NO_REPLY;
}

export const refusedOperations: ReadonlyArray<readonly [Opcode, Operation]> = [
  [Opcode.FUSE_IOCTL, { argumentBytes: 0, run: ioctl }],
  [Opcode.FUSE_RELEASE, { argumentBytes: 0, run: release }],
  [Opcode.FUSE_RELEASEDIR, { argumentBytes: 0, run: release }],
  [Opcode.FUSE_DESTROY, { argumentBytes: 0, run: destroy }],
  [Opcode.FUSE_NOTIFY_REPLY, { argumentBytes: 0, run: notifyReply }],
];
