import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EphemeralSeal } from '../../src/crypto/ephemeral-seal.ts';
import { SealError } from '../../src/crypto/seal-error.ts';

const refused = (error: unknown) => error instanceof SealError && error.reason === 'wrong-tag';

test('what was sealed opens, and no part of it stays readable', () => {
  const seal = new EphemeralSeal();
  const plain = Buffer.alloc(16_384, 'plain text');
  const sealed = Buffer.alloc(plain.length);
  const mark = seal.seal(plain, sealed);
  assert.ok(!sealed.includes('plain'));
  assert.ok(seal.open(sealed, mark).equals(plain));
});

test('the same content is never sealed in the same way, and only its own mark opens it', () => {
  const seal = new EphemeralSeal();
  const plain = Buffer.alloc(100, 'x');
  const [first, second] = [Buffer.alloc(100), Buffer.alloc(100)];
  const marks = [seal.seal(plain, first), seal.seal(plain, second)] as const;
  assert.ok(!first.equals(second));
  assert.ok(!marks[0].nonce.equals(marks[1].nonce));
  assert.throws(() => seal.open(first, marks[1]), refused);
  assert.throws(() => new EphemeralSeal().open(first, marks[0]), refused, 'another process');
  first[99] = (first[99] ?? 0) ^ 1;
  assert.throws(() => seal.open(first, marks[0]), refused);
});
