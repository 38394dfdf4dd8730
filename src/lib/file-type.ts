/** The type bits of a file's mode, the same on every system that sessionfs runs on. */
export const S_IFMT = 0o170000;
export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;
export const S_IFIFO = 0o010000;
export const S_IFSOCK = 0o140000;

/** A FIFO or a Unix socket: a name by which processes meet; what passes through it is the kernel's business. */
export function isSpecialType(type: number): boolean {
  return type === S_IFIFO || type === S_IFSOCK;
}
