/** Extended attributes, and the extensions that 7.36 and 7.38 append to requests where they were negotiated. */
import { array, struct, u32 } from './layout.ts';

/** Without FUSE_SETXATTR_EXT the kernel sends only the first FUSE_COMPAT_SETXATTR_IN_SIZE bytes. */
export const fuse_setxattr_in = struct({ size: u32, flags: u32, setxattr_flags: u32, padding: u32 });
export const FUSE_COMPAT_SETXATTR_IN_SIZE = fuse_setxattr_in.setxattr_flags;

export const fuse_getxattr_in = struct({ size: u32, padding: u32 });
export const fuse_getxattr_out = struct({ size: u32, padding: u32 });

/** FUSE_SECURITY_CTX: a header, then for each context a fuse_secctx, its name and its value. */
export const fuse_secctx_header = struct({ size: u32, nr_secctx: u32 });
export const fuse_secctx = struct({ size: u32, padding: u32 });

/** FUSE_CREATE_SUPP_GROUP. Types up to FUSE_MAX_NR_SECCTX are secctx headers. */
export const fuse_ext_header = struct({ size: u32, type: u32 });
export const fuse_supp_groups = struct({ nr_groups: u32, groups: array(u32, 0) });
