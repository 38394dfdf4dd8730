/** The status page over HTTP: its files, its data, its events, and the sign-in form where it has a token. */
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { statusPageFile } from '../../lib/own-files.ts';
import type { Logger } from '../log.ts';
import { type Access, isFromElsewhere, isLoopbackAddress, PageAccess } from './access.ts';
import { type Listener, StatusFeed } from './feed.ts';
import type { StatusReport } from './report.ts';
import { type Names, View } from './view.ts';

export interface StatusPageParts {
  report: () => Promise<StatusReport>;
  /** Undefined: the page is there for this machine only. */
  token: string | undefined;
  wallMs: () => number;
  log: Logger;
  intervalMs?: number;
}

const INTERVAL_MS = 2_000;
/** Each costs a socket and what is not yet read of it. */
const LISTENERS_MAX = 8;
/** A browser that takes nothing for so long is gone. */
const STUCK_MS = 15_000;
/** So is one that does not keep up. */
const BUFFERED_MAX = 8 * 1024 * 1024;
const FORM_BYTES_MAX = 4_096;

/** Nothing but the page's own files and data, and no other site may show it. */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'Cache-Control': 'no-store',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  // A kept connection would have to be waited for, or cut, when the daemon ends.
  Connection: 'close',
} as const;

const HTML = 'text/html; charset=utf-8';
const TEXT = 'text/plain; charset=utf-8';
/** They say nothing of a mount, and the sign-in form needs them. */
const FILES: ReadonlyMap<string, { readonly file: string; readonly type: string }> = new Map([
  ['/status.css', { file: 'status.css', type: 'text/css; charset=utf-8' }],
  ['/status.js', { file: 'status.js', type: 'text/javascript; charset=utf-8' }],
  ['/chart.js', { file: 'chart.js', type: 'text/javascript; charset=utf-8' }],
  ['/icon.svg', { file: 'icon.svg', type: 'image/svg+xml' }],
]);
const PATHS = ['/', '/events', '/status.json', '/sign-in', '/sign-out', ...FILES.keys()];
const REFUSED: { readonly [Why in Exclude<Access, 'allowed'>]: string } = {
  closed:
    'The status page names sessions, and this address is open to other machines: set SESSION_HTTP_TOKEN or SESSION_HTTP_TOKEN_FILE, or serve it on 127.0.0.1.\n',
  foreign: 'Open the status page as http://127.0.0.1 or http://localhost, or set SESSION_HTTP_TOKEN.\n',
  'sign-in':
    'The token is missing or wrong: send it as "Authorization: Bearer TOKEN", or sign in on the page.\n',
};

export class StatusPage {
  readonly #parts: StatusPageParts;
  readonly #access: PageAccess;
  readonly #feed: StatusFeed;
  readonly #files = new Map<string, Buffer>();
  /** With what takes each out of the feed. */
  readonly #streams = new Map<ServerResponse, () => void>();

  /** Throws system errors: its files are a part of the package. */
  constructor(parts: StatusPageParts) {
    this.#parts = parts;
    this.#access = new PageAccess(parts.token);
    const { report: read, wallMs, log, intervalMs = INTERVAL_MS } = parts;
    const failed = (error: unknown) => log.error({ err: error }, 'The status page could not be made');
    this.#feed = new StatusFeed({ read, failed, wallMs, intervalMs });
    // Once: after an upgrade the files are those of another version.
    for (const name of ['index.html', 'sign-in.html', ...[...FILES.values()].map(({ file }) => file)])
      this.#files.set(name, readFileSync(statusPageFile(name)));
  }

  get listeners(): number {
    return this.#feed.size;
  }

  serves(path: string): boolean {
    return PATHS.includes(path);
  }

  /** Never rejects. `address`: the one that is served. */
  async respond(request: IncomingMessage, response: ServerResponse, address: string): Promise<void> {
    try {
      await this.#respond(request, response, this.#access.of(request, isLoopbackAddress(address)));
    } catch (error) {
      // A connection that broke is no failure of the page.
      if (request.destroyed || response.destroyed) return;
      this.#parts.log.error({ err: error }, 'The status page could not be made');
      if (response.headersSent) response.destroy();
      else send(request, response, 500, TEXT, 'the status page could not be made; the log says why\n');
    }
  }

  /** Ends every stream: a browser connects again, to the next daemon. */
  close(): void {
    for (const [stream, leave] of this.#streams) {
      // Nothing is written to it any more: that would be an error.
      leave();
      stream.end();
    }
  }

  async #respond(request: IncomingMessage, response: ServerResponse, access: Access): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    if (access === 'closed' || access === 'foreign')
      return send(request, response, 403, TEXT, REFUSED[access]);
    if (pathname === '/sign-in' || pathname === '/sign-out') return this.#sign(pathname, request, response);
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return refuseMethod(request, response, 'GET, HEAD');
    const file = FILES.get(pathname);
    if (file !== undefined) return send(request, response, 200, file.type, this.#file(file.file));
    if (pathname === '/') {
      if (access === 'sign-in') return this.#sendForm(request, response);
      return send(request, response, 200, HTML, this.#file('index.html'));
    }
    if (access === 'sign-in') return send(request, response, 401, TEXT, REFUSED[access]);
    if (isFromElsewhere(request)) return send(request, response, 403, TEXT, REFUSED.foreign);
    const names: Names = searchParams.get('names') === 'full' ? 'full' : 'short';
    if (pathname === '/events') return this.#listen(request, response, names);
    const view = new View(names);
    view.update(await this.#parts.report(), this.#parts.wallMs());
    send(request, response, 200, 'application/json; charset=utf-8', `${view.whole()}\n`);
  }

  #file(name: string): Buffer {
    return this.#files.get(name) as Buffer;
  }

  #listen(request: IncomingMessage, response: ServerResponse, names: Names): void {
    if (this.#feed.size >= LISTENERS_MAX) {
      send(request, response, 503, TEXT, 'Too many pages are open: close one of them.\n');
      return;
    }
    response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    // Between two events the socket is silent for longer than another client may be.
    request.socket.setTimeout(0);
    const isSignedIn = this.#access.needsToken;
    response.write(`retry: 2000\nevent: hello\ndata: ${JSON.stringify({ canSignOut: isSignedIn })}\n\n`);
    const end = this.#feed.add(listenerOf(response, names));
    this.#streams.set(response, end);
    response.once('close', () => {
      end();
      this.#streams.delete(response);
    });
  }

  async #sign(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') return refuseMethod(request, response, 'POST');
    if (isFromElsewhere(request)) return send(request, response, 403, TEXT, REFUSED.foreign);
    if (path === '/sign-out') return goHome(response, this.#access.signedOut(request));
    const form = await formOf(request);
    if (form === undefined) return send(request, response, 413, TEXT, 'The form is too large.\n');
    if (!this.#access.isToken((form.get('token') ?? '').trim()))
      return this.#sendForm(request, response, 'wrong');
    goHome(response, this.#access.signedIn(request));
  }

  #sendForm(request: IncomingMessage, response: ServerResponse, why?: 'wrong'): void {
    const html = this.#file('sign-in.html').toString('utf8');
    const body = why === undefined ? html : html.replace(' hidden data-wrong', '');
    send(request, response, 401, HTML, body);
  }
}

function listenerOf(response: ServerResponse, names: Names): Listener {
  let stuckMs: number | undefined;
  const write = (text: string) => {
    const nowMs = performance.now();
    stuckMs = response.writableLength === 0 ? undefined : (stuckMs ?? nowMs);
    const isStuck = stuckMs !== undefined && nowMs - stuckMs > STUCK_MS;
    if (isStuck || response.writableLength > BUFFERED_MAX) response.destroy();
    else response.write(text);
  };
  return {
    names,
    send: (data) => write(`event: status\ndata: ${data}\n\n`),
    beat: () => write(': alive\n\n'),
  };
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  type: string,
  body: string | Buffer,
): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, { ...HEADERS, 'Content-Type': type, 'Content-Length': bytes.length });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

function refuseMethod(request: IncomingMessage, response: ServerResponse, allowed: string): void {
  response.setHeader('Allow', allowed);
  send(request, response, 405, TEXT, `only ${allowed.replace(',', ' and')} is allowed here\n`);
}

function goHome(response: ServerResponse, cookie: string): void {
  response.writeHead(303, { ...HEADERS, Location: '/', 'Set-Cookie': cookie });
  response.end();
}

/** Undefined: it is larger than a token. Rejects when the connection breaks. */
async function formOf(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  let body = '';
  for await (const piece of request.setEncoding('utf8')) {
    body += piece;
    if (body.length > FORM_BYTES_MAX) return undefined;
  }
  return new URLSearchParams(body);
}
