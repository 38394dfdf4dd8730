import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABSENT, type Bucket, type PutOptions } from '../../src/bucket/bucket.ts';
import { BucketError, type BucketErrorKind } from '../../src/bucket/bucket-error.ts';
import { counted, type OperationReport } from '../../src/bucket/counted.ts';
import { type RetryOptions, retrying } from '../../src/bucket/retry.ts';
import { wrapBucket } from '../../src/bucket/wrap.ts';
import { ofKind } from './subjects.ts';

const VERSION = {
  name: 'x',
  generation: '1',
  size: 3,
  crc32c: 0,
  updatedMs: 0,
  metadata: {},
  uploadId: undefined,
};

/** Every call fails with the next of `kinds`; after the last one it succeeds. */
function failing(kinds: BucketErrorKind[]): { bucket: Bucket; puts: PutOptions[]; calls: () => number } {
  let calls = 0;
  const puts: PutOptions[] = [];
  const answer = async <T>(value: T): Promise<T> => {
    calls++;
    const kind = kinds.shift();
    if (kind) throw new BucketError(kind, kind);
    return value;
  };
  const bucket: Bucket = {
    address: 'test:',
    list: () => answer({ objects: [], nextPage: undefined }),
    get: () => answer({ ...VERSION, bytes: Buffer.from('abc') }),
    head: () => answer(VERSION),
    put: (_name, _bytes, options) => {
      puts.push(options);
      return answer(VERSION);
    },
    delete: () => answer(undefined),
    deleteAfterDays: () => answer(undefined),
    ignoredConditions: () => answer([]),
    close: () => {},
  };
  return { bucket, puts, calls: () => calls };
}

/** With the waits that were asked for, in place of waiting. */
function patient(bucket: Bucket, options: Partial<RetryOptions> = {}): { bucket: Bucket; waits: number[] } {
  const waits: number[] = [];
  const sleep = async (ms: number) => void waits.push(ms);
  const retry = { attempts: 6, baseMs: 100, capMs: 500, random: () => 1, sleep, ...options };
  return { bucket: retrying(bucket, retry), waits };
}

test('what may succeed later is tried again, each time after up to twice as long', async () => {
  const { bucket, calls } = failing(['throttled', 'unreachable', 'unreachable', 'throttled', 'unreachable']);
  const rig = patient(bucket);
  await rig.bucket.get('x');
  assert.equal(calls(), 6);
  assert.deepEqual(rig.waits, [100, 200, 400, 500, 500]);
});

test('the wait is anything from nothing to the whole', async () => {
  const lots = [0, 0.5, 0.25];
  const { bucket } = failing(['throttled', 'throttled', 'throttled']);
  const rig = patient(bucket, { random: () => lots.shift() as number });
  await rig.bucket.head('x');
  assert.deepEqual(rig.waits, [0, 100, 100]);
});

test('what is final is not tried again', async () => {
  for (const kind of ['missing', 'precondition', 'permission', 'corrupt', 'rejected'] as const) {
    const { bucket, calls } = failing([kind]);
    await assert.rejects(patient(bucket).bucket.list(''), ofKind(kind));
    assert.equal(calls(), 1);
  }
});

test('after the last attempt its error is the call’s', async () => {
  const { bucket, calls } = failing(['unreachable', 'unreachable', 'throttled', 'unreachable']);
  await assert.rejects(patient(bucket, { attempts: 3 }).bucket.deleteAfterDays(), ofKind('throttled'));
  assert.equal(calls(), 3);
});

test('all attempts of one upload carry one id; each upload has its own, or the caller’s', async () => {
  const { bucket, puts } = failing(['unreachable', 'throttled']);
  const rig = patient(bucket);
  const options = { ifGeneration: ABSENT, metadata: {} };
  await rig.bucket.put('x', Buffer.from('abc'), options);
  await rig.bucket.put('x', Buffer.from('abc'), options);
  await rig.bucket.put('x', Buffer.from('abc'), { ...options, uploadId: 'mine' });
  const [first, second, third, fourth, fifth] = puts.map((put) => put.uploadId);
  assert.ok(first);
  assert.deepEqual([second, third], [first, first]);
  assert.notEqual(fourth, first);
  assert.equal(fifth, 'mine');
});

test('the caller hears of a try that got no reply, not of one that was refused', async () => {
  for (const [kind, heard] of [
    ['unreachable', 1],
    ['throttled', 0],
  ] as const) {
    let unanswered = 0;
    const rig = patient(failing([kind]).bucket);
    await rig.bucket.put('x', Buffer.from('abc'), {
      ...{ ifGeneration: ABSENT, metadata: {} },
      unanswered: () => void unanswered++,
    });
    assert.equal(unanswered, heard, kind);
  }
});

test('an abort ends the waiting at once, with the error that was waited on', async () => {
  const { bucket, calls } = failing(['unreachable', 'unreachable']);
  const stop = new AbortController();
  const hour = 3_600_000;
  const call = retrying(bucket, {
    attempts: 9,
    baseMs: hour,
    capMs: hour,
    random: () => 1,
    signal: stop.signal,
  }).get('x');
  setImmediate(() => stop.abort());
  await assert.rejects(call, ofKind('unreachable'));
  assert.equal(calls(), 1);
});

test('every operation is reported, with its class, its result, its bytes and how long it took', async (t) => {
  let nowMs = 1_000;
  t.mock.method(performance, 'now', () => nowMs);
  const { bucket } = failing(['throttled']);
  let tookMs = 0;
  const slow = wrapBucket(bucket, async (_operation, call) => {
    nowMs += ++tookMs;
    return call();
  });
  const reports: OperationReport[] = [];
  const told = counted(slow, (report) => reports.push(report));
  await assert.rejects(told.list(''));
  await told.list('');
  await told.get('x');
  await told.head('x');
  await told.put('x', Buffer.from('abcd'), { ifGeneration: ABSENT, metadata: {} });
  await told.delete('x', { ifGeneration: '1' });
  await told.deleteAfterDays();
  assert.deepEqual(
    reports.map((report) => [report.operation, report.class, report.result, report.bytes, report.ms]),
    [
      ['list', 'A', 'throttled', 0, 1],
      ['list', 'A', 'ok', 0, 2],
      ['get', 'B', 'ok', 3, 3],
      ['head', 'B', 'ok', 0, 4],
      ['put', 'A', 'ok', 4, 5],
      ['delete', 'free', 'ok', 0, 6],
      ['config', 'B', 'ok', 0, 7],
    ],
  );
});
