/** Health, readiness, metrics and the status page over HTTP: small answers, one request a connection. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { HttpAddress } from '../config/parsers.ts';
import { deferred } from '../lib/deferred.ts';
import { type ErrorDetails, SessionfsError } from '../lib/errors.ts';
import { answerTo, type HttpPages, pathOf } from './http-pages.ts';
import type { Logger } from './log.ts';

export interface HttpServer {
  /** The one that was chosen, where 0 was asked for. */
  readonly port: number;
  /** Resolves within a second, when no connection is left and the address is free. */
  close(): Promise<void>;
}

/** A client that is slower than this, in sending a request or taking the answer, is cut off. */
const CLIENT_TIMEOUT_MS = 5_000;
const CHECK_INTERVAL_MS = 1_000;
const HEADER_BYTES_MAX = 8_192;
const CONNECTIONS_MAX = 64;
/** For answers that are under way at the end. */
const CLOSE_GRACE_MS = 500;

/** Resolves when the address answers. Rejects with HTTP_ADDRESS_UNAVAILABLE. */
export async function serveHttp(address: HttpAddress, pages: HttpPages, log: Logger): Promise<HttpServer> {
  let served = address.host;
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const { statusPage } = pages;
    if (statusPage?.serves(pathOf(request.url))) void statusPage.respond(request, response, served);
    else void respond(request, response, pages, log);
  };
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: CLIENT_TIMEOUT_MS,
      requestTimeout: CLIENT_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
    },
    handle,
  );
  evictIdle(server);
  server.timeout = CLIENT_TIMEOUT_MS;
  // No body is wanted, so no client is told to go on and send one.
  server.on('checkContinue', handle);
  await listen(server, address);
  // From now on these are connections that could not be accepted, for want of descriptors; the next one may be.
  server.on('error', (error) =>
    log.warn({ error: String(error) }, 'An HTTP connection could not be accepted'),
  );
  const { port, address: bound } = server.address() as AddressInfo;
  served = bound;
  log.info({ host: address.host, port }, 'Health and metrics are served');
  let closed: Promise<void> | undefined;
  return {
    port,
    close: () => {
      pages.statusPage?.close();
      closed ??= close(server);
      return closed;
    },
  };
}

/**
 * Keeps at most CONNECTIONS_MAX connections. A new one takes the place of the one that has waited for its client for longest, for
 * a request, the rest of one, or to take the answer: such clients must not keep a probe out. Only when an answer is being made for
 * every other one, the new one is refused.
 */
function evictIdle(server: Server): void {
  const open = new Set<Socket>();
  /** In the order in which they began to wait for their clients; each has at most one request. */
  const idle = new Set<Socket>();
  const forget = (socket: Socket) => {
    open.delete(socket);
    idle.delete(socket);
  };
  server.on('connection', (socket) => {
    open.add(socket);
    idle.add(socket);
    socket.once('close', () => forget(socket));
    if (open.size <= CONNECTIONS_MAX) return;
    const [oldest = socket] = idle;
    forget(oldest);
    oldest.destroy();
  });
  const asked = (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    if (hasBody(request)) request.once('end', () => idle.delete(socket));
    else idle.delete(socket);
    // The answer is made; what is left is the client's part.
    response.once('prefinish', () => {
      if (open.has(socket)) idle.add(socket);
    });
  };
  for (const event of ['request', 'checkContinue'] as const) server.on(event, asked);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  pages: HttpPages,
  log: Logger,
): Promise<void> {
  const { status, type, body, headers } = await answerTo(request, pages, log);
  if (response.destroyed) return;
  const bytes = Buffer.from(body);
  response.writeHead(status, {
    ...headers,
    'Content-Type': type,
    'Content-Length': bytes.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    // A kept connection would have to be waited for, or cut, when the daemon ends.
    Connection: 'close',
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

async function listen(server: Server, address: HttpAddress): Promise<void> {
  const listening = deferred<void>();
  const refused = (error: NodeJS.ErrnoException) => listening.reject(unavailable(address, error));
  server.once('error', refused);
  server.listen({ host: address.host, port: address.port }, () => listening.resolve());
  await listening.promise;
  server.off('error', refused);
}

async function close(server: Server): Promise<void> {
  const ended = deferred<void>();
  server.close(() => ended.resolve());
  const grace = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
  await ended.promise;
  clearTimeout(grace);
}

const HINTS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Another program, or another mount, listens there: give each mount a port of its own.',
  EACCES: 'Choose a port from 1024 up, or start sessionfs as root.',
  EADDRNOTAVAIL:
    'The address is not one of this machine: 0.0.0.0 stands for all of them, 127.0.0.1 for this machine only.',
  ENOTFOUND: 'The name is not known here: give an address, such as 0.0.0.0 or 127.0.0.1.',
};

function unavailable({ host, port }: HttpAddress, cause: NodeJS.ErrnoException): SessionfsError {
  const where = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const code = cause.code ?? 'unknown error';
  const details: ErrorDetails = {
    cause,
    hint: HINTS[code] ?? 'Set SESSION_HTTP_ADDRESS to another address.',
  };
  return new SessionfsError(
    'HTTP_ADDRESS_UNAVAILABLE',
    `health and metrics cannot be served on ${where}: ${code}`,
    details,
  );
}
