import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isSubjectGone, writeMessage } from '../../../src/drivers/direct/device.ts';
import { KernelNotifier } from '../../../src/drivers/direct/notifier.ts';
import { Errno } from '../../../src/lib/errno.ts';
import { cleanUp } from '../../support/cleanup.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { hex } from '../support/bytes.ts';

/** What a notifier writes to a file in place of the device. */
async function written(t: TestContext, use: (notifier: KernelNotifier) => void): Promise<string> {
  const path = join(temporaryDirectory(t), 'device');
  const fd = openSync(path, 'a');
  cleanUp(t, () => closeSync(fd));
  const notifier = new KernelNotifier(fd, (error) => assert.fail(String(error)));
  use(notifier);
  await notifier.settled();
  return (await readFile(path)).toString('hex');
}

const cases: Array<[string, (notifier: KernelNotifier) => void, string[]]> = [
  [
    'INVAL_INODE names a node and a range',
    (notifier) => notifier.inode(34, 4096, 8192),
    [
      '28 00 00 00 02 00 00 00', // len, code
      '00 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // ino
      '00 10 00 00 00 00 00 00', // off
      '00 20 00 00 00 00 00 00', // len
    ],
  ],
  [
    'INVAL_INODE of attributes only has offset -1',
    (notifier) => notifier.inode(34, -1, 0),
    [
      '28 00 00 00 02 00 00 00', // len, code
      '00 00 00 00 00 00 00 00', // unique
      '22 00 00 00 00 00 00 00', // ino
      'ff ff ff ff ff ff ff ff', // off
      '00 00 00 00 00 00 00 00', // len
    ],
  ],
  [
    'INVAL_ENTRY counts bytes, without the NUL',
    (notifier) => notifier.entry(1, 'é.json'),
    [
      '28 00 00 00 03 00 00 00', // len, code
      '00 00 00 00 00 00 00 00', // unique
      '01 00 00 00 00 00 00 00', // parent
      '07 00 00 00', // namelen
      '00 00 00 00', // flags
      'c3 a9 2e 6a 73 6f 6e 00', // name
    ],
  ],
  [
    'RESEND has no payload',
    (notifier) => notifier.resend(),
    ['10 00 00 00 07 00 00 00', '00 00 00 00 00 00 00 00'],
  ],
  [
    'a parked fsync is answered with success',
    (notifier) => notifier.replyError(0x0102_0304, 0x8000_0001, 0),
    ['10 00 00 00 00 00 00 00', '04 03 02 01 01 00 00 80'],
  ],
  [
    'a parked request is answered with an error',
    (notifier) => notifier.replyError(2, 0, Errno.ENOSPC),
    ['10 00 00 00 e4 ff ff ff', '02 00 00 00 00 00 00 00'],
  ],
];

for (const [name, use, expected] of cases) {
  test(name, async (t) => {
    assert.equal(await written(t, use), hex(...expected).toString('hex'));
  });
}

test('invalidations are written in the order they were asked for', async (t) => {
  const bytes = await written(t, (notifier) => {
    for (let node = 1; node <= 20; node++) notifier.inode(node, 0, 0);
  });
  const nodes = Array.from({ length: 20 }, (_, index) =>
    Buffer.from(bytes, 'hex').readUInt32LE(40 * index + 16),
  );
  assert.deepEqual(
    nodes,
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
});

test('invalidations that the kernel does not take yet leave the thread pool to others', {
  timeout: 20_000,
}, async (t) => {
  const fifo = fullFifo(t);
  const notifier = new KernelNotifier(fifo.writer, (error) => assert.fail(String(error)));
  for (let node = 1; node <= 10; node++) notifier.inode(node, 0, 0);
  await readFile('/proc/self/comm');
  const taken = fifo.drain();
  await notifier.settled();
  assert.equal(taken - fifo.filling + fifo.drain(), 10 * 40);
});

/** A fifo with no room left, in place of a device that makes its writers wait. */
function fullFifo(t: TestContext): { writer: number; filling: number; drain: () => number } {
  const path = join(temporaryDirectory(t), 'fifo');
  spawnSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  cleanUp(t, () => closeSync(reader));
  const filler = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  const filling = writeUntilFull(filler);
  closeSync(filler);
  const writer = openSync(path, constants.O_WRONLY);
  cleanUp(t, () => closeSync(writer));
  return { writer, filling, drain: () => readUntilEmpty(reader) };
}

function writeUntilFull(fd: number): number {
  let bytes = 0;
  assert.throws(
    () => {
      for (;;) bytes += writeSync(fd, Buffer.alloc(4096));
    },
    { code: 'EAGAIN' },
  );
  return bytes;
}

function readUntilEmpty(fd: number): number {
  let bytes = 0;
  assert.throws(
    () => {
      for (;;) bytes += readSync(fd, Buffer.alloc(1 << 16));
    },
    { code: 'EAGAIN' },
  );
  return bytes;
}

test('what the kernel should not answer is reported, and the next invalidation still goes out', async (t) => {
  const fd = openSync(join(temporaryDirectory(t), 'device'), 'a');
  closeSync(fd);
  const errors: unknown[] = [];
  const notifier = new KernelNotifier(fd, (error) => errors.push(error));
  notifier.inode(1, 0, 0);
  notifier.inode(2, 0, 0);
  await notifier.settled();
  assert.equal(errors.length, 2);
  assert.throws(() => writeMessage(fd, Buffer.alloc(16), 16), { code: 'EBADF' });
});

test('a request or node that the kernel has let go of is no error', () => {
  assert.equal(isSubjectGone({ code: 'ENOENT' }), true);
  assert.equal(isSubjectGone({ code: 'EINVAL' }), false);
});
