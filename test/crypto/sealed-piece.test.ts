import assert from 'node:assert/strict';
import { createCipheriv, createSecretKey } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Keyring } from '../../src/crypto/keyring.ts';
import { SealError, type SealRefusal } from '../../src/crypto/seal-error.ts';
import { OWNER, openSealed, type SealedMeta, sealedSize, sealInto } from '../../src/crypto/sealed-file.ts';
import { PieceOpener, PieceSealer, prefixKey, sealedPieceSize } from '../../src/crypto/sealed-piece.ts';

const keyring = Keyring.fromHex('11'.repeat(32));
const NAME = 'u-+49/app.db\x004096';
const NONCE_AT = 48;
const meta: SealedMeta = { mode: 0o100600, uid: OWNER, gid: OWNER, mtimeSec: 1700000000, mtimeNsec: 5 };

function seal(plain: Uint8Array, sealer = new PieceSealer(keyring), name = NAME): Buffer {
  const out = Buffer.alloc(sealedPieceSize(plain.length));
  sealer.sealInto(out, 0, name, meta, plain);
  return out;
}

function refusal(sealed: Buffer, name = NAME, keys = keyring): SealRefusal {
  try {
    new PieceOpener(keys).open(name, sealed);
  } catch (error) {
    assert.ok(error instanceof SealError, String(error));
    return error.reason;
  }
  assert.fail('a piece that must be refused was opened');
}

/** The two vectors of the specification (C2SP XAES-256-GCM). */
for (const [byte, associated, expected] of [
  [1, '', 'ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271'],
  [3, 'c2sp.org/XAES-256-GCM', '986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d'],
] as const) {
  test(`the key of a prefix is that of XAES-256-GCM, vector ${byte}`, () => {
    const nonce = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWX');
    const key = prefixKey(createSecretKey(Buffer.alloc(32, byte)), nonce.subarray(0, 12));
    const cipher = createCipheriv('aes-256-gcm', key, nonce.subarray(12));
    cipher.setAAD(Buffer.from(associated));
    const sealed = Buffer.concat([cipher.update('XAES-256-GCM'), cipher.final(), cipher.getAuthTag()]);
    assert.equal(sealed.toString('hex'), expected);
  });
}

test('what was sealed opens again, byte for byte, with its metadata', () => {
  const sealer = new PieceSealer(keyring);
  const opener = new PieceOpener(keyring);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.string({ unit: 'grapheme' }), (plain, name) => {
      assert.deepEqual(opener.open(name, seal(plain, sealer, name)), { plain: Buffer.from(plain), meta });
    }),
  );
  const large = Buffer.alloc(200_001, 7);
  for (const name of [NAME, 'ö'.repeat(3000), NAME])
    assert.ok(opener.open(name, seal(large, sealer, name)).plain.equals(large));
});

test('a piece lies where it was asked for, and nothing around it is touched', () => {
  const plain = Buffer.from('piece');
  const out = Buffer.alloc(sealedPieceSize(plain.length) + 20, 0xee);
  new PieceSealer(keyring).sealInto(out, 10, NAME, meta, plain);
  assert.ok(out.subarray(0, 10).equals(Buffer.alloc(10, 0xee)));
  assert.ok(out.subarray(-10).equals(Buffer.alloc(10, 0xee)));
  assert.ok(new PieceOpener(keyring).open(NAME, out.subarray(10, -10)).plain.equals(plain));
  assert.throws(() => new PieceSealer(keyring).sealInto(out, 21, NAME, meta, plain), RangeError);
});

test('every flipped bit is refused', () => {
  const sealed = seal(Buffer.from('a page of a database'));
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const changed = Buffer.from(sealed);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    refusal(changed);
  }
});

test('another name, another key, a cut and an appended byte are refused', () => {
  const sealed = seal(Buffer.alloc(40, 7));
  assert.equal(refusal(sealed, 'u-+49/app.db\x000'), 'wrong-tag');
  assert.equal(refusal(sealed, NAME, Keyring.fromHex('22'.repeat(32))), 'unknown-key');
  assert.equal(refusal(Buffer.concat([sealed, Buffer.alloc(1)])), 'length-mismatch');
  for (let size = 0; size < sealed.length; size++)
    assert.equal(refusal(sealed.subarray(0, size)), 'truncated');
});

test('a piece of a previous key opens', () => {
  const sealed = seal(Buffer.from('old'));
  const both = Keyring.fromHex('22'.repeat(32), ['11'.repeat(32)]);
  assert.equal(new PieceOpener(both).open(NAME, sealed).plain.toString(), 'old');
});

test('one opener opens the pieces of two processes, in any order', () => {
  const [a, b] = [new PieceSealer(keyring), new PieceSealer(keyring)];
  const opener = new PieceOpener(keyring);
  const pieces = [a, b, a, a, b].map((sealer, i) => {
    if (i % 2 === 0) sealer.prepare();
    return seal(Buffer.from(`piece ${i}`), sealer);
  });
  const opened = pieces.map((sealed) => opener.open(NAME, sealed).plain.toString());
  assert.deepEqual(opened, ['piece 0', 'piece 1', 'piece 2', 'piece 3', 'piece 4']);
});

test('a piece that an earlier version sealed, as a file, opens', () => {
  const plain = Buffer.from('version 1');
  const sealed = Buffer.alloc(sealedSize(plain.length));
  sealInto(sealed, 0, keyring, NAME, meta, plain);
  assert.deepEqual(new PieceOpener(keyring).open(NAME, sealed), { plain, meta });
});

test('a piece is no sealed file', () => {
  assert.throws(() => openSealed(keyring, NAME, seal(Buffer.alloc(64))), { reason: 'unknown-suite' });
});

test('no nonce comes twice, whether ciphers are made ahead or not: a process counts, and the next one has another prefix', () => {
  const nonces = new Set<string>();
  for (let process = 0; process < 3; process++) {
    const sealer = new PieceSealer(keyring);
    const own = Array.from({ length: 300 }, (_, i) => {
      for (let times = 0; times < i % 3; times++) sealer.prepare();
      return seal(Buffer.from('x'), sealer).subarray(NONCE_AT, NONCE_AT + 24);
    });
    assert.equal(new Set(own.map((nonce) => nonce.toString('hex', 0, 12))).size, 1);
    for (const nonce of own) nonces.add(nonce.toString('hex'));
  }
  assert.equal(nonces.size, 900);
});
