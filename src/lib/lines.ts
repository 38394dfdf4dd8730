/** The lines of a file, in chunks, with a bound for each: a disk that was damaged or copied may have anything in it. */
import fs from 'node:fs';

const CHUNK_BYTES = 1 << 20;
const NEWLINE = 0x0a;
const NOTHING = Buffer.alloc(0);

/** Good until the next one is asked for. Its bytes are those from `start` to `end` (exclusive), without its end. */
export interface Line {
  bytes: Buffer;
  start: number;
  end: number;
  /** Of its first byte, in the file. */
  position: number;
  /** 'long': it has more than is allowed, and is not here. 'cut': the file ends before it does. */
  what: 'whole' | 'long' | 'cut';
}

/** From the start of the file. Throws system errors. */
export function* linesOf(fd: number, maxBytes: number): Generator<Readonly<Line>> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  const line: Line = { bytes: NOTHING, start: 0, end: 0, position: 0, what: 'whole' };
  let chunkAt = 0;
  /** Of a line that goes on in the next chunk; undefined: more than a line can have. */
  let begun: Buffer | undefined = NOTHING;
  for (;;) {
    const length = fs.readSync(fd, chunk, 0, chunk.length, null);
    if (length === 0) break;
    let at = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0 && end < length; end = chunk.indexOf(NEWLINE, at)) {
      put(line, begun, chunk, at, end, maxBytes);
      yield line;
      begun = NOTHING;
      at = end + 1;
      line.position = chunkAt + at;
    }
    if (begun !== undefined && begun.length + length - at > maxBytes) begun = undefined;
    else if (begun !== undefined) begun = Buffer.concat([begun, chunk.subarray(at, length)]);
    chunkAt += length;
  }
  if (begun?.length === 0) return;
  put(line, begun, NOTHING, 0, 0, maxBytes);
  if (line.what === 'whole') line.what = 'cut';
  yield line;
}

function put(
  line: Line,
  begun: Buffer | undefined,
  chunk: Buffer,
  start: number,
  end: number,
  maxBytes: number,
): void {
  line.what = begun === undefined || begun.length + end - start > maxBytes ? 'long' : 'whole';
  if (begun === undefined || line.what === 'long') return;
  const isHere = begun.length === 0;
  line.bytes = isHere ? chunk : Buffer.concat([begun, chunk.subarray(start, end)]);
  line.start = isHere ? start : 0;
  line.end = isHere ? end : line.bytes.length;
}
