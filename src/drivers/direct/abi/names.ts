/** Requests that name a child: MKNOD, MKDIR, RENAME, LINK, CREATE; and directory listings. */
import { fuse_entry_out } from './attributes.ts';
import { array, struct, u8, u32, u64 } from './layout.ts';

export const fuse_mknod_in = struct({ mode: u32, rdev: u32, umask: u32, padding: u32 });
export const fuse_mkdir_in = struct({ mode: u32, umask: u32 });
export const fuse_rename_in = struct({ newdir: u64 });
export const fuse_rename2_in = struct({ newdir: u64, flags: u32, padding: u32 });
export const fuse_link_in = struct({ oldnodeid: u64 });

export const fuse_dirent = struct({
  ino: u64,
  off: u64,
  namelen: u32,
  /** DT_*: the file type bits of a mode, shifted down by 12. */
  type: u32,
  name: array(u8, 0),
});

export const fuse_direntplus = struct({ entry_out: fuse_entry_out, dirent: fuse_dirent });

/** Records of a listing begin at multiples of 8 bytes. */
export function FUSE_REC_ALIGN(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** The inode number of a name whose number is not known (0 would hide the name). */
export const FUSE_UNKNOWN_INO = 0xffff_ffff;
