import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Opcode } from '../../../src/drivers/direct/abi/opcodes.ts';
import { Errno } from '../../../src/lib/errno.ts';
import { request, u32s, u64s } from '../support/bytes.ts';
import { FakeFilesystem } from '../support/fake-filesystem.ts';
import { KernelSide } from '../support/kernel-side.ts';

const ENTRY_BYTES = 128;
const S_IFREG = 0o100000;

interface Listed {
  name: string;
  offset: number;
  type: number;
  node: number | undefined;
}

function list(kernel: KernelSide, plus: boolean, offset: number, size: number): Listed[] {
  const opcode = plus ? Opcode.FUSE_READDIRPLUS : Opcode.FUSE_READDIR;
  const [reply] = kernel.ask(request({ opcode }, u64s(0, offset), u32s(size, 0), u64s(0), u32s(0, 0)));
  assert.ok(reply && reply.readInt32LE(4) === 0 && reply.readUInt32LE(0) === reply.length);
  assert.ok(reply.length - 16 <= size);
  return parse(reply.subarray(16), plus);
}

function parse(payload: Buffer, plus: boolean): Listed[] {
  const listed: Listed[] = [];
  for (let at = 0; at < payload.length; ) {
    assert.equal(at % 8, 0);
    const node = plus ? Number(payload.readBigUInt64LE(at)) : undefined;
    const dirent = at + (plus ? ENTRY_BYTES : 0);
    const length = payload.readUInt32LE(dirent + 16);
    const name = payload.toString('utf8', dirent + 24, dirent + 24 + length);
    listed.push({
      name,
      node,
      offset: Number(payload.readBigUInt64LE(dirent + 8)),
      type: payload.readUInt32LE(dirent + 20),
    });
    at = Math.ceil((dirent + 24 + length) / 8) * 8;
  }
  return listed;
}

function withFiles(count: number): { fs: FakeFilesystem; kernel: KernelSide } {
  const fs = new FakeFilesystem();
  fs.children = Array.from({ length: count }, (_, index) => {
    return {
      name: `ключ-${index}`,
      ino: 100 + index,
      type: S_IFREG,
      nextOffset: index + 1,
      handle: 100 + index,
    };
  });
  return { fs, kernel: new KernelSide(fs) };
}

for (const plus of [false, true]) {
  const kind = plus ? 'READDIRPLUS' : 'READDIR';

  test(`${kind} in small pieces lists every name once, dots first`, () => {
    const { fs, kernel } = withFiles(50);
    const names: string[] = [];
    for (let offset = 0, piece = list(kernel, plus, 0, 512); piece.length > 0; ) {
      names.push(...piece.map((child) => child.name));
      offset = piece.at(-1)?.offset ?? offset;
      piece = list(kernel, plus, offset, 512);
    }
    assert.deepEqual(names, ['.', '..', ...fs.children.map((child) => child.name)]);
  });

  test(`${kind} into less room than one record is EINVAL`, () => {
    const { kernel } = withFiles(1);
    const tiny = request(
      { opcode: plus ? Opcode.FUSE_READDIRPLUS : Opcode.FUSE_READDIR },
      u64s(0, 2),
      u32s(24, 0),
      u64s(0),
      u32s(0, 0),
    );
    assert.equal(kernel.errorOf(tiny), Errno.EINVAL);
  });

  test(`${kind} goes on behind the dots`, () => {
    const { kernel } = withFiles(2);
    assert.deepEqual(
      list(kernel, plus, 1, 4096).map((child) => child.name),
      ['..', 'ключ-0', 'ключ-1'],
    );
    assert.deepEqual(
      list(kernel, plus, 2, 4096).map((child) => child.name),
      ['ключ-0', 'ключ-1'],
    );
    assert.deepEqual(
      list(kernel, plus, 3, 4096).map((child) => child.name),
      ['ключ-1'],
    );
    assert.deepEqual(list(kernel, plus, 4, 4096), []);
  });

  test(`${kind} that fails with nothing listed is an error, with something a short listing`, () => {
    const { fs, kernel } = withFiles(2);
    fs.status = Errno.EIO;
    assert.equal(list(kernel, plus, 0, 4096).length, 4);
    fs.children = [];
    const all = request({ opcode: plus ? 44 : 28 }, u64s(0, 0), u32s(4096, 0), u64s(0), u32s(0, 0));
    assert.equal(kernel.errorOf(all), Errno.EIO);
  });
}

test('READDIRPLUS looks up exactly the children that fit', () => {
  const { fs, kernel } = withFiles(50);
  const listed = list(kernel, true, 0, 1000).filter((child) => child.node !== 0);
  assert.ok(listed.length > 1 && listed.length < 50);
  assert.deepEqual(
    fs.calls.filter(([name]) => name === 'enter').map(([, node]) => node),
    listed.map(({ node }) => node),
  );
});

test('a READDIRPLUS that the kernel did not take takes all its lookups back', () => {
  const { fs, kernel } = withFiles(20);
  kernel.waiting = false;
  const listed = list(kernel, true, 0, 4096).filter((child) => child.node !== 0);
  assert.ok(listed.length > 1);
  assert.deepEqual(
    fs.calls.filter(([name]) => name === 'forget'),
    listed.map(({ node }) => ['forget', node, 1]),
  );
});

test('a READDIR that the kernel did not take took no lookups', () => {
  const { fs, kernel } = withFiles(3);
  kernel.waiting = false;
  list(kernel, false, 0, 4096);
  assert.deepEqual(fs.calls, [['readdir', 1, 0]]);
});
