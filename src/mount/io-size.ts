/** The limits on one READ or WRITE, which the mount (max_read) and the kernel protocol (max_write) must name alike. */

/**
 * Bytes of file content in one WRITE, and (by the mount's max_read) in one READ. Every other call waits while one is carried out: with
 * 1 MiB, lookups beside a large write took two to three times as long.
 */
export const MAX_IO_BYTES = 256 * 1024;

/** What there is room for: a mount that an earlier version of sessionfs made, and agreed on, may be taken over. */
export const MAX_IO_BYTES_EVER = 1 << 20;
