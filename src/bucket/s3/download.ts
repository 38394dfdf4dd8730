/** The body of one answer, as bytes. */
import type { Readable } from 'node:stream';
import type { Deadline } from '../deadline.ts';

/** Rejects with the network's error, the signal's reason, or `tooLarge`; the connection is given up in each case. */
export async function collectBody(
  body: unknown,
  deadline: Deadline,
  maxBytes: number,
  tooLarge: () => Error,
): Promise<Buffer> {
  const stream = body as Readable;
  const giveUp = () => stream.destroy(deadline.signal.reason);
  deadline.signal.addEventListener('abort', giveUp, { once: true });
  try {
    deadline.signal.throwIfAborted();
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxBytes) throw tooLarge();
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } finally {
    deadline.signal.removeEventListener('abort', giveUp);
    stream.on('error', () => {});
    stream.destroy();
  }
}
