/** A mount's way to a bucket: what src/bucket/gcs does, without HTTP. */
import type {
  Bucket,
  ChangeOptions,
  Condition,
  ObjectPage,
  ObjectVersion,
  PutOptions,
  StoredObject,
} from '../../../src/bucket/bucket.ts';
import { BucketError, isPrecondition } from '../../../src/bucket/bucket-error.ts';
import { DEFAULT_TIMEOUT_MS, timeLeft, withDeadline } from '../../../src/bucket/deadline.ts';
import { isOwn, prepareUpload, type Upload } from '../../../src/bucket/upload.ts';
import type { BucketOperation } from '../../../src/bucket/wrap.ts';
import { sharedAbort } from '../../../src/lib/shared-abort.ts';
import type { Process } from '../platform/machine.ts';
import type { Network } from './network.ts';
import type { SimulatedStore } from './store.ts';

export class SimulatedBucket implements Bucket {
  readonly address: string;
  readonly #network: Network;
  readonly #store: SimulatedStore;
  readonly #owner: Process;
  readonly #closed = sharedAbort();

  constructor(network: Network, store: SimulatedStore, owner: Process) {
    this.address = `gs://${store.name}`;
    this.#network = network;
    this.#store = store;
    this.#owner = owner;
  }

  list(prefix: string, page?: string): Promise<ObjectPage> {
    return this.#request('list', prefix, () => this.#store.list(prefix, page));
  }

  get(name: string): Promise<StoredObject> {
    return this.#request('get', name, () => this.#store.get(name));
  }

  head(name: string): Promise<ObjectVersion> {
    return this.#request('head', name, () => this.#store.head(name));
  }

  async put(name: string, bytes: Uint8Array, options: PutOptions): Promise<ObjectVersion> {
    const upload = prepareUpload(bytes, options);
    const copy = Buffer.from(bytes);
    const { ifGeneration, deadlineMs } = options;
    const { name: by } = this.#owner;
    const effect = () => this.#store.put(by, name, copy, ifGeneration, upload.stored);
    try {
      return await this.#request('put', name, effect, deadlineMs);
    } catch (error) {
      if (!isPrecondition(error)) throw error;
      return this.#ownVersion(name, upload, error);
    }
  }

  async delete(name: string, { ifGeneration, deadlineMs }: ChangeOptions): Promise<void> {
    const effect = () => this.#store.delete(this.#owner.name, name, ifGeneration);
    try {
      await this.#request('delete', name, effect, deadlineMs);
    } catch (error) {
      if (!(error instanceof BucketError && error.kind === 'missing' && error.about !== 'bucket'))
        throw error;
    }
  }

  async ignoredConditions(): Promise<readonly Condition[]> {
    return [];
  }

  async deleteAfterDays(): Promise<number | undefined> {
    return this.#request('config', '', () => undefined);
  }

  close(): void {
    this.#closed.abort();
  }

  /** See GcsBucket: what is there may be this very upload, whose answer was lost. */
  async #ownVersion(name: string, upload: Upload, refusal: unknown): Promise<ObjectVersion> {
    const found = await this.head(name).catch((error: unknown) => {
      if (error instanceof BucketError && error.kind === 'missing') throw refusal;
      throw error;
    });
    if (!isOwn(found, upload)) throw refusal;
    return found;
  }

  #request<T>(operation: BucketOperation, name: string, effect: () => T, deadlineMs?: number): Promise<T> {
    const timeoutMs = timeLeft(DEFAULT_TIMEOUT_MS, deadlineMs);
    return withDeadline(`cannot ${operation} ${name}`, timeoutMs, this.#closed.signal, ({ signal }) =>
      this.#network.exchange(this.#owner, { operation, name, effect, signal }),
    );
  }
}
