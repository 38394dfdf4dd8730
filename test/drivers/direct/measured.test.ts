/** What the dispatcher tells of the calls that it answered: each once, with its error and how long its caller waited. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Opcode } from '../../../src/drivers/direct/abi/opcodes.ts';
import { operationIndex } from '../../../src/drivers/direct/operation-index.ts';
import { PARKED } from '../../../src/fs/contract.ts';
import { Errno } from '../../../src/lib/errno.ts';
import { operationNames } from '../../../src/observe/filesystem-counters.ts';
import { cString, request, u32s, u64s } from '../support/bytes.ts';
import { FakeFilesystem } from '../support/fake-filesystem.ts';
import { KernelSide } from '../support/kernel-side.ts';

const lookup = (unique: bigint) => request({ opcode: Opcode.FUSE_LOOKUP, unique }, cString('x'));
const told = (kernel: KernelSide) => kernel.measurements.map(([opcode, error]) => [opcode, error]);

test('an answer is measured with its error', () => {
  const fs = new FakeFilesystem();
  const kernel = new KernelSide(fs);
  kernel.ask(lookup(2n));
  fs.status = Errno.EIO;
  kernel.ask(lookup(4n));
  assert.deepEqual(told(kernel), [
    [Opcode.FUSE_LOOKUP, 0],
    [Opcode.FUSE_LOOKUP, Errno.EIO],
  ]);
  for (const [, , ms] of kernel.measurements) assert.ok(ms >= 0 && ms < 60_000);
});

test('a call that waited is measured once, with its wait; an interrupted one with EINTR', async () => {
  const fs = new FakeFilesystem();
  const kernel = new KernelSide(fs);
  fs.status = PARKED;
  kernel.ask(lookup(2n));
  kernel.ask(lookup(4n));
  const startedMs = performance.now();
  await sleep(20);
  kernel.dispatcher.retryParked();
  const waitedMs = performance.now() - startedMs;
  kernel.ask(request({ opcode: Opcode.FUSE_INTERRUPT, unique: 5n, node: 0 }, u64s(4n)));
  fs.status = 0;
  kernel.dispatcher.retryParked();
  assert.deepEqual(told(kernel), [
    [Opcode.FUSE_LOOKUP, Errno.EINTR],
    [Opcode.FUSE_LOOKUP, 0],
  ]);
  for (const [, , ms] of kernel.measurements) assert.ok(ms >= waitedMs, `${ms} ms of ${waitedMs}`);
});

test('a call that waits for the bucket is measured when it is answered', () => {
  const fs = new FakeFilesystem();
  const kernel = new KernelSide(fs);
  const mkdir = (unique: bigint) =>
    request({ opcode: Opcode.FUSE_MKDIR, unique }, u32s(0o700, 0), cString('d'));
  for (const unique of [2n, 4n, 6n]) {
    fs.unstored = { sessions: ['d'], credentials: false };
    kernel.ask(mkdir(unique));
  }
  assert.deepEqual(told(kernel), []);
  kernel.dispatcher.answerStored(2, 0);
  kernel.dispatcher.answerStored(4, Errno.EIO);
  kernel.ask(request({ opcode: Opcode.FUSE_INTERRUPT, unique: 7n, node: 0 }, u64s(6n)));
  assert.deepEqual(told(kernel), [
    [Opcode.FUSE_MKDIR, 0],
    [Opcode.FUSE_MKDIR, Errno.EIO],
    [Opcode.FUSE_MKDIR, Errno.EINTR],
  ]);
});

test('what the main thread answers, what wants no answer and what the kernel is not to ask again is not measured', () => {
  const kernel = new KernelSide(new FakeFilesystem());
  kernel.ask(request({ opcode: Opcode.FUSE_FSYNC }, u64s(0n), u32s(0, 0)));
  kernel.ask(request({ opcode: Opcode.FUSE_FORGET }, u64s(1n)));
  kernel.ask(request({ opcode: Opcode.FUSE_OPEN }, u32s(0, 0)));
  assert.deepEqual(told(kernel), []);
});

test('every opcode has a place among the operations', () => {
  const nameOf = (opcode: number) => operationNames[operationIndex(opcode)];
  assert.deepEqual(
    [Opcode.FUSE_LOOKUP, Opcode.FUSE_MKNOD, Opcode.FUSE_RENAME2, Opcode.FUSE_READDIRPLUS].map(nameOf),
    ['lookup', 'create', 'rename', 'readdir'],
  );
  assert.deepEqual([Opcode.FUSE_IOCTL, 0, 4096, 0xffff_ffff].map(nameOf), Array(4).fill('other'));
});
