import { codeOf } from './system-error.ts';

/**
 * Error numbers as the kernel wants them in `fuse_out_header.error`: negative.
 * The filesystem core returns them instead of throwing, so that a failed lookup costs no stack trace.
 */
export const Errno = {
  EPERM: -1,
  ENOENT: -2,
  EINTR: -4,
  EIO: -5,
  EAGAIN: -11,
  ENOMEM: -12,
  EACCES: -13,
  EBUSY: -16,
  EEXIST: -17,
  EXDEV: -18,
  ENODEV: -19,
  ENOTDIR: -20,
  EISDIR: -21,
  EINVAL: -22,
  EFBIG: -27,
  ENOSPC: -28,
  EROFS: -30,
  EMLINK: -31,
  ERANGE: -34,
  ENAMETOOLONG: -36,
  ENOSYS: -38,
  ENOTEMPTY: -39,
  ELOOP: -40,
  EILSEQ: -84,
  EOPNOTSUPP: -95,
  ENOTCONN: -107,
  ETIMEDOUT: -110,
  ESTALE: -116,
  EDQUOT: -122,
} as const;

export type Errno = (typeof Errno)[keyof typeof Errno];

const names = new Map<number, string>(Object.entries(Errno).map(([name, value]) => [value, name]));

/** The symbolic name of a negative error number, for log lines. */
export function errnoName(value: number): string {
  return names.get(value) ?? `errno ${-value}`;
}

/** No room on the disk, or no more for this user: the two errors that freeing space cures. `errno`: negative, or a result. */
export function isDiskFull(errno: number): boolean {
  return errno === Errno.ENOSPC || errno === Errno.EDQUOT;
}

/** Maps a failed system call of our own (disk full, I/O error) to what the application is told; EIO where unknown. */
export function errnoOf(error: unknown): Errno {
  const code = codeOf(error);
  return code !== undefined && code in Errno ? Errno[code as keyof typeof Errno] : Errno.EIO;
}
