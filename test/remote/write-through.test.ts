/** Cloud mode: when a caller whose change is on its way to the bucket is answered, and with what. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Errno } from '../../src/lib/errno.ts';
import { createLogger } from '../../src/observe/log.ts';
import { WriteThrough, type WriteThroughParts } from '../../src/remote/write-through.ts';
import { until } from '../support/until.ts';

const ONE = { sessions: ['u-+1'], credentials: false };

class Rig {
  readonly answers: [request: number, error: number][] = [];
  readonly lines: string[] = [];
  readonly flushed: string[] = [];
  /** What a flush of a session does. */
  flush: (session: string) => Promise<void> = async () => {};
  readonly requests: WriteThrough;

  constructor(t: TestContext, parts: Partial<WriteThroughParts> = {}) {
    this.requests = new WriteThrough({
      flush: (session) => {
        this.flushed.push(session);
        return this.flush(session);
      },
      isFinal: (error) => (error as Error).message === 'lost',
      answer: (request, error) => void this.answers.push([request, error]),
      limitMs: { file: 0, credentials: 0 },
      log: createLogger({ level: 'info', destination: { write: (line) => void this.lines.push(line) } }),
      ...parts,
    });
    t.after(() => this.requests.leave());
  }

  async until(count: number): Promise<void> {
    await until(() => this.answers.length >= count);
  }
}

test('a caller is answered by a flush that began after its change', async (t) => {
  const rig = new Rig(t);
  let release = () => {};
  rig.flush = () => new Promise((resolve) => (release = resolve));
  rig.requests.add(1, ONE);
  await until(() => rig.flushed.length > 0);
  assert.deepEqual(rig.answers, []);
  release();
  await rig.until(1);
  assert.deepEqual(rig.answers, [[1, 0]]);
  assert.equal(rig.requests.count, 0);
});

test('what fails is tried again, only where it failed', async (t) => {
  const rig = new Rig(t);
  let tries = 0;
  rig.flush = async (session) => {
    if (session === 'b' && ++tries < 2) throw new Error('unreachable');
  };
  rig.requests.add(1, { sessions: ['a', 'b'], credentials: false });
  await rig.until(1);
  assert.deepEqual([rig.answers, rig.flushed.filter((session) => session === 'a').length], [[[1, 0]], 1]);
});

test('a session that is lost gets EIO at once', async (t) => {
  const rig = new Rig(t);
  rig.flush = () => Promise.reject(new Error('lost'));
  rig.requests.add(1, { sessions: ['u-+1'], credentials: true });
  await rig.until(1);
  assert.deepEqual(rig.answers, [[1, Errno.EIO]]);
});

test('the limit ends the wait with EIO and a line; credentials have a limit of their own', async (t) => {
  const rig = new Rig(t, { limitMs: { file: 20, credentials: 0 } });
  rig.flush = () => new Promise(() => {});
  rig.requests.add(1, ONE);
  rig.requests.add(2, { ...ONE, credentials: true });
  await rig.until(1);
  await sleep(60);
  assert.deepEqual(rig.answers, [[1, Errno.EIO]]);
  assert.match(rig.lines.join(''), /could not be stored in time/);
});

test('who gives up is not answered; at the end everybody else is told what became of it', async (t) => {
  const rig = new Rig(t);
  rig.flush = () => new Promise(() => {});
  for (const request of [1, 2]) rig.requests.add(request, ONE);
  rig.requests.cancel(1);
  rig.requests.close(false);
  assert.deepEqual(rig.answers, [[2, Errno.EIO]]);
  const stored = new Rig(t);
  let release = () => {};
  stored.flush = () => new Promise((resolve) => (release = resolve));
  stored.requests.add(3, ONE);
  stored.requests.close(true);
  assert.deepEqual(stored.answers, [], 'the last backup may have begun before it');
  await until(() => stored.flushed.length > 0);
  release();
  await stored.until(1);
  assert.deepEqual(stored.answers, [[3, 0]]);
});

test('all: what an earlier daemon carried out is stored with everything', async (t) => {
  const rig = new Rig(t);
  rig.requests.add(1, { sessions: 'all', credentials: true });
  await rig.until(1);
  assert.deepEqual(rig.flushed, ['all']);
});
