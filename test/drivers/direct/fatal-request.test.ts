/** Requests that a daemon may have died of: they leave a trace while they are carried out, and in the end get EIO. */
import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Opcode } from '../../../src/drivers/direct/abi/opcodes.ts';
import { InFlight, takeRepeated } from '../../../src/drivers/direct/in-flight.ts';
import { PARKED } from '../../../src/fs/contract.ts';
import { Errno } from '../../../src/lib/errno.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { cString, request, u64s } from '../support/bytes.ts';
import { FakeFilesystem } from '../support/fake-filesystem.ts';
import { currentSession, KernelSide } from '../support/kernel-side.ts';

/** The kernel's mark on what it sends again. */
const AGAIN = 1n << 63n;
const lookup = (unique: bigint) => request({ opcode: Opcode.FUSE_LOOKUP, unique, node: 7 }, cString('x'));
const getattr = (unique: bigint) =>
  request({ opcode: Opcode.FUSE_GETATTR, unique, node: 7 }, Buffer.alloc(16));

function memory(t: TestContext): number {
  const fd = openSync(join(temporaryDirectory(t), 'in-flight'), 'w+');
  t.after(() => closeSync(fd));
  return fd;
}

test('a request that is read for the first time leaves no trace', () => {
  const kernel = new KernelSide(new FakeFilesystem());
  kernel.ask(lookup(2n));
  assert.deepEqual(kernel.repeats, []);
});

test('one that is sent again, was kept, or was parked leaves one as long as it is carried out', () => {
  const fs = new FakeFilesystem();
  const kernel = new KernelSide(fs);
  kernel.ask(lookup(2n | AGAIN));
  kernel.dispatcher.dispatchKept(lookup(4n), 0);
  fs.status = PARKED;
  kernel.ask(lookup(6n));
  fs.status = 0;
  kernel.dispatcher.retryParked();
  assert.deepEqual(kernel.repeats, [
    { request: 2, isInherited: true, isOver: true },
    { request: 4, isInherited: true, isOver: true },
    { request: 6, isInherited: false, isOver: true },
  ]);
});

test('the trace is there while the filesystem works on it', () => {
  const fs = new FakeFilesystem();
  const kernel = new KernelSide(fs);
  let seen: boolean | undefined;
  const run = fs.lookup.bind(fs);
  fs.lookup = (...args) => {
    seen = kernel.repeats.at(-1)?.isOver;
    return run(...args);
  };
  kernel.ask(lookup(2n | AGAIN));
  assert.equal(seen, false);
});

test('the supervisor finds what was being carried out, once, and nothing when that was over', (t) => {
  const fd = memory(t);
  assert.equal(takeRepeated(fd), undefined);
  const inFlight = new InFlight(fd);
  inFlight.repeating(12, true);
  assert.deepEqual(takeRepeated(fd), { number: 12, isInherited: true });
  assert.equal(takeRepeated(fd), undefined);
  inFlight.repeating(14, false);
  inFlight.repeated();
  assert.equal(takeRepeated(fd), undefined);
  assert.deepEqual(inFlight.inherited(), [], 'it is none of the requests that wait');
});

test('a fatal request gets EIO, is told by operation, node and name, and reaches no filesystem', () => {
  const fs = new FakeFilesystem();
  const kernel = new KernelSide(fs, currentSession(), [2, 4]);
  assert.equal(kernel.errorOf(lookup(2n | AGAIN)), Errno.EIO);
  assert.equal(kernel.errorOf(getattr(4n | AGAIN)), Errno.EIO);
  assert.deepEqual(fs.calls, []);
  assert.deepEqual(kernel.givenUp, [
    [Opcode.FUSE_LOOKUP, 7, 'x'],
    [Opcode.FUSE_GETATTR, 7, undefined],
  ]);
  assert.equal(kernel.errorOf(getattr(6n | AGAIN)), 0);
  assert.equal(String(fs.calls.at(-1)?.[0]), 'getattr');
});

test('a fatal request that an earlier server kept gives its slot back', () => {
  const kernel = new KernelSide(new FakeFilesystem(), currentSession(), [2]);
  kernel.kept.set(9, lookup(2n));
  kernel.dispatcher.dispatchKept(lookup(2n), 9);
  assert.equal(kernel.replies[0]?.readInt32LE(4), Errno.EIO);
  assert.equal(kernel.kept.size, 0);
});

test('what wants no answer gets none', () => {
  const kernel = new KernelSide(new FakeFilesystem(), currentSession(), [2]);
  kernel.dispatcher.dispatchKept(request({ opcode: Opcode.FUSE_FORGET, unique: 2n, node: 7 }, u64s(1)), 0);
  assert.deepEqual(kernel.replies, []);
});
