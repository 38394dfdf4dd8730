/** The limit on one READ or WRITE, which the mount (max_read) and the kernel protocol (max_write) must name alike. */

/** Bytes of file content in one WRITE, and (by the mount's max_read) in one READ. */
export const MAX_IO_BYTES = 1 << 20;
