/**
 * Soft delete as Google documents it, which the emulator lacks: what is replaced or deleted is kept, is listed with
 * `softDeleted=true`, has no content that can be read, and becomes a new object by `POST …/restore?generation=`. The object that this
 * replaces is soft-deleted in turn.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Answer, ProxiedRequest } from './store-proxy.ts';

type Forward = (
  method: string,
  target: string,
  headers: IncomingHttpHeaders,
  body: Buffer,
) => Promise<Answer>;
type Refuse = (status: number, reason: string, message: string) => Answer;

interface Resource {
  readonly name: string;
  readonly bucket: string;
  readonly generation: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly contentType?: string;
  readonly softDeleteTime?: string;
}

interface Kept {
  readonly resource: Resource;
  readonly content: Buffer;
}

const NONE = Buffer.alloc(0);
const RETENTION_MS = 7 * 24 * 3_600_000;

export class SoftDeleted {
  readonly #forward: Forward;
  readonly #refuse: Refuse;
  readonly #kept: Kept[] = [];

  constructor(forward: Forward, refuse: Refuse) {
    this.#forward = forward;
    this.#refuse = refuse;
  }

  /** `forward` has the emulator answer the request. Requests for one object come one after another. */
  async answer(asked: ProxiedRequest, forward: () => Promise<Answer>): Promise<Answer> {
    if (asked.kind === 'list' && asked.query.get('softDeleted') === 'true') return this.#list(asked);
    if (!['put', 'delete', 'restore'].includes(asked.kind)) return forward();
    const before = await this.#present(asked);
    const answer = await (asked.kind === 'restore' ? this.#restore(asked) : forward());
    if (before !== undefined && answer.status < 300) this.#keep(before, endOf(asked, answer));
    return answer;
  }

  #keep({ resource, content }: Kept, endedMs: number): void {
    const softDeleteTime = new Date(endedMs).toISOString();
    const hardDeleteTime = new Date(endedMs + RETENTION_MS).toISOString();
    this.#kept.push({ resource: { ...resource, softDeleteTime, ...{ hardDeleteTime } }, content });
  }

  async #present({ bucket, object }: ProxiedRequest): Promise<Kept | undefined> {
    const path = `/storage/v1/b/${bucket}/o/${encodeURIComponent(object)}`;
    const [found, media] = [
      await this.#forward('GET', path, {}, NONE),
      await this.#forward('GET', `${path}?alt=media`, {}, NONE),
    ];
    if (found.status !== 200 || media.status !== 200) return undefined;
    return { resource: JSON.parse(found.body.toString()) as Resource, content: media.body };
  }

  #list({ bucket, query }: ProxiedRequest): Answer {
    const prefix = query.get('prefix') ?? '';
    const all = this.#kept
      .map(({ resource }) => resource)
      .filter((resource) => resource.bucket === bucket && resource.name.startsWith(prefix))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const start = Number(query.get('pageToken') ?? 0);
    const end = start + Number(query.get('maxResults') ?? 1000);
    const nextPageToken = end < all.length ? { nextPageToken: String(end) } : {};
    return json({ kind: 'storage#objects', items: all.slice(start, end), ...nextPageToken });
  }

  async #restore({ bucket, object, query }: ProxiedRequest): Promise<Answer> {
    const kept = this.#kept.find(
      ({ resource }) =>
        resource.bucket === bucket &&
        resource.name === object &&
        resource.generation === query.get('generation'),
    );
    if (kept === undefined) return this.#refuse(404, 'notFound', `No such object: ${bucket}/${object}`);
    const { metadata = {}, contentType = 'application/octet-stream' } = kept.resource;
    const boundary = 'of-a-restored-object';
    const body = Buffer.concat([
      Buffer.from(`--${boundary}\r\ncontent-type: application/json\r\n\r\n`),
      Buffer.from(JSON.stringify({ name: object, metadata, contentType })),
      Buffer.from(`\r\n--${boundary}\r\ncontent-type: ${contentType}\r\n\r\n`),
      kept.content,
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ]);
    const target = `/upload/storage/v1/b/${bucket}/o?uploadType=multipart&name=${encodeURIComponent(object)}`;
    return this.#forward('POST', target, { 'content-type': `multipart/related; boundary=${boundary}` }, body);
  }
}

/** What replaces an object ends it as it begins. */
function endOf({ kind }: ProxiedRequest, { body }: Answer): number {
  if (kind === 'delete') return Date.now();
  return Date.parse((JSON.parse(body.toString()) as { timeCreated: string }).timeCreated);
}

function json(value: unknown): Answer {
  const headers = { 'content-type': 'application/json; charset=UTF-8' };
  return { status: 200, headers, body: Buffer.from(JSON.stringify(value)) };
}
