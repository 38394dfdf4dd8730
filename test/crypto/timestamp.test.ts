import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readTimestamp, TIMESTAMP_SEC_MAX, writeTimestamp } from '../../src/crypto/timestamp.ts';

function written(sec: number, nsec: number): Buffer {
  const out = Buffer.alloc(8);
  writeTimestamp(out, 0, sec, nsec);
  return out;
}

test('a time is stored as the 64-bit count of nanoseconds and comes back exactly', () => {
  const seconds = fc.integer({ min: 0, max: TIMESTAMP_SEC_MAX });
  const nanoseconds = fc.integer({ min: 0, max: 999_999_999 });
  fc.assert(
    fc.property(seconds, nanoseconds, (sec, nsec) => {
      const out = written(sec, nsec);
      assert.equal(out.readBigUInt64LE(), BigInt(sec) * 1_000_000_000n + BigInt(nsec));
      assert.deepEqual(readTimestamp(out, 0), { sec, nsec });
    }),
    { numRuns: 5000 },
  );
});

test('any 64 bits read as the time they count', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (count) => {
      const buffer = Buffer.alloc(8);
      buffer.writeBigUInt64LE(count);
      const { sec, nsec } = readTimestamp(buffer, 0);
      assert.equal(BigInt(sec) * 1_000_000_000n + BigInt(nsec), count);
    }),
    { numRuns: 5000 },
  );
});

test('a time before 1970 becomes 1970, one after 2554 becomes 2554', () => {
  assert.deepEqual(readTimestamp(written(-1, 999_999_999), 0), { sec: 0, nsec: 0 });
  assert.deepEqual(readTimestamp(written(Number.NaN, 5), 0), { sec: 0, nsec: 0 });
  assert.deepEqual(readTimestamp(written(1e12, 999_999_999), 0), {
    sec: TIMESTAMP_SEC_MAX,
    nsec: 999_999_999,
  });
});

test('nanoseconds of a second or more are refused', () => {
  for (const nsec of [-1, 1e9, Number.NaN]) assert.throws(() => written(1, nsec), RangeError);
});
