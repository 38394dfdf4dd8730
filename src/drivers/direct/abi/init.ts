/** FUSE_INIT, the first request of a connection. */
import { array, struct, u16, u32 } from './layout.ts';

/** Up to 7.35 the kernel sends only what lies before `flags2`. */
export const fuse_init_in = struct({
  major: u32,
  minor: u32,
  max_readahead: u32,
  flags: u32,
  flags2: u32,
  unused: array(u32, 11),
});

/** What 7.6 to 7.35 send. */
export const INIT_IN_SIZE_BEFORE_FLAGS2 = fuse_init_in.flags2;

export const fuse_init_out = struct({
  major: u32,
  minor: u32,
  max_readahead: u32,
  flags: u32,
  max_background: u16,
  congestion_threshold: u16,
  max_write: u32,
  time_gran: u32,
  max_pages: u16,
  map_alignment: u16,
  flags2: u32,
  max_stack_depth: u32,
  request_timeout: u16,
  unused: array(u16, 11),
});
