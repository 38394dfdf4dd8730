/** Requests on a file's content and on open files. */
import { i32, struct, u32, u64 } from './layout.ts';

export const fuse_open_in = struct({ flags: u32, open_flags: u32 });
export const fuse_open_out = struct({ fh: u64, open_flags: u32, backing_id: i32 });
export const fuse_release_in = struct({ fh: u64, flags: u32, release_flags: u32, lock_owner: u64 });
export const fuse_flush_in = struct({ fh: u64, unused: u32, padding: u32, lock_owner: u64 });

export const fuse_read_in = struct({
  fh: u64,
  offset: u64,
  size: u32,
  read_flags: u32,
  lock_owner: u64,
  /** The open(2) flags of the file, in the machine's own numbers. */
  flags: u32,
  padding: u32,
});

export const fuse_write_in = struct({
  fh: u64,
  offset: u64,
  size: u32,
  write_flags: u32,
  lock_owner: u64,
  /** The open(2) flags of the file, in the machine's own numbers. */
  flags: u32,
  padding: u32,
});

/** write_flags: written back from the page cache (mmap); the offset is what counts, whatever the file was opened with. */
export const FUSE_WRITE_CACHE = 1 << 0;

export const fuse_write_out = struct({ size: u32, padding: u32 });
export const fuse_fsync_in = struct({ fh: u64, fsync_flags: u32, padding: u32 });
export const fuse_syncfs_in = struct({ padding: u64 });
export const fuse_fallocate_in = struct({ fh: u64, offset: u64, length: u64, mode: u32, padding: u32 });
export const fuse_lseek_in = struct({ fh: u64, offset: u64, whence: u32, padding: u32 });
export const fuse_lseek_out = struct({ offset: u64 });

export const fuse_copy_file_range_in = struct({
  fh_in: u64,
  off_in: u64,
  nodeid_out: u64,
  fh_out: u64,
  off_out: u64,
  len: u64,
  flags: u64,
});
export const fuse_copy_file_range_out = struct({ bytes_copied: u64 });

export const fuse_bmap_in = struct({ block: u64, blocksize: u32, padding: u32 });
export const fuse_bmap_out = struct({ block: u64 });

export const fuse_ioctl_in = struct({ fh: u64, flags: u32, cmd: u32, arg: u64, in_size: u32, out_size: u32 });
export const fuse_ioctl_iovec = struct({ base: u64, len: u64 });
export const fuse_ioctl_out = struct({ result: i32, flags: u32, in_iovs: u32, out_iovs: u32 });

export const fuse_poll_in = struct({ fh: u64, kh: u64, flags: u32, events: u32 });
export const fuse_poll_out = struct({ revents: u32, padding: u32 });

export const fuse_file_lock = struct({ start: u64, end: u64, type: u32, pid: u32 });
export const fuse_lk_in = struct({ fh: u64, owner: u64, lk: fuse_file_lock, lk_flags: u32, padding: u32 });
export const fuse_lk_out = struct({ lk: fuse_file_lock });

/** DAX of virtiofs; /dev/fuse never sends it. */
export const fuse_setupmapping_in = struct({ fh: u64, foffset: u64, len: u64, flags: u64, moffset: u64 });
export const fuse_removemapping_in = struct({ count: u32 });
export const fuse_removemapping_one = struct({ moffset: u64, len: u64 });
