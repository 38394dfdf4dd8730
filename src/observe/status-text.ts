/** The text of `.sessionfs/status.json`. */

/** A power of two, longer than the status of a mount in local mode. */
const BYTES_MULTIPLE = 4096;

/**
 * JSON whose size in bytes is a multiple of 4096, filled with spaces before the last line end. A reader that straddles a
 * take-over has the size from one daemon and the text from the next: with equal sizes it reads whole JSON.
 */
export function statusText(status: object): string {
  const json = JSON.stringify(status, undefined, 2);
  const missing = -(Buffer.byteLength(json) + 1) & (BYTES_MULTIPLE - 1);
  return `${json}${' '.repeat(missing)}\n`;
}
