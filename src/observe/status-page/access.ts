/** Who may see the status page, which names sessions: this machine, or who has the token. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/**
 * closed: the address is open to others and no token is set. foreign: the name by which the page was asked for is another site's,
 * or another site's page asks. sign-in: without the token, or with another one.
 */
export type Access = 'allowed' | 'closed' | 'foreign' | 'sign-in';

const COOKIE_PURPOSE = 'sessionfs status page';

export class PageAccess {
  readonly #token: string | undefined;

  constructor(token: string | undefined) {
    this.#token = token;
  }

  get needsToken(): boolean {
    return this.#token !== undefined;
  }

  /** `isLoopback`: only this machine reaches the address that is served. */
  of(request: IncomingMessage, isLoopback: boolean): Access {
    if (this.#token === undefined) {
      if (!isLoopback) return 'closed';
      // A name that an attacker points at 127.0.0.1 is the attacker's site for a browser: it could read this page.
      return isOwnName(request.headers.host) ? 'allowed' : 'foreign';
    }
    const [scheme, given = ''] = (request.headers.authorization ?? '').split(' ');
    if (scheme?.toLowerCase() === 'bearer' && this.isToken(given)) return 'allowed';
    return isSame(cookieOf(request) ?? '', this.#cookieValue()) ? 'allowed' : 'sign-in';
  }

  isToken(given: string): boolean {
    return this.#token !== undefined && isSame(given, this.#token);
  }

  /** `Set-Cookie` after a token was given. The cookie is not the token, and opens nothing any more when that changes. */
  signedIn(request: IncomingMessage): string {
    return `${cookieName(request)}=${this.#cookieValue()}; HttpOnly; SameSite=Strict; Path=/`;
  }

  signedOut(request: IncomingMessage): string {
    return `${cookieName(request)}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0`;
  }

  #cookieValue(): string {
    return createHmac('sha256', this.#token ?? '')
      .update(COOKIE_PURPOSE)
      .digest('base64url');
  }
}

/** Browsers say from where a request comes; what is no browser says nothing. */
export function isFromElsewhere({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  return site !== undefined && site !== 'same-origin' && site !== 'none';
}

export function isLoopbackAddress(address: string): boolean {
  const ipv4 = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  return ipv4 === undefined ? address === '::1' : ipv4.startsWith('127.');
}

/** In a time that says nothing of where they differ, or of their length. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

/** With any port: that of a tunnel is another one. */
function isOwnName(host: string | undefined): boolean {
  const name = (host ?? '').replace(/:\d{1,5}$/, '').toLowerCase();
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  const address = name.replace(/^\[(.*)\]$/, '$1');
  return isIP(address) !== 0 && isLoopbackAddress(address);
}

/** Cookies know no ports, and each mount has one of its own. */
function cookieName({ socket }: IncomingMessage): string {
  return `sessionfs-${socket.localPort ?? 0}`;
}

function cookieOf(request: IncomingMessage): string | undefined {
  const start = `${cookieName(request)}=`;
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(start))?.slice(start.length);
}
