import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quote } from '../../src/lib/quote.ts';

test('a value is repeated on one line, in quotes, and not endlessly', () => {
  assert.equal(quote('5 minutes'), '"5 minutes"');
  assert.equal(quote('a\nb'), '"a\\nb"');
  assert.equal(quote('x'.repeat(81)), `"${'x'.repeat(77)}..."`);
});

test('what may be a key is never repeated', () => {
  const key = '0123456789ABCDEF0123456789abcdef'.repeat(2);
  const base64 = 'q1Yx0bZ8m/9tUuK3vCw5yPz7Rr2Ee4Tt6AaSsDdFfG0=';
  for (const text of [base64, `--key=${base64}`, base64.slice(0, -1).replace('/', '_')])
    assert.ok(!quote(text).includes('9tUuK3'), text);
  const path = '/srv/Sessions2/keys/production/encryption-key';
  assert.equal(quote(path), `"${path}"`);
  for (const text of [key, `--key=${key}`, `${key}\n`, key.slice(0, 40)]) {
    assert.ok(!quote(text).includes('0123456789'), text);
    assert.match(quote(text), new RegExp(`${text.length} characters`));
  }
});
