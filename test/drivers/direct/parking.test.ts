import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Opcode } from '../../../src/drivers/direct/abi/opcodes.ts';
import { PARKED } from '../../../src/fs/contract.ts';
import { Errno } from '../../../src/lib/errno.ts';
import { cString, request, u32s, u64s } from '../support/bytes.ts';
import { FakeFilesystem } from '../support/fake-filesystem.ts';
import { KernelSide } from '../support/kernel-side.ts';

const lookup = (unique: bigint, name = 'x') => request({ opcode: Opcode.FUSE_LOOKUP, unique }, cString(name));
const interrupt = (unique: bigint) =>
  request({ opcode: Opcode.FUSE_INTERRUPT, unique: unique | 1n, node: 0 }, u64s(unique));

function parking(): { fs: FakeFilesystem; kernel: KernelSide } {
  const fs = new FakeFilesystem();
  fs.status = PARKED;
  return { fs, kernel: new KernelSide(fs) };
}

function uniques(kernel: KernelSide): bigint[] {
  return kernel.replies.map((reply) => reply.readBigUInt64LE(8));
}

test('a parked request is not answered until it is retried, whatever happens to the buffer it came in', () => {
  const { fs, kernel } = parking();
  const buffer = lookup(2n, 'creds.json');
  assert.deepEqual(kernel.ask(buffer), []);
  assert.equal(kernel.dispatcher.parkedCount, 1);
  buffer.fill(0xff);
  fs.status = 0;
  kernel.dispatcher.retryParked();
  assert.deepEqual(uniques(kernel), [2n]);
  assert.deepEqual(fs.calls.at(-1), ['lookup', 1, 'creds.json']);
  assert.equal(kernel.dispatcher.parkedCount, 0);
});

test('parked requests are retried in the order they came, and may be parked again', () => {
  const { fs, kernel } = parking();
  for (const unique of [2n, 4n, 6n]) kernel.ask(lookup(unique, `n${unique}`));
  fs.answers.push(0, PARKED, 0);
  kernel.dispatcher.retryParked();
  assert.deepEqual(uniques(kernel), [2n, 6n]);
  fs.status = 0;
  kernel.dispatcher.retryParked();
  assert.deepEqual(uniques(kernel), [2n, 6n, 4n]);
  assert.deepEqual(fs.calls.at(-1), ['lookup', 1, 'n4']);
});

test('every operation of the filesystem may park', () => {
  const { fs, kernel } = parking();
  const io = (opcode: number) =>
    request({ opcode, unique: BigInt(opcode) * 2n }, u64s(0, 0), u32s(8, 0), u64s(0), u32s(0, 0));
  const simple = (opcode: number, ...args: Buffer[]) =>
    request({ opcode, unique: BigInt(opcode) * 2n }, ...args);
  const all = [
    simple(Opcode.FUSE_LOOKUP, cString('x')),
    simple(Opcode.FUSE_GETATTR, Buffer.alloc(16)),
    simple(Opcode.FUSE_SETATTR, Buffer.alloc(88)),
    simple(Opcode.FUSE_READLINK),
    simple(Opcode.FUSE_SYMLINK, cString('a'), cString('b')),
    simple(Opcode.FUSE_MKNOD, Buffer.alloc(16), cString('a')),
    simple(Opcode.FUSE_MKDIR, Buffer.alloc(8), cString('a')),
    simple(Opcode.FUSE_UNLINK, cString('a')),
    simple(Opcode.FUSE_RMDIR, cString('a')),
    simple(Opcode.FUSE_RENAME, u64s(1), cString('a'), cString('b')),
    io(Opcode.FUSE_READ),
    simple(Opcode.FUSE_WRITE, Buffer.alloc(40)),
    simple(Opcode.FUSE_STATFS),
    simple(Opcode.FUSE_FSYNC, Buffer.alloc(16)),
    io(Opcode.FUSE_READDIR),
    io(Opcode.FUSE_READDIRPLUS),
    simple(Opcode.FUSE_FALLOCATE, Buffer.alloc(32)),
  ];
  for (const bytes of all) assert.deepEqual(kernel.ask(bytes), []);
  assert.equal(kernel.dispatcher.parkedCount, all.length);
  fs.status = 0;
  kernel.dispatcher.retryParked();
  assert.equal(kernel.replies.length + kernel.syncs.length, all.length);
});

test('an interrupted parked request is answered EINTR and forgotten', () => {
  const { fs, kernel } = parking();
  kernel.ask(lookup(2n));
  kernel.ask(lookup(4n));
  const [reply] = kernel.ask(interrupt(2n));
  assert.equal(reply?.toString('hex'), '10000000fcffffff0200000000000000');
  fs.status = 0;
  kernel.dispatcher.retryParked();
  assert.deepEqual(uniques(kernel), [2n, 4n]);
});

test('an interrupt of anything else is ignored, and never answered itself', () => {
  const { fs, kernel } = parking();
  fs.status = 0;
  const fsync = request({ opcode: Opcode.FUSE_FSYNC, unique: 8n }, Buffer.alloc(16));
  assert.deepEqual(kernel.ask(fsync), []);
  for (const unique of [8n, 10n]) assert.deepEqual(kernel.ask(interrupt(unique)), []);
  assert.deepEqual(kernel.ask(request({ opcode: Opcode.FUSE_INTERRUPT }, u32s(2))), []);
  assert.deepEqual(kernel.syncs, [[8, 0]]);
});

test('a parked request that the kernel sends again is parked once, under its newer number', () => {
  const { fs, kernel } = parking();
  const again = (1n << 63n) | 2n;
  kernel.ask(lookup(2n));
  kernel.ask(lookup(again));
  assert.equal(kernel.dispatcher.parkedCount, 1);
  fs.status = 0;
  kernel.dispatcher.retryParked();
  assert.deepEqual(uniques(kernel), [again]);
});

test('an interrupted request that was sent again is answered by the number it has now', () => {
  const { kernel } = parking();
  const again = (1n << 63n) | 2n;
  kernel.ask(lookup(again));
  kernel.ask(interrupt(again));
  assert.deepEqual(uniques(kernel), [again]);
  assert.equal(kernel.replies[0]?.readInt32LE(4), Errno.EINTR);
});
