import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Keyring } from '../../src/crypto/keyring.ts';
import { SealError, type SealRefusal } from '../../src/crypto/seal-error.ts';
import {
  HEADER_SIZE,
  OWNER,
  openSealed,
  PLAIN_LENGTH_MAX,
  readHeader,
  resealInto,
  type SealedMeta,
  sealedSize,
  sealInto,
  TAG_SIZE,
} from '../../src/crypto/sealed-file.ts';
import { goldenBytes, goldenFiles } from './golden.ts';

const A = '11'.repeat(32);
const B = '22'.repeat(32);
const keyring = Keyring.fromHex(A);
const PATH = 'u-+49/creds.json';
const meta: SealedMeta = { mode: 0o100600, uid: OWNER, gid: OWNER, mtimeSec: 1700000000, mtimeNsec: 5 };

function seal(plain: Uint8Array, path = PATH, keys = keyring, fields = meta): Buffer {
  const out = Buffer.alloc(sealedSize(plain.length));
  assert.equal(sealInto(out, 0, keys, path, fields, plain), out.length);
  return out;
}

function reseal(keys: Keyring, sealed: Buffer, newPath: string, fields: SealedMeta): Buffer {
  const out = Buffer.alloc(sealed.length);
  assert.equal(resealInto(out, 0, keys, PATH, newPath, fields, sealed), sealed.length);
  return out;
}

/** The reason why it does not open; fails where it does. */
function refusal(sealed: Buffer, path = PATH, keys = keyring): SealRefusal {
  try {
    openSealed(keys, path, sealed);
  } catch (error) {
    assert.ok(error instanceof SealError, String(error));
    return error.reason;
  }
  assert.fail('a file that must be refused was opened');
}

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const anyMeta = fc.record(
  {
    mode: u32,
    uid: u32,
    gid: u32,
    mtimeSec: fc.integer({ min: 0, max: 18446744072 }),
    mtimeNsec: fc.integer({ min: 0, max: 999_999_999 }),
  },
  { noNullPrototype: true },
);
const anyPath = fc.string({ unit: 'grapheme', maxLength: 80 });

test('what was sealed opens again, byte for byte, with its mode, owner and time', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), anyPath, anyMeta, (plain, path, fields) => {
      const sealed = seal(plain, path, keyring, fields);
      const opened = openSealed(keyring, path, sealed);
      assert.deepEqual(opened.plain, Buffer.from(plain));
      assert.deepEqual(opened.meta, fields);
      const header = readHeader(sealed.subarray(0, HEADER_SIZE), sealed.length);
      assert.deepEqual(header, { meta: fields, plainLength: plain.length, keyId: keyring.currentId });
    }),
    { numRuns: 500 },
  );
});

test('every flipped bit is refused', () => {
  const sealed = seal(Buffer.from('{"noiseKey":"0123456789"}'));
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const changed = Buffer.from(sealed);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    refusal(changed);
  }
});

test('a flipped bit in the IV, the ciphertext or the tag is a wrong tag', () => {
  const sealed = seal(Buffer.alloc(100, 1));
  for (let at = HEADER_SIZE - 16; at < sealed.length; at++) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 0x80;
    assert.equal(refusal(changed), 'wrong-tag');
  }
});

test('a changed mode, owner or time is a wrong tag', () => {
  const sealed = seal(Buffer.from('x'));
  for (let at = 24; at < 44; at++) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.equal(refusal(changed), 'wrong-tag');
  }
});

test('a file cut at any byte is truncated', () => {
  const sealed = seal(Buffer.alloc(40, 7));
  for (let size = 0; size < sealed.length; size++)
    assert.equal(refusal(sealed.subarray(0, size)), 'truncated');
});

test('appended bytes are refused, a whole cipher block too', () => {
  const sealed = seal(Buffer.alloc(40, 7));
  for (const extra of [1, 15, 16, 32, 1000]) {
    assert.equal(refusal(Buffer.concat([sealed, Buffer.alloc(extra)])), 'length-mismatch');
  }
});

test('a file does not open under another path', () => {
  const sealed = seal(Buffer.from('{}'));
  for (const path of ['', 'u-+49/creds.jso', `${PATH} `, 'u-+48/creds.json', `/${PATH}`]) {
    assert.equal(refusal(sealed, path), 'wrong-tag');
  }
});

test('a file does not open with another key, even one that claims the same id', () => {
  const sealed = seal(Buffer.from('{}'));
  const other = Keyring.fromHex(B);
  assert.equal(refusal(sealed, PATH, other), 'unknown-key');
  Buffer.from(other.currentId, 'hex').copy(sealed, 8);
  assert.equal(refusal(sealed, PATH, other), 'wrong-tag');
});

test('a plaintext, an empty file and a file of zeros are not sealed files', () => {
  assert.equal(refusal(Buffer.from(JSON.stringify({ noiseKey: 'x'.repeat(200) }))), 'not-sealed');
  assert.equal(refusal(Buffer.from('{"a":1}')), 'not-sealed');
  assert.equal(refusal(Buffer.alloc(500)), 'not-sealed');
  assert.equal(refusal(Buffer.alloc(0)), 'truncated');
});

test('another suite and bytes in use that version 1 leaves zero are told apart', () => {
  const sealed = seal(Buffer.from('{}'));
  const withByte = (at: number, value: number) => {
    const changed = Buffer.from(sealed);
    changed[at] = value;
    return refusal(changed);
  };
  assert.equal(withByte(4, 2), 'unknown-suite');
  for (const at of [5, 6, 7, 44, 47]) assert.equal(withByte(at, 1), 'not-sealed');
});

test('an absurd length in the header is refused before anything is allocated', () => {
  const sealed = seal(Buffer.from('{}'));
  for (const [low, high] of [
    [2, 1],
    [PLAIN_LENGTH_MAX + 1, 0],
    [0xffffffff, 0xffffffff],
  ] as const) {
    sealed.writeUInt32LE(low, 16);
    sealed.writeUInt32LE(high, 20);
    assert.equal(refusal(sealed), 'length-mismatch');
  }
});

test('a header alone is checked against the size of its file', () => {
  const sealed = seal(Buffer.alloc(1000));
  const header = sealed.subarray(0, HEADER_SIZE);
  assert.equal(readHeader(header, sealed.length).plainLength, 1000);
  const reason = (size: number, bytes = header) => {
    try {
      readHeader(bytes, size);
    } catch (error) {
      return (error as SealError).reason;
    }
    return undefined;
  };
  assert.equal(reason(sealed.length - 1), 'truncated');
  assert.equal(reason(sealed.length + 1), 'length-mismatch');
  assert.equal(reason(sealed.length, sealed.subarray(0, 63)), 'truncated');
});

test('two seals of the same content differ in IV and ciphertext', () => {
  const ivs = new Set<string>();
  for (let round = 0; round < 1000; round++) ivs.add(seal(Buffer.from('same')).toString('hex', 48, 80));
  assert.equal(ivs.size, 1000);
});

test('a previous key still opens, and new seals use the current one', () => {
  const sealed = seal(Buffer.from('old'));
  const rotated = Keyring.fromHex(B, [A]);
  assert.equal(openSealed(rotated, PATH, sealed).plain.toString(), 'old');
  assert.equal(readHeader(seal(Buffer.from('new'), PATH, rotated), sealed.length).keyId, rotated.currentId);
});

test('a reseal moves the content to another name and mode, and keeps IV and ciphertext', () => {
  const sealed = seal(Buffer.from('content'));
  const changed = { ...meta, mode: 0o100644, uid: 1000 };
  const moved = reseal(keyring, sealed, 'u-+49/new.json', changed);
  assert.deepEqual(openSealed(keyring, 'u-+49/new.json', moved), {
    meta: changed,
    plain: Buffer.from('content'),
  });
  assert.equal(
    moved.toString('hex', 48, moved.length - TAG_SIZE),
    sealed.toString('hex', 48, moved.length - TAG_SIZE),
  );
  assert.equal(refusal(moved), 'wrong-tag');
});

test('a reseal of a file of a previous key encrypts anew with the current one', () => {
  const sealed = seal(Buffer.from('content'));
  const rotated = Keyring.fromHex(B, [A]);
  const moved = reseal(rotated, sealed, 'n', meta);
  assert.equal(openSealed(Keyring.fromHex(B), 'n', moved).plain.toString(), 'content');
  assert.notEqual(moved.toString('hex', 48, 80), sealed.toString('hex', 48, 80));
});

test('a reseal refuses a file that does not open, and writes nothing', () => {
  const sealed = seal(Buffer.from('content'), 'elsewhere');
  const out = Buffer.alloc(sealed.length);
  assert.throws(() => resealInto(out, 0, keyring, PATH, 'n', meta, sealed), { reason: 'wrong-tag' });
  assert.deepEqual(out, Buffer.alloc(sealed.length));
});

test('sealing stays within its part of the buffer and refuses one that is too small', () => {
  const out = Buffer.alloc(1000, 0xee);
  const size = sealInto(out, 100, keyring, PATH, meta, Buffer.from('inside'));
  assert.equal(openSealed(keyring, PATH, out.subarray(100, 100 + size)).plain.toString(), 'inside');
  assert.ok(out.subarray(0, 100).every((byte) => byte === 0xee));
  assert.ok(out.subarray(100 + size).every((byte) => byte === 0xee));
  for (const offset of [-1, 1000 - size + 1, 5000]) {
    assert.throws(() => sealInto(out, offset, keyring, PATH, meta, Buffer.from('inside')), RangeError);
  }
});

test('a time before 1970 is sealed as 1970', () => {
  const sealed = seal(Buffer.from('x'), PATH, keyring, { ...meta, mtimeSec: -7 });
  assert.deepEqual(openSealed(keyring, PATH, sealed).meta, { ...meta, mtimeSec: 0, mtimeNsec: 0 });
});

test('sealed sizes are those that the documentation works out', () => {
  const worked: [plain: number, sealed: number][] = [
    [0, 112],
    [1, 112],
    [15, 112],
    [16, 128],
    [164, 272],
    [700, 800],
    [2261, 2368],
    [158_000, 158_112],
  ];
  for (const [plain, sealed] of worked) assert.equal(sealedSize(plain), sealed, `sealedSize(${plain})`);
});

const goldens = goldenFiles();

test('there are golden files', () => {
  assert.ok(goldens.length >= 4);
});

for (const golden of goldens) {
  test(`the golden file ${golden.file} still opens`, () => {
    const opened = openSealed(Keyring.fromHex(golden.keyHex), golden.path, goldenBytes(golden));
    assert.equal(opened.plain.toString('base64'), golden.plainBase64);
    assert.deepEqual(opened.meta, golden.meta);
  });
}

test('the mount’s owner is written as 0xFFFFFFFF, which no user is', () => {
  const sealed = seal(Buffer.from('x'));
  assert.deepEqual([sealed.readUInt32LE(36), sealed.readUInt32LE(40)], [0xffffffff, 0xffffffff]);
});

test('a plaintext over the limit is refused by its size, whatever room there is', () => {
  const tooLong = { length: PLAIN_LENGTH_MAX + 1 } as Uint8Array;
  assert.throws(() => sealInto(Buffer.alloc(0), 0, keyring, PATH, meta, tooLong), /over PLAIN_LENGTH_MAX/);
});
