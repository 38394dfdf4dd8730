/** Large enough that its fsync takes a while, in which a daemon can be killed. */
export const BLOCK_BYTES = 12 * 1024 * 1024;

export function block(number: number): Buffer {
  return Buffer.alloc(BLOCK_BYTES, `block ${number};`);
}
