/** Cloud mode: requests that are answered once the bucket has what they changed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Opcode } from '../../../src/drivers/direct/abi/opcodes.ts';
import { Request } from '../../../src/drivers/direct/request.ts';
import { PARKED } from '../../../src/fs/contract.ts';
import { Errno } from '../../../src/lib/errno.ts';
import { cString, request, u32s, u64s } from '../support/bytes.ts';
import { FakeFilesystem } from '../support/fake-filesystem.ts';
import { KernelSide } from '../support/kernel-side.ts';

const UNSTORED = { sessions: ['u-+1'], credentials: false };
const NODE = 0x22;

const mkdir = (unique: bigint) =>
  request({ opcode: Opcode.FUSE_MKDIR, unique }, u32s(0o700, 0), cString(`n${unique}`));
const interrupt = (unique: bigint) =>
  request({ opcode: Opcode.FUSE_INTERRUPT, unique: unique | 1n, node: 0 }, u64s(unique));
const fsync = (unique: bigint) =>
  request({ opcode: Opcode.FUSE_FSYNC, unique, node: NODE }, Buffer.alloc(16));
const write = (unique: bigint) =>
  request(
    { opcode: Opcode.FUSE_WRITE, unique, node: NODE },
    u64s(0n, 0n),
    u32s(2, 0),
    u64s(0n),
    u32s(0, 0),
    Buffer.from('{}'),
  );

function cloud(): { fs: FakeFilesystem; kernel: KernelSide } {
  const fs = new FakeFilesystem();
  fs.unstored = UNSTORED;
  return { fs, kernel: new KernelSide(fs) };
}

const answersOf = (kernel: KernelSide) =>
  kernel.replies.map((reply) => [Number(reply.readBigUInt64LE(8)), reply.readInt32LE(4)]);
const forgets = (fs: FakeFilesystem) => fs.calls.filter(([name]) => name === 'forget');

for (const [name, ask] of Object.entries({ mkdir, fsync, write }))
  test(`${name} is kept and answered once, when what it changed is stored`, () => {
    const { kernel } = cloud();
    assert.deepEqual(kernel.ask(ask(2n)), []);
    assert.deepEqual([kernel.stores, kernel.syncs, kernel.kept.size], [[[2, UNSTORED]], [], 1]);
    kernel.dispatcher.answerStored(2, 0);
    kernel.dispatcher.answerStored(2, 0);
    assert.deepEqual(answersOf(kernel), [[2, 0]]);
    assert.deepEqual([kernel.kept.size, kernel.answers], [0, [[2, false]]]);
  });

test('each gets its own answer, whatever was answered meanwhile', () => {
  const { fs, kernel } = cloud();
  kernel.ask(mkdir(2n));
  fs.entry.nodeId = 0x33;
  kernel.ask(mkdir(4n));
  fs.unstored = undefined;
  kernel.ask(request({ opcode: Opcode.FUSE_GETATTR, unique: 6n }, Buffer.alloc(16)));
  kernel.dispatcher.answerStored(4, 0);
  kernel.dispatcher.answerStored(2, 0);
  assert.deepEqual(
    kernel.replies
      .slice(1)
      .map((reply) => [Number(reply.readBigUInt64LE(8)), Number(reply.readBigUInt64LE(16))]),
    [
      [4, 0x33],
      [2, NODE],
    ],
  );
});

test('what is not stored in time is an error, its lookup is taken back, its slot free', () => {
  const { fs, kernel } = cloud();
  kernel.ask(mkdir(2n));
  kernel.dispatcher.answerStored(2, Errno.EIO);
  assert.deepEqual(answersOf(kernel), [[2, Errno.EIO]]);
  assert.deepEqual([forgets(fs), kernel.kept.size], [[['forget', NODE, 1]], 0]);
});

test('a lookup whose answer the kernel did not take is taken back', () => {
  const { fs, kernel } = cloud();
  kernel.ask(mkdir(2n));
  kernel.waiting = false;
  kernel.dispatcher.answerStored(2, 0);
  assert.deepEqual(forgets(fs), [['forget', NODE, 1]]);
  kernel.ask(fsync(4n));
  kernel.dispatcher.answerStored(4, 0);
  assert.equal(forgets(fs).length, 1, 'an fsync gives no lookup');
});

test('a caller that gives up gets EINTR at once, and nothing waits for the bucket on its behalf', () => {
  const { fs, kernel } = cloud();
  kernel.ask(mkdir(2n));
  kernel.ask(write(4n));
  kernel.ask(interrupt(2n));
  assert.deepEqual(answersOf(kernel), [[2, Errno.EINTR]]);
  assert.deepEqual([forgets(fs), kernel.answers], [[['forget', NODE, 1]], [[2, true]]]);
  kernel.ask(interrupt(4n));
  assert.deepEqual([kernel.kept.size, fs.held, kernel.answers.length], [0, [], 2]);
  kernel.dispatcher.answerStored(2, 0);
  assert.equal(kernel.replies.length, 2);
});

test('the attributes of a file are held from its WRITE until that is answered, each time', () => {
  const { fs, kernel } = cloud();
  kernel.ask(write(2n));
  kernel.ask(write(4n));
  assert.deepEqual(fs.held, [NODE, NODE]);
  kernel.dispatcher.answerStored(2, Errno.EIO);
  assert.deepEqual(fs.held, [NODE]);
  kernel.dispatcher.answerStored(4, 0);
  assert.deepEqual(fs.held, []);
  kernel.ask(mkdir(6n));
  assert.deepEqual(fs.held, [], 'only of a file that was written');
});

test('a call that failed is answered at once', () => {
  const { fs, kernel } = cloud();
  fs.status = Errno.ENOENT;
  assert.equal(kernel.errorOf(mkdir(2n)), Errno.ENOENT);
  assert.deepEqual([kernel.stores, kernel.kept.size], [[], 0]);
});

test('each request is carried out under its own number, and not with a header that lies', () => {
  const fs = new FakeFilesystem();
  const kernel = new KernelSide(fs);
  const begun: number[] = [];
  fs.begin = (unique) => void begun.push(unique);
  for (const unique of [2n, 6n]) kernel.ask(mkdir(unique));
  assert.deepEqual(begun, [2, 6]);
  const lying = mkdir(8n);
  lying.writeUInt32LE(lying.length + 1, 0);
  assert.equal(kernel.errorOf(lying), Errno.EIO);
  assert.deepEqual([begun.length, fs.calls.length], [2, 2]);
});

test('a parked call that is interrupted tells the filesystem, which may be opening a session for it', () => {
  const fs = new FakeFilesystem();
  const kernel = new KernelSide(fs);
  fs.status = PARKED;
  kernel.ask(mkdir(2n));
  kernel.ask(interrupt(4n));
  assert.deepEqual(fs.interruptions, []);
  kernel.ask(interrupt(2n));
  assert.deepEqual(fs.interruptions, [2]);
});

test('extensions behind fixed arguments are not read as a part of them', () => {
  const bytes = request({ opcode: Opcode.FUSE_GETATTR, extensions: u32s(8, 32) }, Buffer.alloc(8));
  const view = new Request();
  assert.equal(view.bind(bytes, bytes.length), true);
  assert.deepEqual(
    [view.beginArguments(8), view.beginArguments(9), view.beginArguments(16)],
    [true, false, false],
  );
  assert.throws(() => view.u64(8), RangeError);
});
