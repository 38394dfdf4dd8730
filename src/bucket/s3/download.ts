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
  const chunks: Buffer[] = [];
  for await (const chunk of chunksOf(body, deadline, maxBytes, tooLarge)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Throws what `collectBody` rejects with. */
export async function* chunksOf(
  body: unknown,
  deadline: Deadline,
  maxBytes: number,
  tooLarge: () => Error,
): AsyncGenerator<Buffer> {
  const stream = body as Readable;
  const giveUp = () => stream.destroy(deadline.signal.reason);
  deadline.signal.addEventListener('abort', giveUp, { once: true });
  try {
    deadline.signal.throwIfAborted();
    let length = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxBytes) throw tooLarge();
      yield chunk;
    }
  } finally {
    deadline.signal.removeEventListener('abort', giveUp);
    stream.on('error', () => {});
    stream.destroy();
  }
}
