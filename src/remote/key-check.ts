/**
 * The bucket's key check: a sealed constant, made with the first session, by which a start finds out that its key is not the
 * bucket's. docs/file-format.md describes it.
 */
import { ABSENT, type Bucket, type StoredObject } from '../bucket/bucket.ts';
import { isMissing, isPrecondition } from '../bucket/bucket-error.ts';
import { KEY_ID_SIZE, type Keyring } from '../crypto/keyring.ts';
import { SealError } from '../crypto/seal-error.ts';
import { checkSealed, OWNER, sealedSize, sealInto } from '../crypto/sealed-file.ts';
import { KEY_ID_OFFSET } from '../crypto/sealed-header.ts';
import { backOff } from '../lib/backoff.ts';
import { SessionfsError } from '../lib/errors.ts';
import { OBJECT_ROOT } from '../naming/object-name.ts';
import type { Logger } from '../observe/log.ts';

export const KEY_CHECK_NAME = '.sessionfs/key-check';
/** It has far less; what has more is none. */
const BYTES_MAX = 4096;
const RETRY = { minMs: 500, maxMs: 15_000 };
const CONTENT = Buffer.from('sessionfs key check\n');

export type KeyVerdict =
  /** A key of the keyring opens it. */
  | 'opens'
  /** There is none, or none that counts: the bucket has no sessions. */
  | 'none'
  | SessionfsError;

export interface KeyCheckParts {
  bucket: Bucket;
  keyring: Keyring;
  log: Logger;
}

export class KeyCheck {
  readonly #parts: KeyCheckParts;
  #ensured: Promise<void> | undefined;
  #refusal: SessionfsError | undefined;
  #isKnown = false;

  constructor(parts: KeyCheckParts) {
    this.#parts = parts;
  }

  /** KEY_WRONG, once the bucket has said so. */
  get refusal(): SessionfsError | undefined {
    return this.#refusal;
  }

  /** Returns KEY_WRONG if no key of the keyring opens the check. Rejects with BucketError. */
  async verdict(): Promise<KeyVerdict> {
    const object = await this.#read();
    // A store may call an object missing whose bucket is: the list tells.
    if (object === undefined) await this.#hasSessions();
    const verdict = object === undefined ? 'none' : await this.#judge(object);
    this.#isKnown = true;
    this.#refusal = verdict instanceof SessionfsError ? verdict : undefined;
    return verdict;
  }

  /** Asks until the bucket answers, or the signal is aborted. Logs KEY_WRONG. Never rejects. */
  async untilKnown(signal: AbortSignal): Promise<void> {
    for (let attempt = 0; !signal.aborted && !this.#isKnown; attempt++) {
      await backOff(attempt, RETRY, signal);
      const verdict = await this.verdict().catch(() => undefined);
      if (!(verdict instanceof SessionfsError)) continue;
      const { message: error, hint } = verdict;
      this.#parts.log.error(
        { error, hint },
        'The bucket has another encryption key; its sessions are waited for',
      );
    }
  }

  /** Call it before an upload: makes the check with the first session. Rejects with KEY_WRONG or BucketError. */
  ensure(): Promise<void> {
    this.#ensured ??= this.#ensure().catch((error: unknown) => {
      this.#ensured = undefined;
      throw error;
    });
    return this.#ensured;
  }

  async #ensure(): Promise<void> {
    const { bucket } = this.#parts;
    const object = await this.#read();
    if (object === undefined) {
      // Sessions without a check are of an earlier version: whether this is their key is not known here.
      if (await this.#hasSessions()) return;
    } else {
      const verdict = await this.#judge(object);
      if (verdict instanceof SessionfsError) {
        this.#refusal = verdict;
        throw verdict;
      }
      if (verdict === 'opens' && this.#isCurrent(object)) return;
    }
    this.#refusal = undefined;
    try {
      await bucket.put(KEY_CHECK_NAME, this.#sealed(), {
        ifGeneration: object?.generation ?? ABSENT,
        metadata: {},
      });
    } catch (error) {
      if (!isPrecondition(error)) throw error;
      // Another mount was faster: its check counts.
      const verdict = await this.verdict();
      if (verdict instanceof SessionfsError) throw verdict;
    }
  }

  async #judge({ bytes, generation }: StoredObject): Promise<KeyVerdict> {
    const { bucket, keyring, log } = this.#parts;
    try {
      checkSealed(keyring, KEY_CHECK_NAME, bytes);
      return 'opens';
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      if (error.reason !== 'unknown-key') {
        log.warn(
          { object: KEY_CHECK_NAME, generation, reason: error.reason },
          'The key check of the bucket is damaged; a wrong key is not noticed at the start; delete the object',
        );
        return 'opens';
      }
    }
    if (!(await this.#hasSessions())) return 'none';
    const keyId = bytes.toString('hex', KEY_ID_OFFSET, KEY_ID_OFFSET + KEY_ID_SIZE);
    return new SessionfsError(
      'KEY_WRONG',
      `the sessions in ${bucket.address} are sealed with another key (id ${keyId}) than the one given (id ${keyring.currentId})`,
      {
        hint: 'Give the key that sealed them, name it in SESSION_ENCRYPTION_KEYS_PREVIOUS, or choose another bucket.',
      },
    );
  }

  /** A damaged check stays as it is. */
  #isCurrent({ bytes }: StoredObject): boolean {
    const { keyring } = this.#parts;
    const key = bytes.length > KEY_ID_OFFSET + KEY_ID_SIZE ? keyring.find(bytes, KEY_ID_OFFSET) : undefined;
    return key === undefined || key === keyring.current;
  }

  #sealed(): Buffer {
    const sealed = Buffer.alloc(sealedSize(CONTENT.length));
    const meta = { mode: 0o600, uid: OWNER, gid: OWNER, mtimeSec: 0, mtimeNsec: 0 };
    sealInto(sealed, 0, this.#parts.keyring, KEY_CHECK_NAME, meta, CONTENT);
    return sealed;
  }

  async #hasSessions(): Promise<boolean> {
    return (await this.#parts.bucket.list(`${OBJECT_ROOT}/`)).objects.length > 0;
  }

  async #read(): Promise<StoredObject | undefined> {
    try {
      return await this.#parts.bucket.get(KEY_CHECK_NAME, { maxBytes: BYTES_MAX });
    } catch (error) {
      if (isMissing(error) && error.about !== 'bucket') return undefined;
      throw error;
    }
  }
}
