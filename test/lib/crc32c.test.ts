import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c } from '../../src/lib/crc32c.ts';

/** RFC 3720 appendix B.4. */
const vectors: [name: string, bytes: Uint8Array, expected: number][] = [
  ['32 bytes of zeroes', new Uint8Array(32), 0x8a9136aa],
  ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['32 bytes incrementing', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ['32 bytes decrementing', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  [
    'an iSCSI read command',
    Buffer.from(
      '01c00000000000000000000000000000140000000000040000000014000000182800000000000000' + '0200000000000000',
      'hex',
    ),
    0xd9963a56,
  ],
  ['the check string', Buffer.from('123456789'), 0xe3069283],
  ['nothing', new Uint8Array(0), 0],
];

for (const [name, bytes, expected] of vectors) {
  test(`crc32c of ${name} is the published value`, () => {
    assert.equal(crc32c(bytes), expected);
  });
}

test('the checksum of a whole equals the one built up from its parts, wherever it is cut', () => {
  const bytes = Uint8Array.from({ length: 67 }, (_, i) => (i * 73 + 11) & 0xff);
  const whole = crc32c(bytes);
  for (let cut = 0; cut <= bytes.length; cut++) {
    assert.equal(crc32c(bytes, cut, bytes.length, crc32c(bytes, 0, cut)), whole);
  }
});

test('a range outside the bytes is refused', () => {
  const bytes = new Uint8Array(8);
  for (const [start, end] of [
    [0, 9],
    [-1, 4],
    [5, 4],
    [Number.NaN, 4],
  ]) {
    assert.throws(() => crc32c(bytes, start as number, end), RangeError);
  }
});
