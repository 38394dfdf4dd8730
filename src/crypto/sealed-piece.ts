/**
 * Seals and opens pieces of files that are being written, as the journal has them: the header of a sealed file, with another
 * suite, then XAES-256-GCM (C2SP). A piece is written with each write(2) and lives until its file is committed, so it has the
 * fastest of the algorithms; what lasts is sealed as sealed-file.ts does it.
 *
 * A nonce has 24 bytes. The first half chooses a key, which is derived once for each process; the second half counts, so no
 * two pieces share a key and a nonce, however many there are.
 */
import {
  type CipherGCM,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { STRIDE } from './aead.ts';
import type { DerivedKey, Keyring } from './keyring.ts';
import { SealError } from './seal-error.ts';
import { openSealed, type SealedMeta } from './sealed-file.ts';
import {
  ASSOCIATED_SIZE,
  KEY_ID_OFFSET,
  PIECE_SUITE,
  readMeta,
  readPlainLength,
  suiteOf,
  writeHeader,
} from './sealed-header.ts';

const CIPHER = 'aes-256-gcm';
const PREFIX_SIZE = 12;
const NONCE_SIZE = 24;
const TAG_SIZE = 16;
const NONCE_OFFSET = ASSOCIATED_SIZE;
const PIECE_HEADER_SIZE = NONCE_OFFSET + NONCE_SIZE;

/** The size in bytes of the sealed piece of a plaintext of `plainLength` bytes. */
export function sealedPieceSize(plainLength: number): number {
  return PIECE_HEADER_SIZE + plainLength + TAG_SIZE;
}

/** The keys of one prefix, by the key that it was derived from. */
interface PrefixKey {
  of: DerivedKey;
  prefix: Buffer;
  key: KeyObject;
}

/** A cipher that has its key and nonce, for one piece. */
interface ReadyCipher {
  readonly of: DerivedKey;
  readonly prefix: Buffer;
  readonly counter: Buffer;
  readonly cipher: CipherGCM;
}

/** Seals pieces for one process; its nonces are used nowhere else. */
export class PieceSealer {
  readonly #keyring: Keyring;
  #current: PrefixKey | undefined;
  #count = 0;
  #ready: ReadyCipher | undefined;
  /** Header and name, one after the other. */
  #associated = Buffer.alloc(ASSOCIATED_SIZE + 1024);

  constructor(keyring: Keyring) {
    this.#keyring = keyring;
  }

  /** Writes the sealed piece `name` to `out` at `offset`: `sealedPieceSize(plain.length)` bytes, which must not overlap `plain`. */
  sealInto(out: Buffer, offset: number, name: string, meta: SealedMeta, plain: Uint8Array): void {
    const end = offset + sealedPieceSize(plain.length);
    if (offset < 0 || end > out.length) throw new RangeError('the sealed piece does not fit');
    const { of, prefix, counter, cipher } = this.#take();
    writeHeader(out, offset, of, meta, plain.length, PIECE_SUITE);
    const nonce = offset + NONCE_OFFSET;
    prefix.copy(out, nonce);
    counter.copy(out, nonce + PREFIX_SIZE);
    cipher.setAAD(this.#associate(out, offset, name));
    let at = offset + PIECE_HEADER_SIZE;
    if (plain.length <= STRIDE) cipher.update(plain).copy(out, at);
    else
      for (let from = 0; from < plain.length; from += STRIDE)
        at += cipher.update(plain.subarray(from, from + STRIDE)).copy(out, at);
    cipher.final();
    cipher.getAuthTag().copy(out, end - TAG_SIZE);
  }

  /**
   * Call it when no caller waits: makes the cipher of the next piece, which is a quarter of the work of a small one. No-op before
   * the first piece, and where it is made.
   */
  prepare(): void {
    if (this.#ready === undefined && this.#current !== undefined) this.#ready = this.#make();
  }

  #take(): ReadyCipher {
    const ready = this.#ready;
    this.#ready = undefined;
    return ready !== undefined && ready.of === this.#keyring.current ? ready : this.#make();
  }

  /** No count is used twice, whether a piece is sealed with it or not. */
  #make(): ReadyCipher {
    const of = this.#keyring.current;
    if (this.#current?.of !== of) this.#current = newPrefix(of);
    const { prefix, key } = this.#current;
    const counter = Buffer.allocUnsafe(NONCE_SIZE - PREFIX_SIZE);
    writeCount(counter, 0, this.#count++);
    return { of, prefix, counter, cipher: createCipheriv(CIPHER, key, counter) };
  }

  #associate(sealed: Buffer, offset: number, name: string): Buffer {
    const needed = ASSOCIATED_SIZE + 3 * name.length;
    if (needed > this.#associated.length) this.#associated = Buffer.alloc(needed);
    sealed.copy(this.#associated, 0, offset, offset + ASSOCIATED_SIZE);
    return this.#associated.subarray(0, ASSOCIATED_SIZE + this.#associated.write(name, ASSOCIATED_SIZE));
  }
}

/** Opens pieces; one after the other mostly has the same key. */
export class PieceOpener {
  readonly #keyring: Keyring;
  #last: PrefixKey | undefined;

  constructor(keyring: Keyring) {
    this.#keyring = keyring;
  }

  /** Also what an earlier version sealed, as a file of that name. Throws SealError. */
  open(name: string, sealed: Buffer): { meta: SealedMeta; plain: Buffer } {
    if (suiteOf(sealed) !== PIECE_SUITE) return openSealed(this.#keyring, name, sealed);
    if (sealed.length < sealedPieceSize(0)) throw new SealError('truncated');
    const plainLength = readPlainLength(sealed);
    const expected = sealedPieceSize(plainLength);
    if (sealed.length !== expected)
      throw new SealError(sealed.length < expected ? 'truncated' : 'length-mismatch');
    const of = this.#keyring.find(sealed, KEY_ID_OFFSET);
    if (of === undefined) throw new SealError('unknown-key');
    const counter = NONCE_OFFSET + PREFIX_SIZE;
    const key = this.#keyOf(of, sealed.subarray(NONCE_OFFSET, counter));
    const decipher = createDecipheriv(CIPHER, key, sealed.subarray(counter, PIECE_HEADER_SIZE), {
      authTagLength: TAG_SIZE,
    });
    decipher.setAAD(sealed.subarray(0, ASSOCIATED_SIZE));
    decipher.setAAD(Buffer.from(name));
    decipher.setAuthTag(sealed.subarray(expected - TAG_SIZE));
    const plain = decipher.update(sealed.subarray(PIECE_HEADER_SIZE, expected - TAG_SIZE));
    try {
      decipher.final();
    } catch {
      throw new SealError('wrong-tag');
    }
    return { meta: readMeta(sealed), plain };
  }

  #keyOf(of: DerivedKey, prefix: Buffer): KeyObject {
    if (this.#last?.of !== of || !this.#last.prefix.equals(prefix))
      this.#last = { of, prefix: Buffer.from(prefix), key: prefixKey(of.pieceKey, prefix) };
    return this.#last.key;
  }
}

function newPrefix(of: DerivedKey): PrefixKey {
  const prefix = randomBytes(PREFIX_SIZE);
  return { of, prefix, key: prefixKey(of.pieceKey, prefix) };
}

/** 96 bits, of which a process uses 53 at most. */
function writeCount(out: Buffer, at: number, count: number): void {
  out.writeUInt32BE(0, at);
  out.writeUInt32BE(Math.floor(count / 2 ** 32), at + 4);
  out.writeUInt32BE(count % 2 ** 32, at + 8);
}

/** The key that XAES-256-GCM derives from `key` and the first half of a nonce: two blocks of AES-CMAC (NIST SP 800-108). */
export function prefixKey(key: KeyObject, prefix: Uint8Array): KeyObject {
  const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
  const mask = doubled(cipher.update(Buffer.alloc(16)));
  const blocks = Buffer.alloc(32);
  for (const [index, block] of [blocks.subarray(0, 16), blocks.subarray(16)].entries()) {
    block.set([0, index + 1, 0x58, 0]);
    block.set(prefix, 4);
    for (let at = 0; at < mask.length; at++) block[at] = (block[at] as number) ^ (mask[at] as number);
  }
  const derived = cipher.update(blocks);
  const secret = createSecretKey(derived);
  derived.fill(0);
  return secret;
}

/** Twice the block in the field of AES-CMAC (RFC 4493, its subkey K1). */
function doubled(block: Buffer): Buffer {
  const out = Buffer.alloc(block.length);
  let carry = 0;
  for (let at = block.length - 1; at >= 0; at--) {
    const byte = block[at] as number;
    out[at] = (byte << 1) | carry;
    carry = byte >>> 7;
  }
  out[out.length - 1] = (out.at(-1) as number) ^ (carry * 0x87);
  return out;
}
