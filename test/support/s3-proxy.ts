/**
 * An S3 server behind the fault proxy. Changes of one object go to the server one after another, by whichever proxy of this
 * process: a server may compare and store in two steps, which Amazon does not.
 */
import { Agent, type IncomingMessage, request } from 'node:http';
import { NamedLocks } from '../../src/lib/named-locks.ts';
import type { Scope } from './cleanup.ts';
import {
  type Answer,
  type ProxiedRequest,
  type ProxiedStore,
  type RequestKind,
  StoreProxy,
} from './store-proxy.ts';

/** Conditions of a put for a new name, of a put for a version, and of a delete. */
export type Condition = 'create' | 'replace' | 'delete';

/**
 * On any free port, until the scope ends. Only where the server checks no signatures: `ignored`, as if it did not know them, and
 * `pageSize`, of its listings.
 */
export function startS3Proxy(
  scope: Scope,
  serverUrl: string,
  ignored: readonly Condition[] = [],
  pageSize?: number,
): Promise<StoreProxy> {
  return StoreProxy.start(scope, new S3Store(serverUrl, ignored, pageSize));
}

/** By server, bucket and object. */
const lines = new NamedLocks();

class S3Store implements ProxiedStore {
  readonly #serverUrl: string;
  readonly #ignored: readonly Condition[];
  readonly #pageSize: number | undefined;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(serverUrl: string, ignored: readonly Condition[], pageSize: number | undefined) {
    this.#serverUrl = serverUrl;
    this.#ignored = ignored;
    this.#pageSize = pageSize;
  }

  describe({ method = 'GET', url = '/', headers }: IncomingMessage): ProxiedRequest {
    const [path = '', search = ''] = url.split(/\?(.*)/s);
    const query = new URLSearchParams(search);
    const [, bucket = '', encoded = ''] = /^\/([^/]*)\/?(.*)$/s.exec(path) ?? [];
    const object = decodeURIComponent(encoded);
    const kind = kindOf(method, bucket, object, query);
    return { kind, method, bucket, object, query, target: url, headers };
  }

  answer(asked: ProxiedRequest, body: Buffer): Promise<Answer> {
    if (asked.kind !== 'put' && asked.kind !== 'delete') return this.#forward(asked, body);
    const line = `${this.#serverUrl}/${asked.bucket}/${asked.object}`;
    return lines.run(line, () => this.#forward(asked, body));
  }

  /** The host stays as it came: it is signed. */
  #forward({ kind, method, target, headers }: ProxiedRequest, body: Buffer): Promise<Answer> {
    const { 'transfer-encoding': _, connection: __, ...kept } = headers;
    if (kind === 'put' && this.#ignored.includes('create')) delete kept['if-none-match'];
    if (kind === 'put' && this.#ignored.includes('replace')) delete kept['if-match'];
    if (kind === 'delete' && this.#ignored.includes('delete')) delete kept['if-match'];
    const asked = this.#pageSize ? target.replace(/\bmax-keys=\d+/, `max-keys=${this.#pageSize}`) : target;
    return new Promise((resolve, reject) => {
      const options = { method, agent: this.#agent, headers: kept };
      request(`${this.#serverUrl}${asked}`, options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const { statusCode: status = 0, headers: answered } = response;
          resolve({ status, headers: answered, body: Buffer.concat(chunks) });
        });
      })
        .on('error', reject)
        .end(body);
    });
  }

  refusal(status: number, reason: string, message: string): Answer {
    const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${reason}</Code><Message>${message}</Message></Error>`;
    return { status, headers: { 'content-type': 'application/xml' }, body: Buffer.from(body) };
  }

  metadataOf({ headers }: ProxiedRequest): Readonly<Record<string, string>> {
    const custom = Object.entries(headers).filter(([key]) => key.startsWith('x-amz-meta-'));
    return Object.fromEntries(custom.map(([key, value]) => [key.slice('x-amz-meta-'.length), String(value)]));
  }

  contentStart(): number {
    return 0;
  }

  throughProxy(location: string): string {
    return location;
  }

  close(): void {
    this.#agent.destroy();
  }
}

function kindOf(method: string, bucket: string, object: string, query: URLSearchParams): RequestKind {
  if (bucket === '') return 'other';
  if (object === '') {
    if (method !== 'GET') return 'other';
    return query.has('list-type') ? 'list' : 'config';
  }
  const kinds: Readonly<Record<string, RequestKind>> = {
    GET: 'get',
    HEAD: 'head',
    PUT: 'put',
    DELETE: 'delete',
  };
  return kinds[method] ?? 'other';
}
