import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { GONE, NOTHING, readRequest } from '../../../src/drivers/direct/device.ts';
import { cleanUp } from '../../support/cleanup.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

function opened(t: TestContext, path: string, flags: number): number {
  const fd = openSync(path, flags);
  cleanUp(t, () => closeSync(fd));
  return fd;
}

test('a request is read to the beginning of the buffer', (t) => {
  const fifo = join(temporaryDirectory(t), 'fifo');
  spawnSync('mkfifo', [fifo]);
  const fd = opened(t, fifo, constants.O_RDWR | constants.O_NONBLOCK);
  writeSync(fd, 'request');
  const buffer = Buffer.alloc(64);
  assert.equal(readRequest(fd, buffer), 7);
  assert.equal(buffer.toString('latin1', 0, 7), 'request');
});

test('a descriptor that was made non-blocking has nothing to serve for the moment', (t) => {
  const fifo = join(temporaryDirectory(t), 'fifo');
  spawnSync('mkfifo', [fifo]);
  assert.equal(
    readRequest(opened(t, fifo, constants.O_RDWR | constants.O_NONBLOCK), Buffer.alloc(64)),
    NOTHING,
  );
});

test('the end of the descriptor is the end of the connection', (t) => {
  assert.equal(readRequest(opened(t, '/dev/null', constants.O_RDONLY), Buffer.alloc(64)), GONE);
});

test('an error that no kernel should answer is not taken for an end', () => {
  assert.throws(() => readRequest(-1, Buffer.alloc(64)));
  assert.throws(() => readRequest(1 << 30, Buffer.alloc(64)), { code: 'EBADF' });
});
