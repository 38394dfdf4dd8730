/** The kernel's requests to a core with a bucket behind it: parked, interrupted, carried out when what they need is there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Opcode } from '../../../src/drivers/direct/abi/opcodes.ts';
import { PARKED, ROOT_NODE } from '../../../src/fs/contract.ts';
import { Errno } from '../../../src/lib/errno.ts';
import { newEntry } from '../../fs/harness.ts';
import { BUCKET, find, harness, mkdir, write } from '../../fs/support.ts';
import { cString, request, u32s, u64s } from '../support/bytes.ts';
import { FakeFilesystem } from '../support/fake-filesystem.ts';
import { KernelSide } from '../support/kernel-side.ts';

const lookup = (unique: bigint, node: number, name: string) =>
  request({ opcode: Opcode.FUSE_LOOKUP, unique, node }, cString(name));
const interrupt = (unique: bigint) =>
  request({ opcode: Opcode.FUSE_INTERRUPT, unique: unique | 1n, node: 0 }, u64s(unique));
const writeTo = (unique: bigint, node: number, text: string) =>
  request(
    { opcode: Opcode.FUSE_WRITE, unique, node },
    u64s(0n, 0n),
    u32s(text.length, 0),
    u64s(0n),
    u32s(0, 0),
    Buffer.from(text),
  );
const answers = (kernel: KernelSide) =>
  kernel.replies.map((reply) => [Number(reply.readBigUInt64LE(8)), reply.readInt32LE(4)]);

test('requests for an absent session are answered when it is there, those of others at once', async (t) => {
  const h = harness(t, { bucket: BUCKET });
  for (const name of ['u-+1', 'u-+2']) {
    mkdir(h, name);
    write(h, `${name}/creds.json`, '{"a":1}');
  }
  await h.checkpoint();
  const kernel = new KernelSide(h.fs);
  h.hybrid.markAbsent(['u-+1']);
  const [one, two] = [find(h, 'u-+1'), find(h, 'u-+2')];
  kernel.ask(lookup(2n, one, 'creds.json'));
  kernel.ask(lookup(4n, one, 'nothing'));
  kernel.ask(request({ opcode: Opcode.FUSE_RMDIR, unique: 6n, node: ROOT_NODE }, cString('u-+1')));
  kernel.ask(lookup(8n, two, 'creds.json'));
  assert.deepEqual(answers(kernel), [[8, 0]]);
  assert.deepEqual([...kernel.kept.keys()].length, 3);
  kernel.ask(interrupt(4n));
  kernel.dispatcher.retryParked();
  assert.deepEqual(answers(kernel).slice(1), [[4, Errno.EINTR]]);
  h.restore('u-+1');
  kernel.dispatcher.retryParked();
  assert.deepEqual(answers(kernel).slice(2), [
    [2, 0],
    [6, Errno.ENOTEMPTY],
  ]);
  assert.deepEqual([kernel.dispatcher.parkedCount, kernel.kept.size], [0, 0]);
});

test('the numbers of two writers to flush keep their answers apart; an interrupted one leaves nothing', (t) => {
  const h = harness(t, { bucket: BUCKET });
  h.hybrid.addControlFiles(() => '{}');
  const entry = newEntry();
  assert.equal(h.fs.lookup(find(h, '.sessionfs'), 'flush', entry), 0);
  const kernel = new KernelSide(h.fs);
  for (const [unique, text] of [
    [2n, 'a\n'],
    [4n, 'b\n'],
    [6n, 'c\n'],
  ] as const) {
    assert.deepEqual(kernel.ask(writeTo(unique, entry.nodeId, text)), []);
  }
  kernel.ask(interrupt(4n));
  h.hybrid.answer(1, 'done');
  h.hybrid.answer(2, 'done');
  h.hybrid.answer(3, undefined);
  kernel.dispatcher.retryParked();
  assert.deepEqual(answers(kernel), [
    [4, Errno.EINTR],
    [2, 0],
    [6, Errno.EIO],
  ]);
  assert.equal(kernel.replies[1]?.readUInt32LE(16), 2);
  assert.equal(kernel.dispatcher.parkedCount, 0);
});

test('a request that is asked again because of an answer finds it, however many come before it', (t) => {
  const h = harness(t, { bucket: BUCKET });
  h.hybrid.addControlFiles(() => '{}');
  const kernel = new KernelSide(h.fs);
  const folder = find(h, '.sessionfs');
  for (const unique of [2n, 4n, 6n]) kernel.ask(lookup(unique, folder, 'metrics'));
  assert.equal(h.asks.length, 1);
  h.hybrid.answer(1, 'text');
  h.nowMs += 1000;
  kernel.dispatcher.retryParked();
  assert.deepEqual(answers(kernel), [
    [2, 0],
    [4, 0],
    [6, 0],
  ]);
});

test('the filesystem is told of an interrupted parked request by the number that it knew it by', () => {
  const fs = new FakeFilesystem();
  fs.status = PARKED;
  const kernel = new KernelSide(fs);
  const again = (1n << 63n) | 0x1_0000_0002n;
  kernel.ask(lookup(again, 1, 'x'));
  kernel.ask(interrupt(again));
  kernel.ask(interrupt(12n));
  assert.deepEqual(fs.interruptions, [0x1_0000_0002]);
});
