import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32, portableCrc32 } from '../../src/lib/crc32.ts';

for (const [name, checksum] of [
  ['crc32', crc32],
  ['crc32 without that of zlib', portableCrc32()],
] as const) {
  test(`${name} of the check string is the published value, wherever it lies`, () => {
    const text = Buffer.from('123456789');
    assert.equal(checksum(text, 0, text.length), 0xcbf43926);
    for (let before = 0; before < 20; before++) {
      const within = Buffer.concat([Buffer.alloc(before, 0xaa), text, Buffer.alloc(9, 0x55)]);
      assert.equal(checksum(within, before, before + text.length), 0xcbf43926);
    }
    assert.equal(checksum(text, 3, 3), 0);
  });
}
