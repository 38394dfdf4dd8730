/** What a server may tell the kernel unasked: a fuse_out_header with `unique` 0 and the code in `error`. */
import { i64, struct, u32, u64 } from './layout.ts';

export const NotifyCode = {
  FUSE_NOTIFY_POLL: 1,
  FUSE_NOTIFY_INVAL_INODE: 2,
  FUSE_NOTIFY_INVAL_ENTRY: 3,
  FUSE_NOTIFY_STORE: 4,
  FUSE_NOTIFY_RETRIEVE: 5,
  FUSE_NOTIFY_DELETE: 6,
  FUSE_NOTIFY_RESEND: 7,
  FUSE_NOTIFY_INC_EPOCH: 8,
  FUSE_NOTIFY_PRUNE: 9,
} as const;

export const fuse_notify_inval_inode_out = struct({
  ino: u64,
  /** Negative: attributes only. */
  off: i64,
  /** 0 or negative: to the end of the file. */
  len: i64,
});

/** Followed by the name and a NUL that `namelen` does not count. */
export const fuse_notify_inval_entry_out = struct({ parent: u64, namelen: u32, flags: u32 });
