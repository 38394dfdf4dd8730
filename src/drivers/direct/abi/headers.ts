/** What every message begins with, and the version of the protocol. */
import { i32, struct, u16, u32, u64 } from './layout.ts';

export const FUSE_KERNEL_VERSION = 7;
/** The newest minor version whose structs are declared here (Linux 6.18). */
export const FUSE_KERNEL_MINOR_VERSION = 45;

export const fuse_in_header = struct({
  len: u32,
  opcode: u32,
  unique: u64,
  nodeid: u64,
  uid: u32,
  gid: u32,
  pid: u32,
  /** Length of the extensions behind the arguments, in units of 8 bytes. */
  total_extlen: u16,
  padding: u16,
});

export const fuse_out_header = struct({
  len: u32,
  error: i32,
  unique: u64,
});

/** FUSE_UNIQUE_RESEND is bit 63 of `unique`: this is its value in the upper of the two 32-bit words. */
export const FUSE_UNIQUE_RESEND_HI = 0x8000_0000;

export const fuse_interrupt_in = struct({ unique: u64 });
