/** Requests on a file's content and on open files. */
import { struct, u32, u64 } from './layout.ts';

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
