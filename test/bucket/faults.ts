/** What the faults of a network and a store come to, whatever the driver. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABSENT, type Bucket } from '../../src/bucket/bucket.ts';
import type { OperationReport } from '../../src/bucket/counted.ts';
import { retrying } from '../../src/bucket/retry.ts';
import type { Scope } from '../support/cleanup.ts';
import type { StoreProxy } from '../support/store-proxy.ts';
import { until } from '../support/until.ts';
import { ofKind } from './subjects.ts';

export const CONTENT = Buffer.from('{"some":"sealed bytes"}');
export const fresh = { ifGeneration: ABSENT, metadata: {} };

export interface Rig {
  readonly proxy: StoreProxy;
  readonly bucket: Bucket;
  readonly reports: OperationReport[];
}

export type Calls = Readonly<Record<string, (bucket: Bucket) => Promise<unknown>>>;

/** For what is to succeed although the bucket's limit is short, and the machine busy. */
export function patiently(bucket: Bucket): Bucket {
  return retrying(bucket, { attempts: 100, baseMs: 1, capMs: 1 });
}

/** One of each operation; the listing is of `prefix`. */
export function callsListing(prefix: string): Calls {
  return {
    list: (bucket) => bucket.list(prefix),
    get: (bucket) => bucket.get('x'),
    head: (bucket) => bucket.head('x'),
    put: (bucket) => bucket.put('y', CONTENT, fresh),
    delete: (bucket) => bucket.delete('never there', { ifGeneration: '1' }),
    config: (bucket) => bucket.deleteAfterDays(),
  };
}

/** `rig`: a bucket behind a proxy, with an object `x` of CONTENT in it, and nothing reported or asked yet. */
export function testFaults(rig: (scope: Scope, timeoutMs?: number) => Promise<Rig>, calls: Calls): void {
  test('a store that never answers is given up at the deadline, the connection too', async (t) => {
    const { proxy, bucket } = await rig(t, 300);
    proxy.inject({ fault: 'stall' });
    // On a busy machine the library's own limit may end before ours, which began sooner.
    const silent = ofKind('unreachable', /no answer (within 300 ms|in time)/);
    await Promise.all(Object.values(calls).map((call) => assert.rejects(call(bucket), silent)));
    await noConnections(proxy);
  });

  test('a bit that changes on the way is found, on the way there and back', async (t) => {
    const { proxy, bucket } = await rig(t);
    proxy.inject({ fault: 'corrupt', match: (request) => request.kind === 'get', count: 1 });
    await assert.rejects(bucket.get('x'), ofKind('corrupt'));
    assert.deepEqual((await bucket.get('x')).bytes, CONTENT);

    proxy.inject({ fault: 'corrupt-upload', count: 1 });
    await assert.rejects(bucket.put('y', CONTENT, fresh), ofKind('corrupt'));
    await assert.rejects(bucket.head('y'), ofKind('missing'));
  });

  test('an upload whose answer was lost is found to be stored when it is tried again', async (t) => {
    const { proxy, bucket, reports } = await rig(t);
    const patient = retrying(bucket, { attempts: 3, baseMs: 1, capMs: 1 });
    proxy.inject({ fault: 'lost-answer', match: (request) => request.kind === 'put', count: 1 });
    const put = await patient.put('y', CONTENT, { ifGeneration: ABSENT, metadata: { epoch: '3' } });
    assert.deepEqual(await bucket.head('y'), put);
    assert.deepEqual(put.metadata, { epoch: '3' });
    assert.deepEqual(
      reports.slice(0, 3).map(({ operation, class: charged, result }) => [operation, charged, result]),
      [
        ['put', 'A', 'unreachable'],
        ['put', 'A', 'precondition'],
        ['head', 'B', 'ok'],
      ],
    );
  });

  test('an upload whose answer was lost and that another writer replaced is a conflict', async (t) => {
    const { proxy, bucket } = await rig(t);
    proxy.inject({ fault: 'lost-answer', match: (request) => request.kind === 'put', count: 1 });
    const upload = { ...fresh, uploadId: 'mine' };
    await assert.rejects(bucket.put('y', CONTENT, upload), ofKind('unreachable'));
    const { generation } = await bucket.head('y');
    await bucket.put('y', CONTENT, { ifGeneration: generation, metadata: {} });
    await assert.rejects(bucket.put('y', CONTENT, upload), ofKind('precondition'));
  });

  test('a delete whose answer was lost is done when it is tried again', async (t) => {
    const { proxy, bucket } = await rig(t);
    const { generation } = await bucket.head('x');
    proxy.inject({ fault: 'lost-answer', match: (request) => request.kind === 'delete', count: 1 });
    await retrying(bucket, { attempts: 2, baseMs: 1, capMs: 1 }).delete('x', { ifGeneration: generation });
    assert.equal(proxy.count('delete'), 2);
    await assert.rejects(bucket.head('x'), ofKind('missing'));
  });

  test('an upload that arrives after its deadline changes nothing that was written since', async (t) => {
    const { proxy, bucket } = await rig(t, 300);
    const patient = patiently(bucket);
    const { generation } = await patient.head('x');
    const hold = proxy.hold((request) => request.kind === 'put');
    const late = bucket.put('x', Buffer.from('late'), { ifGeneration: generation, metadata: {} });
    await assert.rejects(late, ofKind('unreachable'));
    assert.equal(hold.count, 1);
    hold.release();
    // The proxy forwards what it held, although its sender is gone: which of the two comes first is open.
    await patient
      .put('x', Buffer.from('since'), { ifGeneration: generation, metadata: {} })
      .catch(ofKind('precondition'));
    const now = await patient.head('x');
    await patient.put('x', Buffer.from('last'), { ifGeneration: now.generation, metadata: {} });
    assert.equal((await patient.get('x')).bytes.toString(), 'last');
  });

  test('closing ends the calls that are under way', async (t) => {
    const { proxy, bucket } = await rig(t, 2000);
    proxy.inject({ fault: 'stall' });
    const pending = Object.values(calls).map((call) =>
      assert.rejects(call(bucket), ofKind('unreachable', /closed/)),
    );
    await until(() => proxy.requests.length >= pending.length);
    bucket.close();
    await Promise.all(pending);
  });
}

export async function noConnections(proxy: StoreProxy): Promise<void> {
  await until(async () => (await proxy.connections()) === 0);
}
