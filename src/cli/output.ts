/**
 * Standard output and standard error: all of what is printed arrives before the command ends, or the command fails. The streams of
 * Node.js promise neither: of a file they take a short write, on a full disk, for a whole one, and what a pipe does not take at once
 * is lost when the process exits.
 */
import { writeSync } from 'node:fs';
import { SessionfsError } from '../lib/errors.ts';
import { codeOf, messageOf } from '../lib/system-error.ts';

export const STDOUT = 1;
const STDERR = 2;
/** For a pipe that another process made non-blocking, and that is full. */
const RETRY_MS = 5;

/** A reader that has gone (sessionfs ls | head) is an end, and no error. Throws OUTPUT_NOT_WRITTEN. */
export function writeOut(data: string | Buffer): void {
  try {
    writeWhole(STDOUT, Buffer.from(data));
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EPIPE' || code === 'ECONNRESET') return;
    throw new SessionfsError(
      'OUTPUT_NOT_WRITTEN',
      `the output cannot be written: ${code ?? messageOf(error)}`,
      {
        hint: 'What the command does is done, but its output is cut. Make room on the disk, or send the output elsewhere.',
        cause: error,
      },
    );
  }
}

export function writeError(text: string): void {
  try {
    writeWhole(STDERR, Buffer.from(text));
  } catch {
    // Nothing can be said where it does not arrive.
  }
}

function writeWhole(descriptor: number, bytes: Buffer): void {
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (error) {
      if (codeOf(error) !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}
