/**
 * The keys of a mount: the current one, which seals, and previous ones, which only open. Raw 32-byte keys live no longer
 * than their derivation; what stays are KeyObjects, whose bytes are outside the JS heap and never print.
 */
import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { SessionfsError } from '../lib/errors.ts';
import type { AeadKeys } from './aead.ts';

export const RAW_KEY_SIZE = 32;
export const KEY_ID_SIZE = 8;

const HALF = 32;
const DERIVED_SIZE = KEY_ID_SIZE + 3 * HALF;
const KEYS_INFO = 'sessionfs v1 A256CBC-HS512';
const PIECES_INFO = 'sessionfs v2 XAES-256-GCM';
const ID_INFO = 'sessionfs key id';
const EMPTY = new Uint8Array(0);

export interface DerivedKey extends AeadKeys {
  /** 16 lower-case hex digits; not secret: it stands in every sealed file. */
  readonly id: string;
  /** The id as the header stores it, as two little-endian u32 words. */
  readonly idLow: number;
  readonly idHigh: number;
  /** Of pieces in the journal (sealed-piece.ts). */
  readonly pieceKey: KeyObject;
}

export class Keyring {
  /** Current first; empty once destroyed. */
  #keys: DerivedKey[];

  private constructor(keys: DerivedKey[]) {
    this.#keys = keys;
  }

  /** Throws KEY_MALFORMED, which says how long the text was and never what it was. */
  static fromHex(current: string, previous: readonly string[] = []): Keyring {
    return Keyring.fromBytes(
      parseKeyHex(current, 'the encryption key'),
      previous.map((text) => parseKeyHex(text, 'a previous encryption key')),
    );
  }

  /** Takes raw 32-byte keys over and zeroes them, on failure too. */
  static fromBytes(current: Uint8Array, previous: readonly Uint8Array[] = []): Keyring {
    const raw = [current, ...previous];
    try {
      return new Keyring(distinct(raw.map(derive)));
    } finally {
      for (const bytes of raw) bytes.fill(0);
    }
  }

  /** Takes over what `export` gave, in another thread, and zeroes it. */
  static import(exported: ArrayBuffer | SharedArrayBuffer): Keyring {
    const bytes = new Uint8Array(exported);
    if (bytes.length === 0 || bytes.length % DERIVED_SIZE !== 0)
      throw new RangeError('not an exported keyring');
    const keys: DerivedKey[] = [];
    for (let at = 0; at < bytes.length; at += DERIVED_SIZE)
      keys.push(take(bytes.subarray(at, at + DERIVED_SIZE)));
    return new Keyring(keys);
  }

  /** Secret bytes. Put them on the transfer list, so that this thread keeps none, and `import` them exactly once. */
  export(): ArrayBuffer {
    const keys = this.#required();
    const exported = new ArrayBuffer(keys.length * DERIVED_SIZE);
    keys.forEach((key, index) => {
      give(key, Buffer.from(exported, index * DERIVED_SIZE, DERIVED_SIZE));
    });
    return exported;
  }

  get current(): DerivedKey {
    const key = this.#keys[0];
    if (key === undefined) throw new Error('the keyring was destroyed');
    return key;
  }

  get currentId(): string {
    return this.current.id;
  }

  /** Current first. */
  get ids(): string[] {
    return this.#required().map(({ id }) => id);
  }

  byId(id: string): DerivedKey | undefined {
    return this.#required().find((key) => key.id === id);
  }

  /** The key whose id stands in `header` at `offset`, without making a string of it. */
  find(header: Buffer, offset: number): DerivedKey | undefined {
    const low = header.readUInt32LE(offset);
    const high = header.readUInt32LE(offset + 4);
    for (const key of this.#required()) if (key.idLow === low && key.idHigh === high) return key;
    return undefined;
  }

  /** Drops the keys; every later use throws. Node overwrites a KeyObject's bytes when its last reference goes. */
  destroy(): void {
    this.#keys = [];
  }

  #required(): readonly DerivedKey[] {
    if (this.#keys.length === 0) throw new Error('the keyring was destroyed');
    return this.#keys;
  }
}

/** 64 hex digits to 32 bytes that the caller owns. `name` says in the error which key it was: a variable, a file. */
export function parseKeyHex(text: string, name: string): Buffer {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  const seen = text.length === 64 ? 'not all of its 64 characters are' : `it has ${text.length} characters`;
  throw new SessionfsError('KEY_MALFORMED', `${name} must be 64 hex digits, but ${seen}`, {
    hint: 'Make a key with `openssl rand -hex 32`. If there are sealed sessions already, they need the key that sealed them.',
  });
}

function derive(raw: Uint8Array): DerivedKey {
  if (raw.length !== RAW_KEY_SIZE) {
    throw new SessionfsError('KEY_MALFORMED', `an encryption key must be 32 bytes, but it has ${raw.length}`);
  }
  const derived = new Uint8Array(DERIVED_SIZE);
  const expand = (info: string, size: number) => new Uint8Array(hkdfSync('sha512', raw, EMPTY, info, size));
  derived.set(expand(ID_INFO, KEY_ID_SIZE));
  const keys = expand(KEYS_INFO, 2 * HALF);
  derived.set(keys, KEY_ID_SIZE);
  keys.fill(0);
  const pieces = expand(PIECES_INFO, HALF);
  derived.set(pieces, KEY_ID_SIZE + 2 * HALF);
  pieces.fill(0);
  return take(derived);
}

/** id, MAC key, encryption key (RFC 7518's order), key of pieces. Zeroes `bytes`. */
function take(bytes: Uint8Array): DerivedKey {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const key: DerivedKey = {
    id: view.toString('hex', 0, KEY_ID_SIZE),
    idLow: view.readUInt32LE(0),
    idHigh: view.readUInt32LE(4),
    macKey: createSecretKey(view.subarray(KEY_ID_SIZE, KEY_ID_SIZE + HALF)),
    encryptionKey: createSecretKey(view.subarray(KEY_ID_SIZE + HALF, KEY_ID_SIZE + 2 * HALF)),
    pieceKey: createSecretKey(view.subarray(KEY_ID_SIZE + 2 * HALF)),
  };
  view.fill(0);
  return key;
}

function give(key: DerivedKey, out: Buffer): void {
  out.write(key.id, 'hex');
  copySecret(key.macKey, out, KEY_ID_SIZE);
  copySecret(key.encryptionKey, out, KEY_ID_SIZE + HALF);
  copySecret(key.pieceKey, out, KEY_ID_SIZE + 2 * HALF);
}

function copySecret(secret: KeyObject, out: Buffer, offset: number): void {
  const bytes = secret.export();
  bytes.copy(out, offset);
  bytes.fill(0);
}

function distinct(keys: readonly DerivedKey[]): DerivedKey[] {
  return keys.filter((key, index) => keys.findIndex((other) => other.id === key.id) === index);
}
