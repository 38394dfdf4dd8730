/** The lock of an object: who has it, for how long it counts, and when it may be broken. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Deadline } from '../../src/bucket/deadline.ts';
import { DirectoryLocks } from '../../src/bucket/directory/lock.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { ofKind } from './subjects.ts';

const OTHERS = JSON.stringify({ machine: 'another machine', pid: 1, started: '1', nonce: 'x' });

function rig(t: TestContext) {
  const path = join(temporaryDirectory(t), 'object.lock');
  const ended = new AbortController();
  const deadline: Deadline = { signal: ended.signal, remainingMs: () => 60_000 };
  return { path, ended, deadline, locks: new DirectoryLocks() };
}

test('a lock counts while it is there, and leaves nothing behind', async (t) => {
  const { path, deadline, locks } = rig(t);
  assert.equal(
    await locks.with(path, deadline, async (lock) => {
      await lock.check();
      return 'done';
    }),
    'done',
  );
  assert.deepEqual(readdirSync(join(path, '..')), []);
});

test('a lock that another process has taken meanwhile does not count, and stays that process’s', async (t) => {
  const { path, deadline, locks } = rig(t);
  await locks.with(path, deadline, async (lock) => {
    writeFileSync(path, OTHERS);
    await assert.rejects(lock.check(), ofKind('unreachable', /held for too long/));
  });
  assert.equal(readFileSync(path, 'utf8'), OTHERS);
});

test('a lock that was held for too long does not count: it may be broken at any time', async (t) => {
  const { path, deadline, locks } = rig(t);
  await locks.with(path, deadline, async (lock) => {
    const since = performance.now();
    t.mock.method(performance, 'now', () => since + 31_000);
    await assert.rejects(lock.check(), ofKind('unreachable'));
    t.mock.restoreAll();
    await lock.check();
  });
});

test('after the deadline of the call nothing counts', async (t) => {
  const { path, ended, deadline, locks } = rig(t);
  await locks.with(path, deadline, async (lock) => {
    ended.abort(new Error('the time is up'));
    await assert.rejects(lock.check(), /the time is up/);
  });
});

test('the lock of a process that cannot be seen is waited for until the deadline', {
  timeout: 30_000,
}, async (t) => {
  const { path, ended, deadline, locks } = rig(t);
  writeFileSync(path, OTHERS);
  let isIn = false;
  const waiting = locks.with(path, deadline, async () => {
    isIn = true;
  });
  setTimeout(() => ended.abort(new Error('the time is up')), 100);
  await assert.rejects(waiting, /the time is up/);
  assert.deepEqual(
    [isIn, readFileSync(path, 'utf8'), readdirSync(join(path, '..'))],
    [false, OTHERS, ['object.lock']],
  );
});

test('of two processes one works at a time', { timeout: 30_000 }, async (t) => {
  const { path, deadline } = rig(t);
  let [running, most, runs] = [0, 0, 0];
  const work = async () => {
    most = Math.max(most, ++running);
    await sleep(5);
    running--;
    runs++;
  };
  await Promise.all(Array.from({ length: 8 }, () => new DirectoryLocks().with(path, deadline, work)));
  assert.deepEqual([most, runs], [1, 8]);
});

test('the lock of a dead process is broken, and only that one', { timeout: 30_000 }, async (t) => {
  const { path, deadline, locks } = rig(t);
  let own = '';
  await locks.with(path, deadline, async () => {
    own = readFileSync(path, 'utf8');
  });
  writeFileSync(path, JSON.stringify({ ...JSON.parse(own), pid: 2 ** 30, nonce: 'dead' }));
  let isIn = false;
  await new DirectoryLocks().with(path, deadline, async (lock) => {
    isIn = true;
    await lock.check();
  });
  assert.equal(isIn, true);
  assert.deepEqual(readdirSync(join(path, '..')), []);
});

test('of many that find the lock of a dead process one works at a time', { timeout: 30_000 }, async (t) => {
  const { path, deadline, locks } = rig(t);
  let own = '';
  await locks.with(path, deadline, async () => {
    own = readFileSync(path, 'utf8');
  });
  writeFileSync(path, JSON.stringify({ ...JSON.parse(own), pid: 2 ** 30, nonce: 'dead' }));
  let [running, most, runs] = [0, 0, 0];
  const work = async () => {
    most = Math.max(most, ++running);
    await sleep(20);
    running--;
    runs++;
  };
  await Promise.all(Array.from({ length: 8 }, () => new DirectoryLocks().with(path, deadline, work)));
  assert.deepEqual([most, runs], [1, 8]);
});
