/** What a network and a store can do to the driver, and what it makes of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import type { OperationReport } from '../../src/bucket/counted.ts';
import { retrying } from '../../src/bucket/retry.ts';
import type { Scope } from '../support/cleanup.ts';
import type { GcsProxy } from '../support/gcs-proxy.ts';
import type { Fault } from '../support/store-proxy.ts';
import { until } from '../support/until.ts';
import { CONTENT, callsListing, fresh, noConnections, patiently, type Rig, testFaults } from './faults.ts';
import { gcsBehindProxy, ofKind, openGcs } from './subjects.ts';

interface GcsRig extends Rig {
  readonly proxy: GcsProxy;
}

/** With an object `x` in it. */
async function rig(scope: Scope, timeoutMs = 15_000): Promise<GcsRig> {
  const { proxy, name } = await gcsBehindProxy(scope);
  const reports: OperationReport[] = [];
  const bucket = openGcs(scope, proxy, { name, timeoutMs, observe: (report) => reports.push(report) });
  await patiently(bucket).put('x', CONTENT, fresh);
  reports.length = 0;
  proxy.requests.length = 0;
  return { proxy, bucket, reports };
}

const calls = callsListing('');

const kinds: readonly (readonly [Fault, BucketError['kind']])[] = [
  [{ status: 500 }, 'unreachable'],
  [{ status: 503 }, 'unreachable'],
  [{ status: 408 }, 'unreachable'],
  [{ status: 429, reason: 'rateLimitExceeded' }, 'throttled'],
  [{ status: 403, reason: 'userRateLimitExceeded' }, 'throttled'],
  [{ status: 401, reason: 'authError' }, 'permission'],
  [{ status: 403, reason: 'forbidden' }, 'permission'],
  [{ status: 400, reason: 'invalid' }, 'rejected'],
  [{ status: 412, reason: 'orgPolicyConstraintFailed', message: 'a precondition of a policy' }, 'rejected'],
  ['reset', 'unreachable'],
];

testFaults(rig, calls);

for (const [fault, kind] of kinds) {
  test(`${JSON.stringify(fault)} is '${kind}' in every call, and asked only once`, async (t) => {
    const { proxy, bucket, reports } = await rig(t);
    proxy.inject({ fault });
    for (const [operation, call] of Object.entries(calls)) {
      await assert.rejects(call(bucket), ofKind(kind), operation);
      assert.equal(proxy.requests.length, 1, operation);
      assert.deepEqual(
        reports.map((report) => [report.operation, report.result]),
        [[operation, kind]],
      );
      proxy.requests.length = 0;
      reports.length = 0;
    }
    proxy.clear();
    for (const call of Object.values(calls)) await call(bucket);
  });
}

test('an answer that stands still in its middle is given up, the connection too', async (t) => {
  const { proxy, bucket } = await rig(t, 300);
  proxy.inject({ fault: 'stall-body' });
  for (const name of ['list', 'get', 'head', 'put', 'config'] as const) {
    await assert.rejects(
      (calls[name] as (bucket: Bucket) => Promise<unknown>)(bucket),
      ofKind('unreachable'),
      name,
    );
  }
  await noConnections(proxy);
});

test('an answer that is cut off is unreachable', async (t) => {
  const { proxy, bucket } = await rig(t, 300);
  proxy.inject({ fault: 'cut' });
  for (const name of ['list', 'get', 'head', 'put', 'config'] as const) {
    await assert.rejects(
      (calls[name] as (bucket: Bucket) => Promise<unknown>)(bucket),
      ofKind('unreachable'),
      name,
    );
  }
});

test('a download that fails harms no other one that is under way', async (t) => {
  const { proxy, bucket } = await rig(t, 10_000);
  await bucket.put('big', Buffer.alloc(1_000_000, 7), fresh);
  const hold = proxy.hold((request) => request.object === 'big');
  const other = bucket.get('big');
  await until(() => hold.count > 0);
  for (const fault of ['cut', 'corrupt', 'reset', { status: 503 }] as const) {
    proxy.inject({ fault, match: (request) => request.object === 'x', count: 1 });
    await assert.rejects(bucket.get('x'), BucketError);
  }
  hold.release();
  assert.equal((await other).bytes.length, 1_000_000);
});

test('no error carries what was in the request or the answer', async (t) => {
  const { proxy, bucket } = await rig(t);
  proxy.inject({ fault: { status: 403, reason: 'forbidden', message: 'Bearer ya29.secret-token denied' } });
  for (const call of Object.values(calls)) {
    const error = await call(bucket).catch((caught: unknown) => caught);
    assert.ok(error instanceof BucketError);
    const shown = `${error.message} ${error.hint} ${JSON.stringify(error)} ${String(error.cause)}`;
    assert.doesNotMatch(shown, /secret-token|sealed bytes/);
    assert.match(error.hint ?? '', /role/);
  }
});

test('a store that says when to ask again is asked then, and not before', async (t) => {
  const { proxy, bucket } = await rig(t);
  const pauses: number[] = [];
  const patient = retrying(bucket, {
    attempts: 2,
    baseMs: 1,
    capMs: 1,
    sleep: async (ms) => void pauses.push(ms),
  });
  for (const [operation, call] of Object.entries(calls)) {
    proxy.inject({ fault: { status: 503, retryAfter: '7' }, count: 1 });
    await call(patient);
    assert.deepEqual(pauses, [7_000], operation);
    pauses.length = 0;
  }
  proxy.inject({ fault: { status: 429, retryAfter: '86400' }, count: 1 });
  await patient.head('x');
  assert.deepEqual(pauses, [60_000], 'no call waits for a day');
});

test('what a store does not say and the logic does not need is not asked for', async (t) => {
  const { proxy, bucket } = await rig(t);
  proxy.terse = true;
  const empty = await bucket.put('empty', Buffer.alloc(0), fresh);
  assert.equal(empty.size, 0);
  assert.equal((await bucket.head('empty')).size, 0);
  assert.deepEqual((await bucket.list('')).objects.map(({ name, size }) => [name, size]).sort(), [
    ['empty', 0],
    ['x', CONTENT.length],
  ]);
  const { bytes, size, updatedMs } = await bucket.get('x');
  assert.deepEqual([bytes, size, updatedMs], [CONTENT, CONTENT.length, 0]);
  assert.equal((await bucket.get('empty')).size, 0);
});
