import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { test } from 'node:test';
import { type AeadKeys, ciphertextSize, computeTag, decrypt, encryptInto } from '../../src/crypto/aead.ts';
import { SealError } from '../../src/crypto/seal-error.ts';

/** RFC 7518 appendix B.3; all its text is ASCII. */
const rfc = {
  macKey: '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
  encryptionKey: '202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f',
  plain:
    'A cipher system must not be required to be secret, and it must be able to fall into the hands of the enemy without inconvenience',
  iv: '1af38c2dc2b96ffdd86694092341bc04',
  associated: 'The second principle of Auguste Kerckhoffs',
  ciphertext:
    '4affaaadb78c31c5da4b1b590d10ffbd3dd8d5d302423526912da037ecbcc7bd' +
    '822c301dd67c373bccb584ad3e9279c2e6d12a1374b77f077553df829410446b' +
    '36ebd97066296ae6427ea75c2e0846a11a09ccf5370dc80bfecbad28c73f09b3' +
    'a3b75e662a2594410ae496b2e2e6609e31e6e02cc837f053d21f37ff4f51950b' +
    'be2638d09dd7a4930930806d0703b1f6',
  tag: '4dd3b4c088a7f45c216839645b2012bf2e6269a8c56a816dbc1b267761955bc5',
};
const hex = (text: string) => Buffer.from(text, 'hex');
const keys: AeadKeys = {
  macKey: createSecretKey(hex(rfc.macKey)),
  encryptionKey: createSecretKey(hex(rfc.encryptionKey)),
};

function sealVector(): Buffer {
  const plain = Buffer.from(rfc.plain);
  const out = Buffer.alloc(16 + ciphertextSize(plain.length));
  hex(rfc.iv).copy(out);
  encryptInto(out, 16, keys, hex(rfc.iv), plain);
  return out;
}

test('the composition gives the ciphertext and tag of RFC 7518 B.3', () => {
  const out = sealVector();
  assert.equal(out.toString('hex', 16), rfc.ciphertext);
  assert.equal(computeTag(keys, Buffer.from(rfc.associated), '', out).toString('hex'), rfc.tag);
});

test('associated data is the bytes, then the text, wherever it is divided', () => {
  const out = sealVector();
  for (const at of [0, 1, 20, rfc.associated.length]) {
    const tag = computeTag(keys, Buffer.from(rfc.associated.slice(0, at)), rfc.associated.slice(at), out);
    assert.equal(tag.toString('hex'), rfc.tag);
  }
});

test('the ciphertext of RFC 7518 B.3 decrypts', () => {
  assert.equal(decrypt(keys, hex(rfc.iv), hex(rfc.ciphertext), 128).toString(), rfc.plain);
});

test('padding that does not say the expected length is refused', () => {
  for (const length of [126, 127, 129, 143, 144]) {
    assert.throws(
      () => decrypt(keys, hex(rfc.iv), hex(rfc.ciphertext), length),
      (error: SealError) => error instanceof SealError && error.reason === 'length-mismatch',
    );
  }
});
