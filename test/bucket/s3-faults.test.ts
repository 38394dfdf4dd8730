/** What a network and an S3 server can do to the driver, and what it makes of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import type { OperationReport } from '../../src/bucket/counted.ts';
import { retrying } from '../../src/bucket/retry.ts';
import type { Scope } from '../support/cleanup.ts';
import type { Fault, ProxiedRequest } from '../support/store-proxy.ts';
import { until } from '../support/until.ts';
import { CONTENT, callsListing, fresh, noConnections, patiently, type Rig, testFaults } from './faults.ts';
import { ofKind, openS3, s3BehindProxy } from './subjects.ts';

interface S3Rig extends Rig {
  readonly open: () => Bucket;
}

/** With an object `x` in it. */
async function rig(scope: Scope, timeoutMs = 15_000): Promise<S3Rig> {
  const { proxy, name } = await s3BehindProxy(scope);
  const reports: OperationReport[] = [];
  const open = await openS3(scope, proxy, { name, timeoutMs, observe: (report) => reports.push(report) });
  const bucket = open();
  await patiently(bucket).put('x', CONTENT, fresh);
  reports.length = 0;
  proxy.requests.length = 0;
  return { proxy, bucket, open, reports };
}

const calls = callsListing('no such prefix');

/** The code comes in the answer's body, which the answer to a HEAD does not have. */
const kinds: readonly (readonly [Fault, BucketError['kind'], ofHead?: BucketError['kind']])[] = [
  [{ status: 500, reason: 'InternalError' }, 'unreachable'],
  [{ status: 503, reason: 'ServiceUnavailable' }, 'unreachable'],
  [{ status: 503, reason: 'SlowDown' }, 'throttled', 'unreachable'],
  [{ status: 429, reason: 'TooManyRequests' }, 'throttled'],
  [{ status: 400, reason: 'RequestTimeout' }, 'unreachable', 'rejected'],
  [{ status: 403, reason: 'AccessDenied' }, 'permission'],
  [{ status: 403, reason: 'SignatureDoesNotMatch' }, 'permission'],
  [{ status: 400, reason: 'ExpiredToken' }, 'permission', 'rejected'],
  [{ status: 400, reason: 'AuthorizationHeaderMalformed' }, 'rejected'],
  [{ status: 400, reason: 'InvalidRequest' }, 'rejected'],
  ['reset', 'unreachable'],
];

testFaults(rig, calls);

for (const [fault, kind, ofHead = kind] of kinds) {
  test(`${JSON.stringify(fault)} is '${kind}' in every call, and asked only once`, async (t) => {
    const { proxy, bucket, reports } = await rig(t);
    proxy.inject({ fault });
    for (const [operation, call] of Object.entries(calls)) {
      const expected = operation === 'head' ? ofHead : kind;
      await assert.rejects(call(bucket), ofKind(expected), operation);
      assert.equal(proxy.requests.length, 1, operation);
      assert.deepEqual(
        reports.map((report) => [report.operation, report.result]),
        [[operation, expected]],
      );
      proxy.requests.length = 0;
      reports.length = 0;
    }
    proxy.clear();
    for (const call of Object.values(calls)) await call(bucket);
  });
}

test('an answer that stands still in its middle, or is cut off, is unreachable; no connection stays', async (t) => {
  const { proxy, bucket } = await rig(t, 300);
  for (const fault of ['stall-body', 'cut'] as const) {
    proxy.inject({ fault });
    for (const name of ['list', 'get'] as const) {
      const call = (calls[name] as (bucket: Bucket) => Promise<unknown>)(bucket);
      await assert.rejects(call, ofKind('unreachable'), name);
    }
    proxy.clear();
  }
  await noConnections(proxy);
});

test('a server that refuses the checksum gets uploads without it; their bytes are compared all the same', async (t) => {
  const { proxy, bucket } = await rig(t);
  const withChecksum = ({ headers }: ProxiedRequest) => headers['x-amz-checksum-crc32c'] !== undefined;
  proxy.inject({ fault: { status: 501, reason: 'NotImplemented' }, match: withChecksum });
  await bucket.put('y', CONTENT, fresh);
  await bucket.put('z', CONTENT, fresh);
  assert.deepEqual(proxy.requests.map(withChecksum), [true, false, false]);
  proxy.inject({ fault: 'corrupt-upload', count: 1 });
  await assert.rejects(bucket.put('q', CONTENT, fresh), ofKind('corrupt'));
});

test('a change that met another one is tried again at once, and no more than three times', async (t) => {
  const { proxy, bucket } = await rig(t);
  const conflict = { status: 409, reason: 'ConditionalRequestConflict' };
  proxy.inject({ fault: conflict, count: 2 });
  const { generation } = await bucket.put('y', CONTENT, fresh);
  assert.equal(proxy.count('put'), 3);
  proxy.inject({ fault: conflict, count: 1 });
  await bucket.delete('y', { ifGeneration: generation });
  assert.equal(proxy.count('delete'), 2);

  proxy.inject({ fault: conflict });
  proxy.requests.length = 0;
  await assert.rejects(bucket.put('z', CONTENT, fresh), ofKind('throttled'));
  assert.equal(proxy.count('put'), 3);
});

test('no two changes of one object are under way at a time; those of others are', async (t) => {
  const { proxy, bucket } = await rig(t);
  const hold = proxy.hold(({ kind }) => kind === 'put' || kind === 'delete');
  const { generation } = await bucket.head('x');
  const changes = [
    bucket.put('x', Buffer.from('two'), { ifGeneration: generation, metadata: {} }),
    assert.rejects(bucket.delete('x', { ifGeneration: generation }), ofKind('precondition')),
    bucket.put('y', CONTENT, fresh),
  ];
  await until(() => hold.count >= 2);
  assert.deepEqual(
    proxy.requests
      .filter(({ kind }) => kind !== 'head')
      .map(({ object }) => object)
      .sort(),
    ['x', 'y'],
  );
  hold.release();
  await Promise.all(changes);
  assert.equal((await bucket.get('x')).bytes.toString(), 'two');
});

test('a listing asks for the objects that neither the caller nor an earlier call knows', async (t) => {
  const { proxy, bucket, open } = await rig(t);
  const { generation } = await bucket.put('y', CONTENT, { ...fresh, metadata: { epoch: '3' } });
  proxy.requests.length = 0;
  await bucket.list('');
  assert.equal(proxy.count('head'), 0);
  const other = open();
  const listed = await other.list('', undefined, (name) => (name === 'y' ? generation : undefined));
  assert.deepEqual(
    proxy.requests.flatMap(({ kind, object }) => (kind === 'head' ? object : [])),
    ['x'],
  );
  const y = listed.objects.find(({ name }) => name === 'y');
  assert.deepEqual([y?.generation, y?.metadata, y?.size], [generation, { epoch: '3' }, CONTENT.length]);

  // What was known of a version says nothing of the next one.
  const next = await open().put('y', Buffer.from('next'), { ifGeneration: generation, metadata: {} });
  for (const lister of [bucket, open()]) {
    const { objects } = await lister.list('y', undefined, () => generation);
    assert.deepEqual(
      objects.map((object) => [object.generation, object.size]),
      [[next.generation, 4]],
    );
  }
});

test('a server that says when to ask again is asked then, and not before', async (t) => {
  const { proxy, bucket } = await rig(t);
  const pauses: number[] = [];
  const sleepless = async (ms: number) => void pauses.push(ms);
  const patient = retrying(bucket, { attempts: 2, baseMs: 1, capMs: 1, sleep: sleepless });
  proxy.inject({ fault: { status: 503, reason: 'SlowDown', retryAfter: '7' }, count: 1 });
  await patient.get('x');
  assert.deepEqual(pauses, [7_000]);
});

test('a bucket that is not there is said to be missing', async (t) => {
  const { proxy } = await rig(t);
  const bucket = (await openS3(t, proxy, { name: 'no-such-bucket' }))();
  for (const name of ['list', 'put', 'get', 'delete'] as const) {
    const error = await (calls[name] as (bucket: Bucket) => Promise<unknown>)(bucket).catch(
      (caught) => caught,
    );
    assert.ok(error instanceof BucketError);
    assert.deepEqual([error.kind, error.about], ['missing', 'bucket'], name);
  }
});
