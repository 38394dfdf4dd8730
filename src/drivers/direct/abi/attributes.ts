/** Attributes: LOOKUP, FORGET, GETATTR, SETATTR, STATX, STATFS, ACCESS. */
import { array, struct, u32, u64 } from './layout.ts';

export const fuse_attr = struct({
  ino: u64,
  size: u64,
  blocks: u64,
  /** Seconds, signed in truth: times before 1970 are in two's complement. */
  atime: u64,
  mtime: u64,
  ctime: u64,
  atimensec: u32,
  mtimensec: u32,
  ctimensec: u32,
  mode: u32,
  nlink: u32,
  uid: u32,
  gid: u32,
  rdev: u32,
  blksize: u32,
  flags: u32,
});

export const fuse_entry_out = struct({
  nodeid: u64,
  generation: u64,
  /** Seconds. */
  entry_valid: u64,
  attr_valid: u64,
  entry_valid_nsec: u32,
  attr_valid_nsec: u32,
  attr: fuse_attr,
});

export const fuse_attr_out = struct({
  /** Seconds. */
  attr_valid: u64,
  attr_valid_nsec: u32,
  dummy: u32,
  attr: fuse_attr,
});

export const fuse_getattr_in = struct({ getattr_flags: u32, dummy: u32, fh: u64 });

export const fuse_setattr_in = struct({
  valid: u32,
  padding: u32,
  fh: u64,
  size: u64,
  lock_owner: u64,
  atime: u64,
  mtime: u64,
  ctime: u64,
  atimensec: u32,
  mtimensec: u32,
  ctimensec: u32,
  mode: u32,
  unused4: u32,
  uid: u32,
  gid: u32,
  unused5: u32,
});

/** Which fields of fuse_setattr_in are meant. */
export const FATTR_MODE = 1 << 0;
export const FATTR_UID = 1 << 1;
export const FATTR_GID = 1 << 2;
export const FATTR_SIZE = 1 << 3;
export const FATTR_ATIME = 1 << 4;
export const FATTR_MTIME = 1 << 5;
export const FATTR_ATIME_NOW = 1 << 7;
export const FATTR_MTIME_NOW = 1 << 8;

export const fuse_forget_in = struct({ nlookup: u64 });
export const fuse_forget_one = struct({ nodeid: u64, nlookup: u64 });
export const fuse_batch_forget_in = struct({ count: u32, dummy: u32 });

export const fuse_kstatfs = struct({
  blocks: u64,
  bfree: u64,
  bavail: u64,
  files: u64,
  ffree: u64,
  bsize: u32,
  namelen: u32,
  frsize: u32,
  padding: u32,
  spare: array(u32, 6),
});
