/**
 * The emulator as Google documents the service: what fake-gcs-server ignores or says less clearly is done here. One lock per
 * object, whichever proxy of this process a request comes by: compare, then forward.
 */
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { describe } from './gcs-proxy-request.ts';
import { SoftDeleted } from './gcs-soft-delete.ts';
import type { Answer, ProxiedRequest, ProxiedStore } from './store-proxy.ts';

/** The end of the line before each object. */
const lines = new Map<string, Promise<unknown>>();

export class GcsStore implements ProxiedStore {
  readonly describe = describe;
  readonly refusal = jsonError;
  /** Of every bucket; the emulator keeps no rules. */
  lifecycle: object | undefined;
  /** Those that testIamPermissions says are granted; undefined: as the emulator, it is not there. */
  permissions: readonly string[] | undefined;
  /** Beside what the emulator says of a bucket. */
  settings: object | undefined;
  /** See GcsProxy. */
  softDelete = false;
  /** See GcsProxy. */
  terse = false;
  readonly #softDeleted: SoftDeleted;
  readonly #emulatorUrl: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(emulatorUrl: string) {
    this.#emulatorUrl = emulatorUrl;
    this.#softDeleted = new SoftDeleted((...given) => this.#forward(...given), jsonError);
  }

  metadataOf(_request: ProxiedRequest, { body }: Answer): Readonly<Record<string, string>> {
    return JSON.parse(body.toString()).metadata ?? {};
  }

  /** After the JSON part. */
  contentStart(body: Buffer): number {
    return body.indexOf('\r\n\r\n', 200) + 4;
  }

  throughProxy(location: string, proxyUrl: string): string {
    return location.replace(this.#emulatorUrl, proxyUrl);
  }

  close(): void {
    this.#agent.destroy();
  }

  async answer(asked: ProxiedRequest, body: Buffer): Promise<Answer> {
    const answer = await this.#inTurn(`${this.#emulatorUrl}/${asked.bucket}/${asked.object}`, async () => {
      const refusal = asked.object === '' ? undefined : await this.#checkPreconditions(asked);
      const forward = () => this.#forward(asked.method, asked.target, asked.headers, body);
      return refusal ?? (this.softDelete ? this.#softDeleted.answer(asked, forward) : forward());
    });
    if (this.permissions && asked.target.includes('/iam/testPermissions?')) return this.#granted(asked);
    if (answer.status === 404 && asked.bucket !== '') return this.#explainMissing(asked);
    if (asked.kind === 'config' && answer.status === 200 && (this.lifecycle ?? this.settings))
      return this.#withSettings(answer);
    return this.terse && answer.status === 200 ? terseAnswer(asked, answer) : answer;
  }

  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = (lines.get(key) ?? Promise.resolve()).then(work);
    const settled = turn.catch(() => {});
    lines.set(key, settled);
    try {
      return await turn;
    } finally {
      if (lines.get(key) === settled) lines.delete(key);
    }
  }

  /** A list of what Google's documentation says of each parameter; an object that is not there has the generation 0. */
  async #checkPreconditions({ bucket, object, kind, query }: ProxiedRequest): Promise<Answer | undefined> {
    if (![...query.keys()].some((key) => /^if(Meta)?[gG]eneration/.test(key))) return undefined;
    const path = `/storage/v1/b/${bucket}/o/${encodeURIComponent(object)}`;
    const found = await this.#forward('GET', path, {}, Buffer.alloc(0));
    if (found.status !== 200 && kind !== 'put' && kind !== 'restore') return undefined;
    const there =
      found.status === 200 ? JSON.parse(found.body.toString()) : { generation: '0', metageneration: '0' };
    const differs = (key: string, value: string) => query.has(key) && query.get(key) !== String(value);
    const equals = (key: string, value: string) => query.has(key) && query.get(key) === String(value);
    if (
      differs('ifGenerationMatch', there.generation) ||
      differs('ifMetagenerationMatch', there.metageneration)
    ) {
      return jsonError(
        412,
        'conditionNotMet',
        'At least one of the pre-conditions you specified did not hold.',
      );
    }
    const unwanted =
      equals('ifGenerationNotMatch', there.generation) ||
      equals('ifMetagenerationNotMatch', there.metageneration);
    if (!unwanted) return undefined;
    if (kind === 'get' || kind === 'head') return { status: 304, headers: {}, body: Buffer.alloc(0) };
    return jsonError(
      412,
      'conditionNotMet',
      'At least one of the pre-conditions you specified did not hold.',
    );
  }

  /** Google says which of the two is missing; of a download, in plain text. */
  async #explainMissing({ bucket, object, kind }: ProxiedRequest): Promise<Answer> {
    const { status } = await this.#forward('GET', `/storage/v1/b/${bucket}`, {}, Buffer.alloc(0));
    const message =
      status === 404 ? 'The specified bucket does not exist.' : `No such object: ${bucket}/${object}`;
    if (kind !== 'get') return jsonError(404, 'notFound', message);
    return {
      status: 404,
      headers: { 'content-type': 'text/html; charset=UTF-8' },
      body: Buffer.from(message),
    };
  }

  #granted({ query }: ProxiedRequest): Answer {
    const permissions = query.getAll('permissions').filter((name) => this.permissions?.includes(name));
    const body = JSON.stringify({ kind: 'storage#testIamPermissionsResponse', permissions });
    return { status: 200, headers: { 'content-type': 'application/json' }, body: Buffer.from(body) };
  }

  #withSettings(answer: Answer): Answer {
    const lifecycle = this.lifecycle === undefined ? {} : { lifecycle: this.lifecycle };
    const body = { ...JSON.parse(answer.body.toString()), ...lifecycle, ...this.settings };
    return { ...answer, body: Buffer.from(JSON.stringify(body)) };
  }

  #forward(method: string, target: string, headers: IncomingHttpHeaders, body: Buffer): Promise<Answer> {
    const { 'transfer-encoding': _, connection: __, host: ___, ...kept } = headers;
    return new Promise((resolve, reject) => {
      const options = {
        method,
        agent: this.#agent,
        headers: { ...kept, 'content-length': String(body.length) },
      };
      request(`${this.#emulatorUrl}${target}`, options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          });
        });
      })
        .on('error', reject)
        .end(body);
    });
  }
}

function terseAnswer({ kind }: ProxiedRequest, answer: Answer): Answer {
  const { 'last-modified': _, 'x-goog-stored-content-length': __, ...headers } = answer.headers;
  if (kind !== 'list' && kind !== 'head' && kind !== 'put') return { ...answer, headers };
  const body = JSON.parse(answer.body.toString(), (key, value) =>
    key === 'size' && String(value) === '0' ? undefined : value,
  );
  return { ...answer, headers, body: Buffer.from(JSON.stringify(body)) };
}

function jsonError(code: number, reason: string, message: string): Answer {
  const body = { error: { code, message, errors: [{ domain: 'global', reason, message }] } };
  return {
    status: code,
    headers: { 'content-type': 'application/json; charset=UTF-8' },
    body: Buffer.from(JSON.stringify(body)),
  };
}
