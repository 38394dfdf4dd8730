import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Opcode } from '../../../src/drivers/direct/abi/opcodes.ts';
import { Request } from '../../../src/drivers/direct/request.ts';
import { Errno } from '../../../src/lib/errno.ts';
import { cString, hex, request, u32s, u64s } from '../support/bytes.ts';

function bound(bytes: Buffer): Request {
  const view = new Request();
  assert.equal(view.bind(bytes, bytes.length), true);
  return view;
}

function named(...names: Buffer[]): Request {
  const view = bound(request({ opcode: Opcode.FUSE_LOOKUP }, ...names));
  assert.equal(view.beginArguments(0), true);
  return view;
}

test('the header is read as the kernel lays it out', () => {
  const view = bound(
    hex(
      '28 00 00 00', // len
      '03 00 00 00', // opcode: GETATTR
      '04 03 02 01 14 13 12 11', // unique
      '06 05 04 03 02 01 10 00', // nodeid
      'e8 03 00 00', // uid
      'e9 03 00 00', // gid
      '92 10 00 00', // pid
      '00 00', // total_extlen
      '00 00', // padding
    ),
  );
  assert.equal(view.headerError, 0);
  assert.equal(view.opcode, Opcode.FUSE_GETATTR);
  assert.deepEqual([view.uniqueLo, view.uniqueHi], [0x0102_0304, 0x1112_1314]);
  assert.equal(view.node, 0x10_0102_0304_0506);
  assert.deepEqual(view.caller, { uid: 1000, gid: 1001, pid: 4242 });
  assert.equal(view.number, 0, 'a number beyond 2^53 is none');
});

test('a request that is sent again, which the top bit of unique says, has the same number', () => {
  const unique = (5n << 32n) | 2n;
  assert.equal(bound(request({ opcode: 1, unique })).number, Number(unique));
  assert.equal(bound(request({ opcode: 1, unique: (1n << 63n) | unique })).number, Number(unique));
});

test('less than a header cannot be answered', () => {
  const bytes = request({ opcode: 1 });
  assert.equal(new Request().bind(bytes, 39), false);
  assert.equal(new Request().bind(bytes, bytes.length + 1), false);
});

test('a length that is not the number of bytes read is EIO', () => {
  const bytes = request({ opcode: 1 }, cString('a'));
  for (const claimed of [0, 41, 43, 0xffff_ffff]) {
    bytes.writeUInt32LE(claimed, 0);
    assert.equal(bound(bytes).headerError, Errno.EIO);
  }
});

test('a node number that JavaScript cannot hold is EIO, the largest that it can is not', () => {
  assert.equal(bound(request({ opcode: 1, node: 1n << 53n })).headerError, Errno.EIO);
  assert.equal(bound(request({ opcode: 1, node: (1n << 53n) - 1n })).node, Number.MAX_SAFE_INTEGER);
});

test('extensions are not taken for arguments', () => {
  const view = bound(request({ opcode: 1, extensions: u32s(8, 32) }, Buffer.from('no end')));
  assert.equal(view.headerError, 0);
  assert.equal(view.argumentBytes, 6);
  assert.equal(view.beginArguments(0), true);
  assert.equal(view.nextName(), Errno.EIO);
});

test('extensions longer than the request are EIO', () => {
  const bytes = request({ opcode: 1 });
  bytes.writeUInt16LE(1, 36);
  assert.equal(bound(bytes).headerError, Errno.EIO);
});

test('fixed arguments must be there whole', () => {
  const view = bound(request({ opcode: 1 }, u64s(1)));
  assert.equal(view.beginArguments(8), true);
  assert.equal(view.beginArguments(9), false);
});

test('nothing behind the end of the request is read, though the buffer goes on', () => {
  const buffer = Buffer.concat([request({ opcode: 1 }, u32s(7)), Buffer.alloc(64, 'x')]);
  const view = new Request();
  assert.equal(view.bind(buffer, 44), true);
  assert.equal(view.u32(0), 7);
  assert.throws(() => view.u32(1), RangeError);
  assert.throws(() => view.u64(0), RangeError);
  assert.equal(view.beginArguments(0), true);
  assert.equal(view.rest().length, 4);
});

test('64-bit fields are exact or refused', () => {
  const view = bound(request({ opcode: 1 }, u64s((1n << 53n) - 1n, 1n << 53n, -2n)));
  assert.equal(view.u64(0), Number.MAX_SAFE_INTEGER);
  assert.equal(view.u64(8), undefined);
  assert.equal(view.i64(16), -2);
  assert.equal(view.i64(8), undefined);
});

test('two names follow one another', () => {
  const view = named(cString('old'), cString('nüw'));
  assert.deepEqual([view.nextName(), view.nextName()], ['old', 'nüw']);
  assert.equal(view.nextName(), Errno.EIO);
});

test('a name may have 255 bytes, not 256, and umlauts count twice', () => {
  assert.equal(named(cString('n'.repeat(255))).nextName(), 'n'.repeat(255));
  assert.equal(named(cString('n'.repeat(256))).nextName(), Errno.ENAMETOOLONG);
  assert.equal(named(cString('ü'.repeat(128))).nextName(), Errno.ENAMETOOLONG);
});

test('what cannot be the name of a child is EINVAL', () => {
  for (const name of ['', '.', '..', 'a/b', '/']) assert.equal(named(cString(name)).nextName(), Errno.EINVAL);
  for (const name of ['...', '.a', 'a.', '..b']) assert.equal(named(cString(name)).nextName(), name);
});

test('a name that is not UTF-8 is EILSEQ', () => {
  assert.equal(named(hex('61 ff 00')).nextName(), Errno.EILSEQ);
  assert.equal(named(hex('ed a0 80 00')).nextName(), Errno.EILSEQ); // A lone surrogate.
});

test("a link's target may be a path, of at most 4095 bytes", () => {
  assert.equal(named(cString('../a/b')).nextTarget(), '../a/b');
  assert.equal(named(cString('t'.repeat(4096))).nextTarget(), Errno.ENAMETOOLONG);
});

test('a copy outlives the buffer', () => {
  const buffer = Buffer.concat([request({ opcode: 1 }, cString('a')), Buffer.alloc(10)]);
  const view = new Request();
  view.bind(buffer, 42);
  const copy = view.copyBytes();
  buffer.fill(0);
  assert.deepEqual(copy, request({ opcode: 1 }, cString('a')));
});
