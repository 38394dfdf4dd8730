/**
 * Amazon S3, and what speaks it, through @aws-sdk/client-s3. Conditions on ETags stand in for generations, and random bytes at
 * the end of each object make every ETag another one (docs/decisions/12-s3-etags.md).
 */
import { createHash } from 'node:crypto';
import type { LifecycleRule, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { LRUCache } from 'lru-cache';
import { crc32c, encodeCrc32c } from '../../lib/crc32c.ts';
import { mapLimit } from '../../lib/map-limit.ts';
import { NamedLocks } from '../../lib/named-locks.ts';
import { sharedAbort } from '../../lib/shared-abort.ts';
import {
  ABSENT,
  type Bucket,
  bytesLimit,
  type ChangeOptions,
  type Condition,
  type GetOptions,
  type History,
  type Known,
  OBJECT_BYTES_MAX,
  type ObjectPage,
  type ObjectVersion,
  type PastKind,
  type PastPage,
  type PutOptions,
  type StoredObject,
} from '../bucket.ts';
import { BucketError, damaged, isMissing, isPrecondition, tooLarge } from '../bucket-error.ts';
import { probeConditions } from '../conditions.ts';
import { type Observe, observed } from '../counted.ts';
import { DEFAULT_TIMEOUT_MS, type Deadline, timeLeft, withDeadline } from '../deadline.ts';
import { ownVersion, prepareUpload, splitMetadata, type Upload } from '../upload.ts';
import type { BucketOperation } from '../wrap.ts';
import { createClient, loadSdk, type Sdk } from './client.ts';
import { chunksOf, collectBody } from './download.ts';
import { isConflict, isUnknownHeader, s3Error } from './error.ts';
import { pageOf, placeOf } from './history.ts';
import { deletesAfterDays } from './lifecycle.ts';
import { withoutTrailer, withTrailer } from './trailer.ts';
import {
  describedBy,
  etagOf,
  generationOf,
  ownMetadata,
  readEtag,
  readMetadata,
  versionOf,
} from './version.ts';

export interface S3Options {
  readonly name: string;
  /** As http://HOST:PORT; undefined: Amazon, or where the SDK's own configuration points. */
  readonly endpointUrl?: string | undefined;
  /** Of each request. */
  readonly timeoutMs?: number | undefined;
  /** Hears of every request, also of those that a call adds. */
  readonly observe?: Observe | undefined;
}

/** Sends nothing yet. Rejects with PACKAGE_MISSING. */
export async function openS3Bucket(options: S3Options): Promise<Bucket> {
  return new S3Bucket(await loadSdk(), options);
}

const PAGE_SIZE = 1000;
/** For a page of objects that the caller does not know. */
const HEADS_AT_A_TIME = 32;
/** Versions that need no request when they are listed again; a few hundred bytes each. */
const SEEN_MAX = 10_000;
/** As often as a change is tried that met another one; Amazon asks for that. */
const CONFLICTS_MAX = 3;

type UploadArguments = [name: string, bytes: Uint8Array, options: ChangeOptions, upload: Upload];

export class S3Bucket implements Bucket {
  readonly address: string;
  readonly history: History;
  readonly #name: string;
  readonly #sdk: Sdk;
  readonly #client: S3Client;
  readonly #timeoutMs: number;
  readonly #observe: Observe | undefined;
  readonly #closed = sharedAbort();
  /** The server takes the checksum of an upload. */
  #sendsChecksums = true;
  /** By object: no two changes of one name are under way at a time. */
  readonly #changes = new NamedLocks();
  /** By object, the generation that was seen last. */
  readonly #seen = new LRUCache<string, string>({ max: SEEN_MAX });
  /** Once a process: no server learns conditions while it is used. */
  #ignored: Promise<readonly Condition[]> | undefined;

  constructor(sdk: Sdk, { name, endpointUrl, timeoutMs = DEFAULT_TIMEOUT_MS, observe }: S3Options) {
    this.address = `s3://${name}`;
    this.#name = name;
    this.#sdk = sdk;
    this.#client = createClient(sdk, endpointUrl);
    this.#timeoutMs = timeoutMs;
    this.#observe = observe;
    this.history = {
      list: (...given) => this.#listPast(...given),
      read: ({ name, id }, options) => this.get(name, options, id),
    };
  }

  async list(prefix: string, page?: string, known: Known = () => undefined): Promise<ObjectPage> {
    const what = `cannot list ${this.address}/${prefix}`;
    const { found, nextPage } = await this.#request('list', what, async ({ signal }) => {
      const command = new this.#sdk.ListObjectsV2Command({
        Bucket: this.#name,
        Prefix: prefix,
        MaxKeys: PAGE_SIZE,
        ContinuationToken: page,
        // XML has no words for some characters of a name.
        EncodingType: 'url',
      });
      const answer = await this.#client.send(command, { abortSignal: signal });
      const isEncoded = answer.EncodingType === 'url';
      return {
        found: (answer.Contents ?? []).map(({ Key = '', ETag, LastModified }) => ({
          name: isEncoded ? decodedName(Key) : Key,
          etag: readEtag(ETag),
          lastModified: LastModified,
        })),
        nextPage: answer.IsTruncated ? answer.NextContinuationToken : undefined,
      };
    });
    const objects: ObjectVersion[] = [];
    await mapLimit(found, HEADS_AT_A_TIME, async ({ name, etag, lastModified }) => {
      const version = await this.#listed(name, etag, lastModified, known);
      if (version !== undefined) objects.push(version);
    });
    return { objects, nextPage };
  }

  /** `versionId`: of an older version that the bucket still has. */
  get(name: string, options: GetOptions = {}, versionId?: string): Promise<StoredObject> {
    const what = `cannot read ${this.address}/${name}`;
    const maxBytes = bytesLimit(options);
    const refusal = () => tooLarge(what, maxBytes);
    const work = async (deadline: Deadline) => {
      const answer = await this.#client.send(
        new this.#sdk.GetObjectCommand({ Bucket: this.#name, Key: name, VersionId: versionId }),
        { abortSignal: deadline.signal },
      );
      const { trailerBytes, crc32c: noted, rest } = readMetadata(answer.Metadata);
      const limit = maxBytes + trailerBytes;
      if ((answer.ContentLength ?? 0) > limit) {
        (answer.Body as { destroy?(): void } | undefined)?.destroy?.();
        throw refusal();
      }
      const stored = await collectBody(answer.Body, deadline, limit, refusal);
      const bytes = stored.length === answer.ContentLength ? withoutTrailer(stored, trailerBytes) : undefined;
      if (bytes === undefined) throw damaged(`${this.address}/${name}`);
      const sum = crc32c(bytes);
      if (sum !== (noted ?? sum)) throw damaged(`${this.address}/${name}`);
      const version = versionOf(name, answer, { size: bytes.length, crc32c: sum, ...rest });
      return { ...(versionId === undefined ? this.#note(version) : version), bytes };
    };
    return this.#request('get', what, work, (object) => object.bytes.length);
  }

  async head(name: string): Promise<ObjectVersion> {
    const what = `cannot look up ${this.address}/${name}`;
    const described = await this.#request('head', what, async ({ signal }) => {
      const command = new this.#sdk.HeadObjectCommand({ Bucket: this.#name, Key: name });
      const answer = await this.#client.send(command, { abortSignal: signal });
      const { trailerBytes, crc32c: sum, rest } = readMetadata(answer.Metadata);
      const stored = answer.ContentLength ?? 0;
      // What is larger than any file is never read, so its checksum tells nothing.
      if (sum === undefined && stored <= OBJECT_BYTES_MAX) return undefined;
      const size = Math.max(0, stored - trailerBytes);
      return this.#note(versionOf(name, answer, { size, crc32c: sum ?? 0, ...rest }));
    });
    return described ?? this.#summed(name);
  }

  /** Nothing but its bytes tells the checksum of what something else has stored. They are not kept: a listing may have many. */
  #summed(name: string): Promise<ObjectVersion> {
    const what = `cannot look up ${this.address}/${name}`;
    const refusal = () => tooLarge(what, OBJECT_BYTES_MAX);
    return this.#request('get', what, async (deadline) => {
      const answer = await this.#client.send(
        new this.#sdk.GetObjectCommand({ Bucket: this.#name, Key: name }),
        { abortSignal: deadline.signal },
      );
      const { trailerBytes, crc32c: noted, rest } = readMetadata(answer.Metadata);
      let [sum, size] = [0, -trailerBytes];
      for await (const chunk of chunksOf(answer.Body, deadline, OBJECT_BYTES_MAX, refusal)) {
        sum = crc32c(chunk, 0, chunk.length, sum);
        size += chunk.length;
      }
      if (size + trailerBytes !== answer.ContentLength) throw damaged(`${this.address}/${name}`);
      return this.#note(versionOf(name, answer, { size: Math.max(0, size), crc32c: noted ?? sum, ...rest }));
    });
  }

  put(name: string, bytes: Uint8Array, options: PutOptions): Promise<ObjectVersion> {
    return this.#changes.run(name, async () => {
      const upload = prepareUpload(bytes, options);
      try {
        return await this.#withoutConflict(() => this.#uploadAsTaken(name, bytes, options, upload));
      } catch (error) {
        if (!isPrecondition(error)) throw error;
        return await ownVersion(this, name, upload, error);
      }
    });
  }

  delete(name: string, { ifGeneration, deadlineMs }: ChangeOptions): Promise<void> {
    return this.#changes.run(name, async () => {
      const what = `cannot delete ${this.address}/${name}`;
      const work = ({ signal }: Deadline) =>
        this.#client.send(
          new this.#sdk.DeleteObjectCommand({
            Bucket: this.#name,
            Key: name,
            IfMatch: quoted(etagOf(ifGeneration)),
          }),
          { abortSignal: signal },
        );
      try {
        await this.#withoutConflict(() => this.#request('delete', what, work, undefined, deadlineMs));
      } catch (error) {
        if (await this.#isGone(name, error)) return;
        throw error;
      }
    });
  }

  deleteAfterDays(): Promise<number | undefined> {
    return this.#request('config', `cannot read the settings of ${this.address}`, async ({ signal }) => {
      const command = new this.#sdk.GetBucketLifecycleConfigurationCommand({ Bucket: this.#name });
      const { Rules = [] } = await this.#client.send(command, { abortSignal: signal }).catch(noRules);
      return deletesAfterDays(Rules);
    });
  }

  ignoredConditions(): Promise<readonly Condition[]> {
    this.#ignored ??= probeConditions(this).catch((error: unknown) => {
      this.#ignored = undefined;
      throw error;
    });
    return this.#ignored;
  }

  close(): void {
    this.#closed.abort();
    this.#client.destroy();
  }

  /** Soft delete is Google's. */
  async #listPast(kind: PastKind, prefix: string, page?: string): Promise<PastPage> {
    if (kind === 'soft-deleted') return { versions: [], nextPage: undefined };
    const what = `cannot list the versions of ${this.address}/${prefix}`;
    return this.#request('list', what, async ({ signal }) => {
      const place = placeOf(page);
      const command = new this.#sdk.ListObjectVersionsCommand({
        Bucket: this.#name,
        Prefix: prefix,
        MaxKeys: PAGE_SIZE,
        KeyMarker: place?.keyMarker,
        VersionIdMarker: place?.versionIdMarker,
        EncodingType: 'url',
      });
      const answer = await this.#client.send(command, { abortSignal: signal });
      return pageOf(answer, answer.EncodingType === 'url' ? decodedName : (name) => name, place);
    });
  }

  /** Undefined: it is gone since the listing. */
  async #listed(
    name: string,
    etag: string,
    lastModified: Date | undefined,
    known: Known,
  ): Promise<ObjectVersion | undefined> {
    for (const generation of [known(name), this.#seen.get(name)]) {
      if (generation === undefined || etagOf(generation) !== etag) continue;
      const described = describedBy(generation);
      if (described !== undefined)
        return { name, generation, updatedMs: lastModified?.getTime() ?? 0, ...described };
    }
    try {
      return await this.head(name);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** A server that knows no such checksum refuses the header; the ETag tells as well. */
  async #uploadAsTaken(...given: UploadArguments): Promise<ObjectVersion> {
    const sends = this.#sendsChecksums;
    try {
      return await this.#upload(...given);
    } catch (error) {
      if (!sends || !isUnknownHeader(error)) throw error;
      this.#sendsChecksums = false;
      return await this.#upload(...given);
    }
  }

  async #upload(
    name: string,
    bytes: Uint8Array,
    { ifGeneration, deadlineMs }: ChangeOptions,
    upload: Upload,
  ): Promise<ObjectVersion> {
    const what = `cannot write ${this.address}/${name}`;
    const stored = withTrailer(bytes);
    const sum = encodeCrc32c(crc32c(stored, bytes.length, stored.length, upload.crc32c));
    const work = async ({ signal }: Deadline) => {
      const command = new this.#sdk.PutObjectCommand({
        Bucket: this.#name,
        Key: name,
        Body: stored,
        ContentLength: stored.length,
        ContentType: 'application/octet-stream',
        ...(this.#sendsChecksums ? { ChecksumCRC32C: sum } : {}),
        Metadata: ownMetadata(upload.stored, upload.crc32c),
        ...(ifGeneration === ABSENT ? { IfNoneMatch: '*' } : { IfMatch: quoted(etagOf(ifGeneration)) }),
      });
      const date = noteDate(command);
      const answer = await this.#client.send(command, { abortSignal: signal });
      const etag = readEtag(answer.ETag);
      const described = { size: bytes.length, crc32c: upload.crc32c, ...splitMetadata(upload.stored) };
      const isChecked = answer.ChecksumCRC32C === sum || etag === md5(stored);
      const { updatedMs } = date;
      return {
        version: { name, generation: generationOf(etag, described), updatedMs, ...described },
        isChecked,
      };
    };
    const { version, isChecked } = await this.#request(
      'put',
      what,
      (deadline) => work(deadline).catch(asPrecondition),
      () => bytes.length,
      deadlineMs,
    );
    if (!isChecked) await this.#requireStored(version);
    return this.#note(version);
  }

  /** The server said nothing of a checksum: its bytes do. */
  async #requireStored(version: ObjectVersion): Promise<void> {
    const { generation, crc32c: sum } = await this.get(version.name);
    if (generation !== version.generation || sum === version.crc32c) return;
    throw new BucketError(
      'corrupt',
      `${this.address}/${version.name} was not stored with the checksum that was sent`,
    );
  }

  /** What a failed delete was to reach is so: servers differ in what they say where no object is left. */
  async #isGone(name: string, error: unknown): Promise<boolean> {
    if (!(error instanceof BucketError) || error.about === 'bucket') return false;
    if (error.kind === 'missing') return true;
    if (error.kind !== 'precondition') return false;
    return this.head(name).then(() => false, isMissing);
  }

  /** Tries a change again that met another one of the same object. */
  async #withoutConflict<T>(change: () => Promise<T>): Promise<T> {
    for (let conflicts = 1; ; conflicts++) {
      try {
        return await change();
      } catch (error) {
        if (!isConflict(error) || conflicts === CONFLICTS_MAX) throw error;
      }
    }
  }

  #note(version: ObjectVersion): ObjectVersion {
    this.#seen.set(version.name, version.generation);
    return version;
  }

  #request<T>(
    operation: BucketOperation,
    what: string,
    work: (deadline: Deadline) => Promise<T>,
    bytesOf?: (result: T) => number,
    deadlineMs?: number,
  ): Promise<T> {
    const inTime = () =>
      withDeadline(what, timeLeft(this.#timeoutMs, deadlineMs), this.#closed.signal, (deadline) =>
        work(deadline).catch((error: unknown) => {
          throw s3Error(what, error);
        }),
      );
    return observed(this.#observe, operation, inTime, bytesOf);
  }
}

/** Of an upload only the version that it replaces can be missing, or the bucket. */
function asPrecondition(error: unknown): never {
  if ((error as { name?: unknown } | undefined)?.name === 'NoSuchKey')
    throw { name: 'PreconditionFailed', $metadata: { httpStatusCode: 412 } };
  throw error;
}

/** There are none, or the server knows no rules. */
function noRules(error: unknown): { Rules?: LifecycleRule[] } {
  const { name } = error as { name?: unknown };
  if (name === 'NoSuchLifecycleConfiguration' || name === 'NotImplemented' || name === 'MethodNotAllowed')
    return {};
  throw error;
}

const decodedName = (encoded: string) => decodeURIComponent(encoded.replaceAll('+', ' '));

const quoted = (etag: string) => `"${etag}"`;

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

/** The server's clock at its answer: the answer itself does not say when the object was written. */
function noteDate(command: PutObjectCommand): { updatedMs: number } {
  const noted = { updatedMs: Date.now() };
  const note: FinalizeMiddleware = (next) => async (given) => {
    const result = await next(given);
    const headers = (result.response as { headers?: Record<string, string> } | undefined)?.headers;
    const ms = Date.parse(headers?.date ?? '');
    if (!Number.isNaN(ms)) noted.updatedMs = ms;
    return result;
  };
  command.middlewareStack.add(note as never, { step: 'finalizeRequest', priority: 'low', name: 'noteDate' });
  return noted;
}

/** As the SDK has it; its types come from a package that is no dependency of this one. */
type FinalizeMiddleware = (
  next: (given: unknown) => Promise<{ readonly response: unknown }>,
) => (given: unknown) => Promise<{ readonly response: unknown }>;
