/**
 * The INIT flags as bit numbers: 0-31 travel in `flags`, 32-63 in `flags2`, which exists only where both sides say
 * FUSE_INIT_EXT. JavaScript's bit operators work on 32 bits, so a set of flags is a pair of unsigned words here.
 */
export const InitFlag = {
  FUSE_ASYNC_READ: 0,
  FUSE_POSIX_LOCKS: 1,
  FUSE_FILE_OPS: 2,
  FUSE_ATOMIC_O_TRUNC: 3,
  FUSE_EXPORT_SUPPORT: 4,
  FUSE_BIG_WRITES: 5,
  FUSE_DONT_MASK: 6,
  FUSE_SPLICE_WRITE: 7,
  FUSE_SPLICE_MOVE: 8,
  FUSE_SPLICE_READ: 9,
  FUSE_FLOCK_LOCKS: 10,
  FUSE_HAS_IOCTL_DIR: 11,
  FUSE_AUTO_INVAL_DATA: 12,
  FUSE_DO_READDIRPLUS: 13,
  FUSE_READDIRPLUS_AUTO: 14,
  FUSE_ASYNC_DIO: 15,
  FUSE_WRITEBACK_CACHE: 16,
  FUSE_NO_OPEN_SUPPORT: 17,
  FUSE_PARALLEL_DIROPS: 18,
  FUSE_HANDLE_KILLPRIV: 19,
  FUSE_POSIX_ACL: 20,
  FUSE_ABORT_ERROR: 21,
  FUSE_MAX_PAGES: 22,
  FUSE_CACHE_SYMLINKS: 23,
  FUSE_NO_OPENDIR_SUPPORT: 24,
  FUSE_EXPLICIT_INVAL_DATA: 25,
  FUSE_MAP_ALIGNMENT: 26,
  FUSE_SUBMOUNTS: 27,
  FUSE_HANDLE_KILLPRIV_V2: 28,
  FUSE_SETXATTR_EXT: 29,
  FUSE_INIT_EXT: 30,
  FUSE_INIT_RESERVED: 31,
  FUSE_SECURITY_CTX: 32,
  FUSE_HAS_INODE_DAX: 33,
  FUSE_CREATE_SUPP_GROUP: 34,
  FUSE_HAS_EXPIRE_ONLY: 35,
  FUSE_DIRECT_IO_ALLOW_MMAP: 36,
  FUSE_PASSTHROUGH: 37,
  FUSE_NO_EXPORT_SUPPORT: 38,
  FUSE_HAS_RESEND: 39,
  FUSE_ALLOW_IDMAP: 40,
  FUSE_OVER_IO_URING: 41,
  FUSE_REQUEST_TIMEOUT: 42,
} as const;

export type InitFlag = (typeof InitFlag)[keyof typeof InitFlag];

export interface InitFlags {
  /** Bits 0-31, unsigned. */
  flags: number;
  /** Bits 32-63, unsigned. */
  flags2: number;
}

export function initFlags(...bits: InitFlag[]): InitFlags {
  let flags = 0;
  let flags2 = 0;
  for (const bit of bits) {
    if (bit < 32) flags |= 1 << bit;
    else flags2 |= 1 << (bit - 32);
  }
  return { flags: flags >>> 0, flags2: flags2 >>> 0 };
}

export function hasInitFlag(set: InitFlags, bit: InitFlag): boolean {
  return bit < 32 ? (set.flags & (1 << bit)) !== 0 : (set.flags2 & (1 << (bit - 32))) !== 0;
}
