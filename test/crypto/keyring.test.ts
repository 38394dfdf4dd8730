import assert from 'node:assert/strict';
import { hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { Keyring } from '../../src/crypto/keyring.ts';
import { SessionfsError } from '../../src/lib/errors.ts';

const A = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
const B = 'ab'.repeat(32);

function hkdf(keyHex: string, info: string, size: number): string {
  return Buffer.from(hkdfSync('sha512', Buffer.from(keyHex, 'hex'), '', info, size)).toString('hex');
}

function secrets(keyring: Keyring): string {
  const { macKey, encryptionKey } = keyring.current;
  return macKey.export().toString('hex') + encryptionKey.export().toString('hex');
}

test('keys and id are derived by HKDF-SHA-512 with an empty salt, the MAC key first', () => {
  const keyring = Keyring.fromHex(A);
  assert.equal(keyring.currentId, hkdf(A, 'sessionfs key id', 8));
  assert.equal(secrets(keyring), hkdf(A, 'sessionfs v1 A256CBC-HS512', 64));
});

test('the id of a known key never changes', () => {
  assert.equal(Keyring.fromHex(A).currentId, '4da8d4c040ae91ca');
});

test('hex digits may be upper case', () => {
  assert.equal(Keyring.fromHex(B.toUpperCase()).currentId, Keyring.fromHex(B).currentId);
});

test('a malformed key is refused with its length and without its value', () => {
  for (const bad of ['', 'ab', `${A}0`, `${A} `, A.slice(1), `x${A.slice(1)}`, `0x${A.slice(2)}`, `${A}\n`]) {
    for (const make of [() => Keyring.fromHex(bad), () => Keyring.fromHex(A, [bad])]) {
      assert.throws(make, (error: SessionfsError) => {
        assert.equal(error.code, 'KEY_MALFORMED');
        assert.match(
          error.message,
          bad.length === 64 ? /not all of its 64/ : new RegExp(`${bad.length} characters`),
        );
        if (bad.length > 8) assert.ok(!inspect(error).includes(bad.slice(2, 20)));
        return error instanceof SessionfsError;
      });
    }
  }
});

test('raw keys are zeroed once derived, and when one is refused', () => {
  const current = randomBytes(32);
  const previous = randomBytes(32);
  Keyring.fromBytes(current, [previous]);
  assert.deepEqual([...current, ...previous], new Array(64).fill(0));
  const good = randomBytes(32);
  assert.throws(() => Keyring.fromBytes(good, [randomBytes(31)]), { code: 'KEY_MALFORMED' });
  assert.throws(() => Keyring.fromBytes(randomBytes(33)), { code: 'KEY_MALFORMED' });
  assert.deepEqual([...good], new Array(32).fill(0));
});

test('previous keys are found by id and by header bytes, unknown ones are not', () => {
  const old = Keyring.fromHex(B).currentId;
  const keyring = Keyring.fromHex(A, [B, A]);
  assert.equal(keyring.byId(old)?.id, old);
  assert.equal(keyring.find(Buffer.from(`ffff${old}`, 'hex'), 2)?.id, old);
  assert.equal(keyring.byId('0'.repeat(16)), undefined);
  assert.equal(keyring.find(Buffer.alloc(8), 0), undefined);
});

test('a keyring goes to another thread, and neither side keeps the bytes', () => {
  const keyring = Keyring.fromHex(A, [B]);
  const { port1, port2 } = new MessageChannel();
  const exported = keyring.export();
  port1.postMessage(exported, [exported]);
  assert.equal(exported.byteLength, 0);
  const received = receiveMessageOnPort(port2)?.message as ArrayBuffer;
  const imported = Keyring.import(received);
  port1.close();
  assert.equal(imported.currentId, keyring.currentId);
  assert.equal(secrets(imported), secrets(keyring));
  assert.notEqual(imported.byId(Keyring.fromHex(B).currentId), undefined);
  assert.ok(Buffer.from(received).every((byte) => byte === 0));
});

test('bytes that are not an exported keyring are refused', () => {
  for (const size of [0, 71, 73]) assert.throws(() => Keyring.import(new ArrayBuffer(size)), RangeError);
});

test('a destroyed keyring refuses every use', () => {
  const keyring = Keyring.fromHex(A);
  keyring.destroy();
  assert.throws(() => keyring.current, /destroyed/);
  assert.throws(() => keyring.byId('0'.repeat(16)), /destroyed/);
  assert.throws(() => keyring.export(), /destroyed/);
});

test('printing a keyring shows no key bytes', () => {
  const keyring = Keyring.fromHex(A, [B]);
  const shown =
    inspect(keyring, { depth: 9, showHidden: true }) +
    JSON.stringify(keyring) +
    JSON.stringify(keyring.current);
  for (const secret of [A, B, secrets(keyring).slice(0, 32)]) assert.ok(!shown.includes(secret));
});

test('a key is found by its whole id, not by half of it', () => {
  const keyring = Keyring.fromHex(A);
  const id = Buffer.from(keyring.currentId, 'hex');
  assert.equal(keyring.find(id, 0), keyring.current);
  for (const at of [0, 7]) {
    const other = Buffer.from(id);
    other.writeUInt8(other.readUInt8(at) ^ 1, at);
    assert.equal(keyring.find(other, 0), undefined);
  }
});

test('the copies of the key that an export makes are zeroed', (t) => {
  const keyring = Keyring.fromHex(A, [B]);
  const copies: Buffer[] = [];
  const secretKey = Object.getPrototypeOf(keyring.current.macKey) as KeyObject;
  const original = secretKey.export as (this: KeyObject) => Buffer;
  t.mock.method(secretKey, 'export', function (this: KeyObject) {
    const bytes = original.call(this);
    copies.push(bytes);
    return bytes;
  });
  assert.ok(new Uint8Array(keyring.export()).some((byte) => byte !== 0));
  assert.equal(copies.length, 6);
  assert.ok(copies.every((bytes) => bytes.every((byte) => byte === 0)));
});
