/** Google Cloud Storage through @google-cloud/storage. Every request has a deadline, and both ways a checksum. */
import type { File, GetFilesOptions, Bucket as SdkBucket, Storage } from '@google-cloud/storage';
import { crc32c, encodeCrc32c } from '../../lib/crc32c.ts';
import { sharedAbort } from '../../lib/shared-abort.ts';
import {
  ABSENT,
  type Bucket,
  bytesLimit,
  type ChangeOptions,
  type Condition,
  type GetOptions,
  type History,
  type ObjectPage,
  type ObjectVersion,
  type PastKind,
  type PastPage,
  type PastVersion,
  type PutOptions,
  type StoredObject,
} from '../bucket.ts';
import { BucketError, damaged, isMissing, isPrecondition, tooLarge } from '../bucket-error.ts';
import { type Observe, observed } from '../counted.ts';
import { DEFAULT_TIMEOUT_MS, type Deadline, timeLeft, withDeadline } from '../deadline.ts';
import { ownVersion, prepareUpload, type Upload } from '../upload.ts';
import type { BucketOperation } from '../wrap.ts';
import { createStorage, limited } from './client.ts';
import { downloadObject } from './download.ts';
import { authError, gcsError, type Target } from './error.ts';
import { deletesAfterDays } from './lifecycle.ts';
import { pastVersionOf, versionOfHeaders, versionOfResource } from './version.ts';

export interface GcsOptions {
  readonly name: string;
  /** http://HOST:PORT; undefined: Google itself, whatever the environment says. */
  readonly emulatorUrl?: string | undefined;
  /** Of each request. */
  readonly timeoutMs?: number | undefined;
  /** Hears of every request, also of those that a call adds. */
  readonly observe?: Observe | undefined;
}

/** Sends nothing yet. */
export function openGcsBucket(options: GcsOptions): Bucket {
  return new GcsBucket(options);
}

const PAGE_SIZE = 1000;

const LIST_FIELDS = 'items(name,generation,size,crc32c,updated,metadata),nextPageToken';
const PAST_FIELDS =
  'items(name,generation,size,timeCreated,timeDeleted,softDeleteTime,metadata),nextPageToken';

class GcsBucket implements Bucket {
  readonly address: string;
  readonly history: History;
  readonly #name: string;
  readonly #storage: Storage;
  readonly #isEmulated: boolean;
  readonly #timeoutMs: number;
  readonly #observe: Observe | undefined;
  readonly #closed = sharedAbort();
  /** Soft-deleted versions, by object and generation, that were asked to be made objects again and are not deleted since. */
  readonly #revived = new Set<string>();

  constructor({ name, emulatorUrl, timeoutMs = DEFAULT_TIMEOUT_MS, observe }: GcsOptions) {
    this.address = `gs://${name}`;
    this.#name = name;
    this.#storage = createStorage(emulatorUrl);
    this.#isEmulated = emulatorUrl !== undefined;
    this.#timeoutMs = timeoutMs;
    this.#observe = observe;
    this.history = {
      list: (...given) => this.#listPast(...given),
      read: (version, options) =>
        version.kind === 'soft-deleted'
          ? this.#readSoftDeleted(version, options)
          : this.get(version.name, options, version.id),
    };
  }

  async list(prefix: string, page?: string): Promise<ObjectPage> {
    const what = `cannot list ${this.address}/${prefix}`;
    const query = { prefix, fields: LIST_FIELDS };
    const { found, nextPage } = await this.#page(what, query, page, versionOfResource);
    return { objects: found, nextPage };
  }

  /** `generation`: of an older version that the bucket still has. */
  get(name: string, options: GetOptions = {}, generation?: string): Promise<StoredObject> {
    const what = `cannot read ${this.address}/${name}`;
    const maxBytes = bytesLimit(options);
    const refusal = () => tooLarge(what, maxBytes);
    const work = async (deadline: Deadline) => {
      const file = this.#file(name, deadline);
      const { headers, bytes } = await downloadObject(file, deadline, maxBytes, refusal, generation);
      const version = versionOfHeaders(name, headers, bytes.length);
      if (bytes.length !== version.size || crc32c(bytes) !== version.crc32c) {
        throw damaged(`${this.address}/${name}`);
      }
      return { ...version, bytes };
    };
    return this.#request('get', what, 'object', work, (object) => object.bytes.length);
  }

  head(name: string): Promise<ObjectVersion> {
    return this.#request('head', `cannot look up ${this.address}/${name}`, 'object', async (deadline) => {
      const [resource] = await this.#file(name, deadline).getMetadata();
      return versionOfResource(resource);
    });
  }

  async put(name: string, bytes: Uint8Array, options: PutOptions): Promise<ObjectVersion> {
    const upload = prepareUpload(bytes, options);
    try {
      return await this.#upload(name, bytes, options, upload);
    } catch (error) {
      if (!isPrecondition(error)) throw error;
      return await ownVersion(this, name, upload, error);
    }
  }

  async delete(name: string, { ifGeneration, deadlineMs }: ChangeOptions): Promise<void> {
    const what = `cannot delete ${this.address}/${name}`;
    const work = async (deadline: Deadline) => {
      await this.#file(name, deadline).delete({ ifGenerationMatch: ifGeneration });
    };
    try {
      await this.#request('delete', what, 'object', work, undefined, deadlineMs);
    } catch (error) {
      // Gone is what was asked for. A bucket that is gone comes with a hint, and is not.
      if (!isMissing(error) || error.hint !== undefined) throw error;
    }
  }

  deleteAfterDays(): Promise<number | undefined> {
    return this.#request(
      'config',
      `cannot read the settings of ${this.address}`,
      'bucket',
      async (deadline) => {
        const [metadata] = await this.#bucket(deadline).getMetadata();
        return deletesAfterDays(metadata.lifecycle?.rule ?? []);
      },
    );
  }

  async ignoredConditions(): Promise<readonly Condition[]> {
    return [];
  }

  close(): void {
    this.#closed.abort();
  }

  async #listPast(kind: PastKind, prefix: string, page?: string): Promise<PastPage> {
    const what = `cannot list ${kind === 'version' ? 'the versions' : 'what was soft-deleted'} of ${this.address}/${prefix}`;
    const query = {
      prefix,
      fields: PAST_FIELDS,
      ...(kind === 'version' ? { versions: true } : { softDeleted: true }),
    };
    const read = (resource: File) => pastVersionOf(kind, resource);
    const { found, nextPage } = await this.#page(what, query, page, read);
    return { versions: found.filter((version) => version !== undefined), nextPage };
  }

  #page<T>(
    what: string,
    query: GetFilesOptions,
    page: string | undefined,
    read: (resource: File) => T,
  ): Promise<{ found: T[]; nextPage: string | undefined }> {
    return this.#request('list', what, 'bucket', async (deadline) => {
      const [found, , answer] = await this.#bucket(deadline).getFiles({
        ...query,
        maxResults: PAGE_SIZE,
        autoPaginate: false,
        ...(page === undefined ? {} : { pageToken: page }),
      });
      const nextPage = (answer as { nextPageToken?: string } | undefined)?.nextPageToken;
      return { found: found.map(read), nextPage };
    });
  }

  /** Google has no other way to its content: it becomes an object again, under its own name. */
  async #readSoftDeleted(version: PastVersion, options?: GetOptions): Promise<StoredObject> {
    const { name, id } = version;
    const { generation } = await this.#revive(version);
    try {
      return await this.get(name, options, generation);
    } finally {
      await this.delete(name, { ifGeneration: generation });
      this.#revived.delete(`${name}#${id}`);
    }
  }

  /** Replaces nothing. What an earlier try revived, whose answer was lost, is its own; any other object is not. */
  async #revive({ name, id, uploadId }: PastVersion): Promise<ObjectVersion> {
    const key = `${name}#${id}`;
    const isTriedAgain = this.#revived.has(key);
    this.#revived.add(key);
    try {
      const what = `cannot restore the soft-deleted ${this.address}/${name}`;
      return await this.#request('put', what, 'object', async (deadline) => {
        const query = { generation: id, ifGenerationMatch: ABSENT } as unknown as Parameters<
          File['restore']
        >[0];
        return versionOfResource(await this.#file(name, deadline).restore(query));
      });
    } catch (error) {
      const found = isTriedAgain && isPrecondition(error) ? await this.head(name) : undefined;
      if (found === undefined || found.uploadId === undefined || found.uploadId !== uploadId) throw error;
      return found;
    }
  }

  #upload(
    name: string,
    bytes: Uint8Array,
    { ifGeneration, deadlineMs }: ChangeOptions,
    upload: Upload,
  ): Promise<ObjectVersion> {
    const work = async (deadline: Deadline) => {
      const file = this.#file(name, deadline);
      await file.save(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), {
        resumable: false,
        // Its own check deletes the object when it fails. The store checks the sum that it is given, and the answer is checked here.
        validation: false,
        contentType: 'application/octet-stream',
        preconditionOpts: { ifGenerationMatch: ifGeneration },
        metadata: { crc32c: encodeCrc32c(upload.crc32c), metadata: { ...upload.stored } },
      });
      const version = versionOfResource(file.metadata);
      if (version.crc32c === upload.crc32c && version.size === bytes.length) return version;
      throw new BucketError(
        'corrupt',
        `${this.address}/${name} was not stored with the checksum that was sent`,
      );
    };
    const what = `cannot write ${this.address}/${name}`;
    return this.#request('put', what, 'bucket', work, () => bytes.length, deadlineMs);
  }

  #bucket(deadline: Deadline): SdkBucket {
    return limited(this.#storage.bucket(this.#name), deadline);
  }

  #file(name: string, deadline: Deadline): File {
    return limited(this.#storage.bucket(this.#name).file(name), deadline);
  }

  #request<T>(
    operation: BucketOperation,
    what: string,
    target: Target,
    work: (deadline: Deadline) => Promise<T>,
    bytesOf?: (result: T) => number,
    deadlineMs?: number,
  ): Promise<T> {
    const inTime = () =>
      withDeadline(what, timeLeft(this.#timeoutMs, deadlineMs), this.#closed.signal, async (deadline) => {
        await this.#authorize(what);
        deadline.signal.throwIfAborted();
        return work(deadline).catch((error: unknown) => {
          giveUpConnection(error);
          throw gcsError(what, error, target);
        });
      });
    return observed(this.#observe, operation, inTime, bytesOf);
  }

  /** Fetches a token first, where there is none: what is still waiting for one at the deadline is then never sent. */
  async #authorize(what: string): Promise<void> {
    if (this.#isEmulated) return;
    try {
      await this.#storage.authClient.getRequestHeaders();
    } catch (error) {
      throw authError(what, error);
    }
  }
}

/** An answer that stood still in mid-body: the SDK's HTTP client reports it, and forgets the socket. */
function giveUpConnection(error: unknown): void {
  const body = (error as { response?: NodeJS.ReadWriteStream & { destroy?(): void } } | undefined)?.response;
  if (typeof body?.destroy !== 'function') return;
  body.on('unpipe', (source: { destroy?(): void }) => source.destroy?.());
  body.on('error', () => {});
  body.destroy();
}
