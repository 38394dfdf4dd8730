import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import { test } from 'node:test';
import { Opcode } from '../../../src/drivers/direct/abi/opcodes.ts';
import { Errno } from '../../../src/lib/errno.ts';
import { cString, request, u32s, u64s } from '../support/bytes.ts';
import { FakeFilesystem } from '../support/fake-filesystem.ts';
import { KernelSide } from '../support/kernel-side.ts';

function serve(): { fs: FakeFilesystem; kernel: KernelSide } {
  const fs = new FakeFilesystem();
  return { fs, kernel: new KernelSide(fs) };
}

interface WriteFields {
  offset?: bigint;
  size?: number;
  writeFlags?: number;
  flags?: number;
  unique?: bigint;
}

function write(data: string, fields: WriteFields = {}): Buffer {
  const { offset = 0n, size = data.length, writeFlags = 0, flags = 0, unique = 2n } = fields;
  const header = [u64s(0n, offset), u32s(size, writeFlags), u64s(0n), u32s(flags, 0)];
  return request({ opcode: Opcode.FUSE_WRITE, unique }, ...header, Buffer.from(data));
}

function read(offset: bigint, size: number): Buffer {
  return request({ opcode: Opcode.FUSE_READ }, u64s(0n, offset), u32s(size, 0), u64s(0n), u32s(0, 0));
}

function setattr(valid: number, ...fields: Buffer[]): Buffer {
  const body = Buffer.concat([u32s(valid, 0), ...fields]);
  return request({ opcode: Opcode.FUSE_SETATTR }, body, Buffer.alloc(88 - body.length));
}

function mknod(mode: number): Buffer {
  return request({ opcode: Opcode.FUSE_MKNOD }, u32s(mode, 0, 0, 0), cString('n'));
}

test('an error of the filesystem is the reply, with no payload', () => {
  const { fs, kernel } = serve();
  fs.status = Errno.ENOENT;
  const [reply] = kernel.ask(
    request({ opcode: Opcode.FUSE_LOOKUP, unique: 0x0102_0304_0506_0708n }, cString('x')),
  );
  assert.equal(reply?.toString('hex'), '10000000feffffff0807060504030201');
});

test('a name known to be absent is an entry with node 0', () => {
  const { fs, kernel } = serve();
  fs.entry.nodeId = 0;
  const [reply] = kernel.ask(request({ opcode: Opcode.FUSE_LOOKUP }, cString('x')));
  assert.deepEqual([reply?.length, reply?.readInt32LE(4), reply?.readBigUInt64LE(16)], [144, 0, 0n]);
});

test('arguments that are too short are EIO and never reach the filesystem', () => {
  const { fs, kernel } = serve();
  for (const opcode of [
    Opcode.FUSE_GETATTR,
    Opcode.FUSE_SETATTR,
    Opcode.FUSE_READ,
    Opcode.FUSE_WRITE,
    Opcode.FUSE_MKNOD,
  ]) {
    assert.equal(kernel.errorOf(request({ opcode }, Buffer.alloc(7))), Errno.EIO);
  }
  assert.deepEqual(fs.calls, []);
});

test('a WRITE whose size is not that of its data is EIO', () => {
  const { fs, kernel } = serve();
  for (const size of [2, 4, 0xffff_ffff]) assert.equal(kernel.errorOf(write('abc', { size })), Errno.EIO);
  assert.deepEqual(fs.calls, []);
});

test('a WRITE behind 2^53 is EFBIG, a READ there EINVAL', () => {
  const { kernel } = serve();
  assert.equal(kernel.errorOf(write('abc', { offset: 1n << 53n })), Errno.EFBIG);
  assert.equal(kernel.errorOf(read(1n << 53n, 1)), Errno.EINVAL);
});

test('a READ of more than a reply holds is refused, not cut short', () => {
  const { fs, kernel } = serve();
  assert.equal(kernel.errorOf(read(0n, (1 << 20) + 1)), Errno.EINVAL);
  assert.equal(kernel.errorOf(read(0n, 1 << 20)), 0);
  assert.deepEqual(fs.calls, [['read', 1, 0, 1 << 20]]);
});

test('a WRITE to a file opened with O_APPEND appends, unless it comes from the page cache', () => {
  const { fs, kernel } = serve();
  kernel.ask(write('a', { flags: constants.O_APPEND | constants.O_WRONLY }));
  kernel.ask(write('b', { flags: constants.O_APPEND, writeFlags: 1 }));
  assert.deepEqual(fs.calls, [
    ['write', 1, 0, 'a', true],
    ['write', 1, 0, 'b', false],
  ]);
});

test('a file that was there at MKNOD and not at the lookup before is looked up again; other kinds get EEXIST', () => {
  const { fs, kernel } = serve();
  fs.status = Errno.EEXIST;
  const errors = [0o100600, 0o600, 0o010600].map((mode) => kernel.ask(mknod(mode))[0]?.readInt32LE(4));
  assert.deepEqual(errors, [Errno.ESTALE, Errno.ESTALE, Errno.EEXIST]);
});

test('MKNOD hands on the type and the permissions of a file', () => {
  const { fs, kernel } = serve();
  for (const mode of [0o600, 0o100640, 0o010600, 0o140755]) {
    assert.equal(kernel.errorOf(mknod(0x10000 | mode)), 0);
    assert.equal(fs.calls.at(-1)?.[3], mode);
  }
});

test('times may be now, before 1970, or out of range', () => {
  const { fs, kernel } = serve();
  assert.equal(kernel.errorOf(setattr(0x80 | 0x100 | 0x30)), 0);
  assert.deepEqual(fs.calls, [['setattr', 1, { atime: 'now', mtime: 'now' }]]);
  const nanosecondsTooMany = [u64s(0, 0, 0, 0, 0, 0), u32s(1_000_000_000)];
  assert.equal(kernel.errorOf(setattr(0x10, ...nanosecondsTooMany)), Errno.EINVAL);
  assert.equal(kernel.errorOf(setattr(0x10, u64s(0, 0, 0, 1n << 60n))), Errno.EINVAL);
});

test('a size that JavaScript cannot hold is EFBIG', () => {
  const { kernel } = serve();
  assert.equal(kernel.errorOf(setattr(8, u64s(0, 1n << 53n))), Errno.EFBIG);
});

test('rename flags other than NOREPLACE or EXCHANGE are EINVAL', () => {
  const { fs, kernel } = serve();
  const rename = (flags: number) =>
    request({ opcode: Opcode.FUSE_RENAME2 }, u64s(3), u32s(flags, 0), cString('a'), cString('b'));
  for (const flags of [3, 4, 8]) assert.equal(kernel.errorOf(rename(flags)), Errno.EINVAL);
  assert.equal(kernel.errorOf(rename(2)), 0);
  assert.deepEqual(fs.calls, [['rename', 1, 'a', 3, 'b', 2]]);
});

test('fallocate knows no other mode than KEEP_SIZE', () => {
  const { kernel } = serve();
  const fallocate = (mode: number, length: bigint) =>
    request({ opcode: Opcode.FUSE_FALLOCATE }, u64s(0n, 1n, length), u32s(mode, 0));
  assert.equal(kernel.errorOf(fallocate(0, 1n)), 0);
  assert.equal(kernel.errorOf(fallocate(3, 1n)), Errno.EOPNOTSUPP);
  assert.equal(kernel.errorOf(fallocate(0, (1n << 53n) - 1n)), Errno.EFBIG);
});

test('a link may not have an empty target', () => {
  const { kernel } = serve();
  assert.equal(
    kernel.errorOf(request({ opcode: Opcode.FUSE_SYMLINK }, cString('l'), cString(''))),
    Errno.ENOENT,
  );
});

test('a target that does not fit into a page is ENAMETOOLONG', () => {
  const { fs, kernel } = serve();
  fs.target = 'ü'.repeat(2048);
  assert.equal(kernel.errorOf(request({ opcode: Opcode.FUSE_READLINK })), Errno.ENAMETOOLONG);
});

test('a count of forgotten nodes is not believed beyond the records that are there', () => {
  const { fs, kernel } = serve();
  kernel.ask(
    request(
      { opcode: Opcode.FUSE_BATCH_FORGET },
      u32s(0xffff_ffff, 0),
      u64s(5n, 1n << 60n, 1n << 60n, 1n, 6n),
    ),
  );
  assert.deepEqual(fs.calls, [['forget', 5, Number.MAX_SAFE_INTEGER]]);
});

for (const [name, body] of [
  ['FUSE_FSYNC', 16],
  ['FUSE_FSYNCDIR', 16],
  ['FUSE_SYNCFS', 8],
] as const) {
  test(`${name} is answered by the host once it has synced, or at once when it failed`, () => {
    const { fs, kernel } = serve();
    const fsync = request({ opcode: Opcode[name], unique: 0x1_0000_0002n, node: 34 }, Buffer.alloc(body));
    assert.deepEqual(kernel.ask(fsync), []);
    assert.deepEqual(kernel.syncs, [[2, 1]]);
    assert.deepEqual(fs.calls, [['fsync', 34]]);
    fs.status = Errno.ENOSPC;
    assert.equal(kernel.errorOf(fsync), Errno.ENOSPC);
    assert.equal(kernel.syncs.length, 1);
  });
}

test('locks are left to the kernel', () => {
  const { kernel } = serve();
  for (const opcode of [Opcode.FUSE_SETLK, Opcode.FUSE_SETLKW]) {
    assert.equal(kernel.errorOf(request({ opcode }, Buffer.alloc(48))), Errno.ENOSYS);
  }
});

test('what the filesystem throws is reported, and answered by its code', () => {
  const { fs, kernel } = serve();
  const full = Object.assign(new Error('disk full'), { code: 'ENOSPC' });
  fs.getattr = () => {
    throw full;
  };
  assert.equal(kernel.errorOf(request({ opcode: Opcode.FUSE_GETATTR }, Buffer.alloc(16))), Errno.ENOSPC);
  assert.deepEqual(kernel.surprises, [full]);
});

test('an error number that the kernel would refuse becomes EIO', () => {
  const { fs, kernel } = serve();
  for (const status of [-512, -4096, Number.NEGATIVE_INFINITY]) {
    fs.status = status;
    assert.equal(kernel.errorOf(request({ opcode: Opcode.FUSE_GETATTR }, Buffer.alloc(16))), Errno.EIO);
  }
});

test('a request with number 0 is not answered: the kernel would take that for a notification', () => {
  const { kernel } = serve();
  assert.deepEqual(kernel.ask(request({ opcode: Opcode.FUSE_GETATTR, unique: 0n }, Buffer.alloc(16))), []);
  assert.deepEqual(kernel.ask(request({ opcode: 4711, unique: 0n })), []);
});

test('a lookup whose answer the kernel did not take is taken back', () => {
  const { fs, kernel } = serve();
  kernel.waiting = false;
  kernel.ask(request({ opcode: Opcode.FUSE_LOOKUP }, cString('x')));
  kernel.ask(mknod(0o600));
  assert.deepEqual(
    fs.calls.filter(([name]) => name === 'forget'),
    [
      ['forget', 0x22, 1],
      ['forget', 0x22, 1],
    ],
  );
  fs.calls.length = 0;
  fs.entry.nodeId = 0;
  kernel.ask(request({ opcode: Opcode.FUSE_LOOKUP }, cString('absent')));
  kernel.ask(request({ opcode: Opcode.FUSE_GETATTR }, Buffer.alloc(16)));
  assert.deepEqual(
    fs.calls.map(([name]) => name),
    ['lookup', 'getattr'],
  );
});
