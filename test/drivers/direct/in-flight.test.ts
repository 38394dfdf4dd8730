/** Kernels before 6.9 send nothing again: what a server read and did not answer is in a file that outlives it. */
import assert from 'node:assert/strict';
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FUSE_WRITE_CACHE, fuse_write_in } from '../../../src/drivers/direct/abi/files.ts';
import { Opcode } from '../../../src/drivers/direct/abi/opcodes.ts';
import { freeSlot, InFlight, type KeptRequest } from '../../../src/drivers/direct/in-flight.ts';
import { endLostRequests } from '../../../src/drivers/direct/lost-requests.ts';
import { PARKED } from '../../../src/fs/contract.ts';
import { Errno } from '../../../src/lib/errno.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { cString, request, u32s, u64s } from '../support/bytes.ts';
import { FakeFilesystem } from '../support/fake-filesystem.ts';
import { KernelSide } from '../support/kernel-side.ts';

function memory(t: TestContext): number {
  const fd = openSync(join(temporaryDirectory(t), 'in-flight'), 'w+');
  t.after(() => closeSync(fd));
  return fd;
}

/** What the next server finds. */
function left(fd: number): KeptRequest[] {
  return new InFlight(fd).inherited();
}

const mkdir = (unique: bigint) =>
  request({ opcode: Opcode.FUSE_MKDIR, unique }, u32s(0o700, 0), cString('d'));
const data = Buffer.alloc(100_000, 'secret');
const write = (unique: bigint) =>
  request({ opcode: Opcode.FUSE_WRITE, unique }, u64s(0, 0), u32s(data.length, 0), u64s(0), u32s(0, 0), data);

test('the next server finds the request that was being served, whole, and once', (t) => {
  const fd = memory(t);
  const inFlight = new InFlight(fd);
  inFlight.serving(mkdir(2n), mkdir(2n).length);
  inFlight.serving(mkdir(4n), mkdir(4n).length);
  assert.deepEqual(left(fd), [{ slot: 0, number: 4, bytes: mkdir(4n), isWhole: true }]);
  new InFlight(fd).served();
  assert.deepEqual(left(fd), []);
});

test('of a WRITE its data is not kept', (t) => {
  const fd = memory(t);
  new InFlight(fd).serving(write(2n), write(2n).length);
  const [kept] = left(fd);
  assert.equal(kept?.isWhole, false);
  assert.deepEqual(kept?.bytes, write(2n).subarray(0, 80));
});

test('a WRITE of mapped pages is kept whole, but on no disk: no process could be told to try it again', (t) => {
  const fd = memory(t);
  const pages = (unique: bigint) => {
    const bytes = write(unique);
    bytes.writeUInt32LE(FUSE_WRITE_CACHE, 40 + fuse_write_in.write_flags);
    return bytes;
  };
  const inFlight = new InFlight(fd, true);
  inFlight.serving(pages(2n), pages(2n).length);
  assert.deepEqual(left(fd), [{ slot: 0, number: 2, bytes: pages(2n), isWhole: true }]);
  inFlight.serving(write(4n), write(4n).length);
  assert.deepEqual(left(fd), [{ slot: 0, number: 4, bytes: write(4n).subarray(0, 80), isWhole: false }]);
  inFlight.serving(pages(6n), pages(6n).length);
  inFlight.served();
  assert.deepEqual(left(fd), []);

  new InFlight(fd, false).serving(pages(8n), pages(8n).length);
  assert.equal(left(fd)[0]?.isWhole, false);
});

test('a request that waits is found until the thread that answers it releases it', (t) => {
  const fd = memory(t);
  const inFlight = new InFlight(fd);
  const slots = [2n, 4n, 6n].map((unique) => inFlight.keep(mkdir(unique)));
  assert.equal(new Set(slots).size, 3);
  freeSlot(fd, slots[1] ?? 0);
  inFlight.release(slots[0] ?? 0);
  assert.deepEqual(
    left(fd).map(({ bytes }) => bytes.readBigUInt64LE(8)),
    [6n],
  );
});

test('more can wait than are kept, and slots that others freed are used again', (t) => {
  const fd = memory(t);
  const inFlight = new InFlight(fd);
  const slots = Array.from({ length: 518 }, (_, index) => inFlight.keep(mkdir(BigInt(2 + index))));
  assert.equal(slots.filter((slot) => slot === 0).length, 7);
  freeSlot(fd, 5);
  assert.equal(inFlight.keep(mkdir(2000n)), 5);
});

test('the highest number outlives its request, a take-over and an INTERRUPT of an older one', (t) => {
  const fd = memory(t);
  assert.equal(new InFlight(fd).last, 0);
  const inFlight = new InFlight(fd);
  inFlight.serving(mkdir(4000n), 50);
  const interrupt = request({ opcode: Opcode.FUSE_INTERRUPT, unique: 3n }, u64s(2));
  inFlight.serving(interrupt, interrupt.length);
  new InFlight(fd).served();
  assert.equal(new InFlight(fd).last, 4000);
});

test('a request that is cut is kept with its true length, so that no daemon takes it for whole', (t) => {
  const fd = memory(t);
  new InFlight(fd).keep(write(2n).subarray(0, 80));
  const [kept] = left(fd);
  assert.deepEqual([kept?.isWhole, kept?.bytes], [false, write(2n).subarray(0, 80)]);
});

test('what is lost is ended by its number, but nothing that is kept or was carried out', () => {
  const ended: number[] = [];
  endLostRequests({
    last: 2 ** 33 + 4001,
    isKnown: (number) => number % 4 === 0,
    send: (reply, length) => {
      assert.deepEqual([length, reply.readInt32LE(4)], [16, Errno.EINTR]);
      ended.push(Number(reply.readBigUInt64LE(8)));
    },
  });
  const middle = 2 ** 33 + 4000;
  assert.deepEqual([ended[0], ended.at(-1)], [middle - 2046, middle + 510]);
  assert.deepEqual(
    ended.filter((number) => number % 4 !== 2),
    [],
  );
  assert.equal(ended.length, 640);
});

test('the request that was being served and waits is found once, in its own slot', (t) => {
  const fd = memory(t);
  const inFlight = new InFlight(fd);
  for (const unique of [2n, 4n]) {
    inFlight.serving(mkdir(unique), mkdir(unique).length);
    inFlight.keep(mkdir(unique));
  }
  assert.deepEqual(
    left(fd).map(({ slot, bytes }) => [slot, bytes.readBigUInt64LE(8)]),
    [
      [2, 4n],
      [1, 2n],
    ],
  );
});

test('what an earlier server kept stays in its slot while it waits, and leaves it once it is answered', () => {
  const fs = new FakeFilesystem();
  const kernel = new KernelSide(fs);
  kernel.kept.set(40, mkdir(2n)).set(41, mkdir(4n));
  fs.status = PARKED;
  kernel.dispatcher.dispatchKept(mkdir(2n), 40);
  kernel.dispatcher.dispatchKept(mkdir(4n), 41);
  assert.deepEqual([...kernel.kept.keys()], [40, 41]);
  kernel.dispatcher.dispatchKept(mkdir(6n), 0);
  assert.deepEqual([...kernel.kept.keys()], [40, 41, 1], 'the one that was being served gets a slot');
  fs.status = 0;
  kernel.dispatcher.dispatchKept(mkdir(8n), 42);
  kernel.dispatcher.retryParked();
  assert.deepEqual([...kernel.kept.keys()], []);
  assert.deepEqual(
    kernel.replies.map((reply) => reply.readBigUInt64LE(8)),
    [8n, 2n, 4n, 6n],
  );
});

test('a WRITE without its data is answered if it was carried out, else the caller tries again', () => {
  const fs = new FakeFilesystem();
  const kernel = new KernelSide(fs);
  kernel.kept.set(40, write(2n)).set(41, write(4n));
  kernel.dispatcher.answerCut(write(2n).subarray(0, 80), 40);
  assert.deepEqual([kernel.replies[0]?.readInt32LE(4), kernel.replies[0]?.length], [Errno.EINTR, 16]);
  fs.carriedOut = 4;
  kernel.dispatcher.answerCut(write(4n).subarray(0, 80), 41);
  assert.equal(kernel.kept.size, 0);
  const reply = kernel.replies[1];
  assert.deepEqual([reply?.readInt32LE(4), reply?.readUInt32LE(16)], [0, data.length]);
  assert.deepEqual(fs.calls, []);
});

test('a parked request is kept until it is answered or interrupted', () => {
  const fs = new FakeFilesystem();
  const kernel = new KernelSide(fs);
  fs.status = PARKED;
  kernel.ask(mkdir(2n));
  kernel.ask(mkdir(4n));
  assert.deepEqual([...kernel.kept.values()], [mkdir(2n), mkdir(4n)]);
  kernel.dispatcher.retryParked();
  assert.equal(kernel.kept.size, 2, 'it waits on, in the same place');
  kernel.ask(request({ opcode: Opcode.FUSE_INTERRUPT, unique: 5n }, u64s(4)));
  assert.deepEqual([...kernel.kept.values()], [mkdir(2n)]);
  fs.status = 0;
  kernel.dispatcher.retryParked();
  assert.equal(kernel.kept.size, 0);
});

test('a request that was lost ends with EINTR when its caller is interrupted, and only then', () => {
  const kernel = new KernelSide(new FakeFilesystem());
  const interrupt = request({ opcode: Opcode.FUSE_INTERRUPT, unique: 5n }, u64s(4));
  assert.deepEqual(kernel.ask(interrupt), []);
  kernel.losesRequests = true;
  const [reply] = kernel.ask(interrupt);
  assert.deepEqual([reply?.readInt32LE(4), reply?.readBigUInt64LE(8)], [Errno.EINTR, 4n]);
});

test('lengths that no daemon writes are not believed', (t) => {
  const fd = memory(t);
  const slot = (at: number, length: number, kept: number) => {
    const header = Buffer.alloc(16);
    header.writeUInt32LE(length, 0);
    header.writeUInt32LE(kept, 4);
    writeSync(fd, header, 0, header.length, at * 8192);
  };
  const good = mkdir(2n);
  new InFlight(fd).keep(good);
  assert.equal(left(fd).length, 1);
  for (const [length, kept] of [
    [1, 1],
    [good.length, 0],
    [good.length, 39],
    [0xffff_ffff, 0xffff_ffff],
    [9000, 8177],
  ] as const) {
    slot(3, length, kept);
    assert.equal(left(fd).length, 1, `${length} ${kept}`);
  }
});
