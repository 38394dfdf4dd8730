/**
 * One download, as bytes. Not by the SDK's `createReadStream`: when a download fails, that one destroys the connection pool,
 * and with it every other call that is under way. This asks for the same through the same SDK, a level below.
 */
import type { File } from '@google-cloud/storage';
import type { Deadline } from '../deadline.ts';
import type { ResponseHeaders } from './version.ts';

export interface Download {
  readonly headers: ResponseHeaders;
  readonly bytes: Buffer;
}

/** The SDK's name for a response: the body, with these on it. */
interface Response extends NodeJS.ReadableStream {
  readonly statusCode: number;
  readonly headers: ResponseHeaders;
  destroy(): void;
}

/** Of an error, of which a few words are read. */
const ERROR_BYTES_MAX = 64 * 1024;

/**
 * Rejects with the SDK's error, `{ code: status }`, the signal's reason, or `tooLarge`; the connection is given up in each case,
 * and what would come after `maxBytes` is never read. Without a generation it is the newest one.
 */
export async function downloadObject(
  file: File,
  deadline: Deadline,
  maxBytes: number,
  tooLarge: () => Error,
  generation?: string,
): Promise<Download> {
  const request = file.requestStream({
    uri: '',
    qs: { alt: 'media', ...(generation === undefined ? {} : { generation }) },
    // An object that was stored compressed must come as it was stored.
    headers: { 'Accept-Encoding': 'gzip', 'Cache-Control': 'no-store' },
  } as Parameters<File['requestStream']>[0]);
  const response = await responseOf(request, deadline);
  giveUpWithBody(response);
  try {
    if (response.statusCode !== 200)
      throw {
        code: response.statusCode,
        errors: await errorsOf(response, deadline),
        response: { headers: response.headers },
      };
    if (Number(response.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
    return { headers: response.headers, bytes: await collect(response, deadline, maxBytes, tooLarge) };
  } finally {
    response.destroy();
    (request as unknown as { destroy(): void }).destroy();
  }
}

function responseOf(request: unknown, { signal }: Deadline): Promise<Response> {
  const stream = request as NodeJS.EventEmitter & { resume(): void };
  return new Promise((resolve, reject) => {
    // Stays on: an error after the answer began must find a listener.
    stream.on('error', reject);
    stream.on('response', resolve);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    // The SDK sends no request before this stream flows. The bytes are read from the response, none from here.
    stream.resume();
  });
}

/** The body is a copy that the HTTP client pipes to; destroying it alone would leave the socket open, unread. */
function giveUpWithBody(response: Response): void {
  response.on('unpipe', (source: { destroy?(): void; readableEnded?: boolean }) => {
    if (source.readableEnded !== true) source.destroy?.();
  });
}

/**
 * The HTTP client does not tell when a connection ends in mid-body: the body then only stands still. So standing still for a
 * part of the deadline ends it.
 */
function collect(
  response: Response,
  { signal, remainingMs }: Deadline,
  maxBytes: number,
  tooLarge: () => Error,
): Promise<Buffer> {
  const patienceMs = Math.max(1, remainingMs() / 3);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const stalled = () => finish(() => reject({ code: 'ECONNRESET' }));
    const aborted = () => finish(() => reject(signal.reason));
    const timer = setTimeout(stalled, patienceMs);
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      response.removeAllListeners('data');
      signal.removeEventListener('abort', aborted);
      settle();
    };
    signal.addEventListener('abort', aborted);
    response.on('data', (chunk: Buffer) => {
      timer.refresh();
      length += chunk.length;
      if (length > maxBytes) finish(() => reject(tooLarge()));
      else chunks.push(chunk);
    });
    response.on('end', () => finish(() => resolve(Buffer.concat(chunks))));
    response.on('error', (error) => finish(() => reject(error)));
    if (signal.aborted) aborted();
  });
}

/** The media endpoint answers errors with JSON or with a line of text, of which only "no such bucket" is of interest. */
async function errorsOf(response: Response, deadline: Deadline): Promise<{ message: string }[]> {
  let body = '';
  try {
    const tooLong = () => new Error('an error page without end');
    body = (await collect(response, deadline, ERROR_BYTES_MAX, tooLong)).subarray(0, 4096).toString('utf8');
    return JSON.parse(body).error.errors;
  } catch {
    deadline.signal.throwIfAborted();
    const known = /The specified bucket does not exist/.exec(body)?.[0];
    return known === undefined ? [] : [{ message: known }];
  }
}
