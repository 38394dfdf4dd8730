/** Which conditions a store ignores is found out by trying. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Condition } from '../../src/bucket/bucket.ts';
import { startS3Proxy } from '../support/s3-proxy.ts';
import { createS3Bucket, motoServer } from '../support/s3-server.ts';
import { ofKind, openS3, s3BehindProxy, subjects } from './subjects.ts';

for (const [name, subject] of Object.entries(subjects)) {
  test(`${name} ignores none, and the attempt leaves nothing behind`, async (t) => {
    const bucket = (await subject(t))();
    assert.deepEqual(await bucket.ignoredConditions(), []);
    assert.deepEqual((await bucket.list('')).objects, []);
  });
}

const some: readonly (readonly Condition[])[] = [
  ['create'],
  ['replace'],
  ['delete'],
  ['create', 'replace', 'delete'],
];

for (const ignored of some) {
  test(`a server that ignores the conditions ${ignored.join(', ')} is found out`, async (t) => {
    const url = await motoServer();
    const name = await createS3Bucket(url);
    const proxy = await startS3Proxy(t, url, ignored);
    const bucket = (await openS3(t, proxy, { name }))();
    assert.deepEqual(await bucket.ignoredConditions(), ignored);
    assert.deepEqual((await bucket.list('')).objects, []);
    const before = proxy.requests.length;
    assert.deepEqual(await bucket.ignoredConditions(), ignored);
    assert.equal(proxy.requests.length, before, 'once a process');
  });
}

test('an attempt that gets no answer says nothing, and the next one does', async (t) => {
  const { proxy, name } = await s3BehindProxy(t);
  const bucket = (await openS3(t, proxy, { name }))();
  proxy.inject({
    fault: { status: 503, reason: 'SlowDown' },
    match: ({ kind }) => kind === 'delete',
    count: 1,
  });
  await assert.rejects(bucket.ignoredConditions(), ofKind('throttled'));
  assert.deepEqual(await bucket.ignoredConditions(), []);
});
