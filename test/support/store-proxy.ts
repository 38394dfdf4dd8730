/** An HTTP proxy in front of an object store: every fault that a network and a store can have, by rule. */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanUp, type Scope } from './cleanup.ts';

export type RequestKind = 'list' | 'get' | 'head' | 'put' | 'delete' | 'restore' | 'config' | 'other';

export interface ProxiedRequest {
  readonly kind: RequestKind;
  readonly method: string;
  /** Empty where the request names none. */
  readonly bucket: string;
  /** The object's name, decoded; empty where the request names none. */
  readonly object: string;
  readonly query: URLSearchParams;
  /** As it came: path and query. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What stands behind a proxy, and how it speaks. */
export interface ProxiedStore {
  describe(request: IncomingMessage): ProxiedRequest;
  answer(asked: ProxiedRequest, body: Buffer): Promise<Answer>;
  /** The store's way of saying so. */
  refusal(status: number, reason: string, message: string): Answer;
  /** What a put stored beside the bytes. */
  metadataOf(request: ProxiedRequest, answer: Answer): Readonly<Record<string, string>>;
  /** The first byte of the content in a put's body. */
  contentStart(body: Buffer): number;
  throughProxy(location: string, proxyUrl: string): string;
  close(): void;
}

/**
 * reset: the connection is cut before the store hears anything. stall: no answer, ever. lost-answer: the store does it, the
 * connection is cut instead of the answer. cut, stall-body: after half the answer's body. corrupt: one bit of the answer's
 * body is another. corrupt-upload: of the request's.
 */
export type Fault =
  | 'reset'
  | 'stall'
  | 'lost-answer'
  | 'cut'
  | 'stall-body'
  | 'corrupt'
  | 'corrupt-upload'
  | {
      readonly status: number;
      readonly reason?: string;
      readonly message?: string;
      readonly retryAfter?: string;
    }
  /** Besides any other fault. */
  | { readonly latencyMs: number };

export interface FaultRule {
  readonly fault: Fault;
  /** All requests when not given. */
  readonly match?: (request: ProxiedRequest) => boolean;
  /** From 0 to 1, of those that match; 1 when not given. */
  readonly probability?: number;
  /** How often it strikes; for ever when not given. */
  readonly count?: number;
}

/** What the store answered to a put or a delete. */
export interface Change {
  /** Among all changes by all proxies of this process. A client that had its answer does its next change later. */
  readonly order: number;
  readonly request: ProxiedRequest;
  readonly status: number;
  /** Of the object that was stored. */
  readonly metadata: Readonly<Record<string, string>>;
}

let changeCount = 0;

export interface Hold {
  /** How many requests are, or were, held back. */
  readonly count: number;
  /** Lets all go, and holds back no more. */
  release(): void;
}

export class StoreProxy {
  readonly url: string;
  /** All that came, oldest first, whatever became of it. */
  readonly requests: ProxiedRequest[] = [];
  /** Puts and deletes that reached the store, oldest first. */
  readonly changes: Change[] = [];
  readonly #server: Server;
  readonly #store: ProxiedStore;
  readonly #random: () => number;
  #rules: { rule: FaultRule; left: number }[] = [];
  readonly #holds = new Set<{
    match: (request: ProxiedRequest) => boolean;
    count: number;
    until: Promise<void>;
  }>();
  readonly #releases = new Set<() => void>();
  readonly #waiting = new Set<() => void>();
  #isOut = false;
  #underWay = 0;

  private constructor(server: Server, store: ProxiedStore, random: () => number) {
    this.#server = server;
    this.#store = store;
    this.#random = random;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** On any free port, until the scope ends. */
  static async start(scope: Scope, store: ProxiedStore, random = Math.random): Promise<StoreProxy> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new StoreProxy(server, store, random);
    server.on('request', (request, response) => void proxy.#serve(request, response));
    server.on('connection', (socket) => {
      if (proxy.#isOut) socket.resetAndDestroy();
    });
    cleanUp(scope, () => proxy.#close());
    return proxy;
  }

  inject(rule: FaultRule): void {
    this.#rules.push({ rule, left: rule.count ?? Number.POSITIVE_INFINITY });
  }

  /** No faults any more. What stalls goes on stalling, what is held stays held. */
  clear(): void {
    this.#rules = [];
  }

  /** While it lasts every connection is cut, new ones and those that are there. */
  outage(isOut: boolean): void {
    this.#isOut = isOut;
    if (isOut) this.#server.closeAllConnections();
  }

  /** Holds requests back before the store hears of them, each until it is released; their senders may be gone by then. */
  hold(match: (request: ProxiedRequest) => boolean): Hold {
    let release = () => {};
    const hold = { match, count: 0, until: new Promise<void>((resolve) => (release = resolve)) };
    this.#holds.add(hold);
    this.#releases.add(release);
    return {
      get count() {
        return hold.count;
      },
      release: () => {
        this.#holds.delete(hold);
        release();
      },
    };
  }

  count(kind: RequestKind): number {
    return this.requests.filter((request) => request.kind === kind).length;
  }

  /** Resolves when the next request comes, or after `orMs`: to be asked in turn for what a look at the requests decides. */
  arrival(orMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, orMs);
      const waiting = this.#waiting;
      waiting.add(done);
      function done(): void {
        clearTimeout(timer);
        waiting.delete(done);
        resolve();
      }
    });
  }

  /** Requests that came and may still reach the store, whether their senders live or not. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Open connections of clients. */
  connections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on('error', () => {});
    response.on('error', () => {});
    const asked = this.#store.describe(request);
    this.requests.push(asked);
    this.#underWay++;
    for (const done of this.#waiting) done();
    try {
      const body = await bodyOf(request);
      await this.#wait(asked);
      await this.#reply(asked, body, response);
    } catch {
      // The client is gone in mid-request, or the emulator is at the end of the test.
      request.socket.destroy();
    } finally {
      this.#underWay--;
    }
  }

  async #wait(asked: ProxiedRequest): Promise<void> {
    for (const hold of this.#holds) {
      if (!hold.match(asked)) continue;
      hold.count++;
      await hold.until;
    }
    for (const { rule } of this.#rules) {
      const { fault, match } = rule;
      if (typeof fault === 'object' && 'latencyMs' in fault && match?.(asked) !== false) {
        await sleep(fault.latencyMs, undefined, { ref: false });
      }
    }
  }

  async #reply(asked: ProxiedRequest, body: Buffer, response: ServerResponse): Promise<void> {
    const fault = this.#strike(asked);
    if (fault === 'stall') return;
    if (fault === 'reset' || this.#isOut) return cut(response);
    if (typeof fault === 'object' && 'status' in fault) {
      const { status, reason = 'injected', message = 'injected', retryAfter } = fault;
      const answer = this.#store.refusal(status, reason, message);
      const headers = {
        ...answer.headers,
        ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }),
      };
      return send(response, { ...answer, headers });
    }
    const sent = fault === 'corrupt-upload' ? flipped(body, this.#store.contentStart(body)) : body;
    const answer = this.#returning(await this.#store.answer(asked, sent));
    if (asked.kind === 'put' || asked.kind === 'delete') this.changes.push(this.#changeOf(asked, answer));
    if (fault === 'lost-answer' || this.#isOut) return cut(response);
    if (fault === 'cut' || fault === 'stall-body') {
      sendHalf(response, answer, fault === 'cut');
    } else {
      send(response, fault === 'corrupt' ? { ...answer, body: flipped(answer.body, 0) } : answer);
    }
  }

  /** The emulator sends who uploads in parts to its own address: the parts must come this way too. */
  #returning(answer: Answer): Answer {
    const { location } = answer.headers;
    if (location === undefined) return answer;
    return {
      ...answer,
      headers: { ...answer.headers, location: this.#store.throughProxy(location, this.url) },
    };
  }

  /** The first rule that matches, and whose lot falls on this request. */
  #strike(asked: ProxiedRequest): Fault | undefined {
    for (const entry of this.#rules) {
      const { fault, match, probability = 1 } = entry.rule;
      if (typeof fault === 'object' && 'latencyMs' in fault) continue;
      if (entry.left <= 0 || match?.(asked) === false || this.#random() >= probability) continue;
      entry.left--;
      return fault;
    }
    return undefined;
  }

  #changeOf(request: ProxiedRequest, answer: Answer): Change {
    const isStored = request.kind === 'put' && answer.status === 200;
    const metadata = isStored ? this.#store.metadataOf(request, answer) : {};
    return { order: changeCount++, request, status: answer.status, metadata };
  }

  async #close(): Promise<void> {
    for (const release of this.#releases) release();
    this.#isOut = true;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
    this.#store.close();
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function cut(response: ServerResponse): void {
  response.socket?.resetAndDestroy();
}

function writeHead(response: ServerResponse, { status, headers, body }: Answer): void {
  const { 'transfer-encoding': _, connection: __, ...kept } = headers;
  const length = response.req.method === 'HEAD' ? kept['content-length'] : String(body.length);
  response.writeHead(status, { ...kept, ...(length === undefined ? {} : { 'content-length': length }) });
}

function send(response: ServerResponse, answer: Answer): void {
  writeHead(response, answer);
  response.end(response.req.method === 'HEAD' ? undefined : answer.body);
}

function sendHalf(response: ServerResponse, answer: Answer, thenCut: boolean): void {
  writeHead(response, answer);
  response.write(answer.body.subarray(0, answer.body.length >> 1), () => {
    if (thenCut) response.socket?.destroySoon();
  });
}

function flipped(bytes: Buffer, at: number): Buffer {
  const other = Buffer.from(bytes);
  other.writeUInt8(other.readUInt8(at) ^ 1, at);
  return other;
}
