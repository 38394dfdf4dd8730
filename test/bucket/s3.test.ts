import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { ABSENT } from '../../src/bucket/bucket.ts';
import { openBucket } from '../../src/bucket/open.ts';
import { createClient, loadSdk, type Sdk } from '../../src/bucket/s3/client.ts';
import { s3Error } from '../../src/bucket/s3/error.ts';
import { deletesAfterDays } from '../../src/bucket/s3/lifecycle.ts';
import { openS3Bucket } from '../../src/bucket/s3/s3-bucket.ts';
import { describedBy, etagOf, generationOf } from '../../src/bucket/s3/version.ts';
import { crc32c } from '../../src/lib/crc32c.ts';
import { SessionfsError } from '../../src/lib/errors.ts';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { S3_CREDENTIALS } from '../support/s3-server.ts';
import { ofKind, openS3, s3BehindProxy } from './subjects.ts';

test('without the package there is one error, which says what to install', async () => {
  const load = () => Promise.reject<Sdk>(Object.assign(new Error('no'), { code: 'ERR_MODULE_NOT_FOUND' }));
  await assert.rejects(loadSdk(load), (error: unknown) => {
    assert.ok(error instanceof SessionfsError);
    assert.equal(error.code, 'PACKAGE_MISSING');
    assert.match(error.hint ?? '', /npm install @aws-sdk\/client-s3/);
    return true;
  });
});

test('an address s3://NAME opens the server that AWS_ENDPOINT_URL names', async (t) => {
  Object.assign(process.env, S3_CREDENTIALS);
  const { proxy, name } = await s3BehindProxy(t);
  const bucket = await openBucket({ kind: 's3', name }, { s3EndpointUrl: proxy.url });
  t.after(() => bucket.close());
  assert.equal(bucket.address, `s3://${name}`);
  await bucket.put('x', Buffer.from('x'), { ifGeneration: ABSENT, metadata: {} });
  assert.equal(proxy.count('put'), 1);
});

test('a server at an address of its own needs no region, and has its buckets in the path', async () => {
  const { AWS_REGION: _, ...others } = process.env;
  const saved = process.env;
  process.env = others;
  try {
    const client = createClient(await loadSdk(), 'http://127.0.0.1:9');
    assert.equal(await client.config.region(), 'us-east-1');
    assert.equal(client.config.forcePathStyle, true);
    assert.equal(await client.config.maxAttempts(), 1);
  } finally {
    process.env = saved;
  }
});

test('equal content is stored under another ETag each time, and what ends it is never seen', async (t) => {
  const { proxy, name } = await s3BehindProxy(t);
  const bucket = (await openS3(t, proxy, { name }))();
  const etags = new Set<string>();
  for (const object of ['a', 'b', 'c']) {
    const { generation, size } = await bucket.put(object, Buffer.alloc(0), {
      ifGeneration: ABSENT,
      metadata: {},
    });
    assert.equal(size, 0);
    assert.equal((await bucket.get(object)).bytes.length, 0);
    etags.add(etagOf(generation));
  }
  assert.equal(etags.size, 3);
  assert.ok(!etags.has(createHash('md5').digest('hex')));
});

test('an object that something else has stored is read as it is', async (t) => {
  const { proxy, name } = await s3BehindProxy(t);
  const bucket = (await openS3(t, proxy, { name }))();
  const { PutObjectCommand } = await loadSdk();
  const client = createClient(await loadSdk(), proxy.url);
  t.after(() => client.destroy());
  await client.send(
    new PutObjectCommand({ Bucket: name, Key: 'x', Body: 'by hand', Metadata: { who: 'me' } }),
  );
  const head = await bucket.head('x');
  assert.deepEqual([head.size, head.metadata, head.uploadId], [7, { who: 'me' }, undefined]);
  const { bytes, ...got } = await bucket.get('x');
  assert.equal(bytes.toString(), 'by hand');
  assert.deepEqual(got, head);
  assert.deepEqual((await bucket.list('')).objects, [head]);
  await bucket.put('x', Buffer.from('ours'), { ifGeneration: head.generation, metadata: {} });
  await assert.rejects(bucket.delete('x', { ifGeneration: head.generation }), ofKind('precondition'));
});

test('a generation says all that there is to say of a version, whatever the order of its metadata', () => {
  const version = { size: 3, crc32c: 7, metadata: { b: '2', a: '1' }, uploadId: 'u' };
  const generation = generationOf('0123abcd-2', version);
  assert.equal(generation, generationOf('0123abcd-2', { ...version, metadata: { a: '1', b: '2' } }));
  assert.equal(etagOf(generation), '0123abcd-2');
  assert.deepEqual(describedBy(generation), { ...version, metadata: { a: '1', b: '2' } });
  const bare = { size: 0, crc32c: 0, metadata: {}, uploadId: undefined };
  assert.deepEqual(describedBy(generationOf('e', bare)), bare);
  for (const other of ['', '12345', 'e.', 'e.!!!', 'e.e30'])
    assert.equal(describedBy(other), undefined, other);
});

test('rules of a bucket that may delete what a mount stored are found, others are not', () => {
  const rule = (given: object) => ({ Status: 'Enabled' as const, Expiration: { Days: 30 }, ...given });
  assert.equal(deletesAfterDays([]), undefined);
  assert.equal(deletesAfterDays([rule({})]), 30);
  assert.equal(deletesAfterDays([rule({ Filter: { Prefix: '' } }), rule({ Expiration: { Days: 7 } })]), 7);
  assert.equal(deletesAfterDays([rule({ Filter: { Prefix: 'sess' } })]), 30);
  assert.equal(deletesAfterDays([rule({ Prefix: 'sessions/user/' })]), 30);
  assert.equal(deletesAfterDays([rule({ Filter: { And: { Prefix: '.sessionfs/' } } })]), 30);
  for (const harmless of [
    { Status: 'Disabled' as const },
    { Filter: { Prefix: 'logs/' } },
    { Filter: { Tag: { Key: 'a', Value: 'b' } } },
    { Filter: { And: { Prefix: 'sessions/', Tags: [{ Key: 'a', Value: 'b' }] } } },
    { Expiration: { ExpiredObjectDeleteMarker: true } },
    { Expiration: undefined, NoncurrentVersionExpiration: { NoncurrentDays: 1 } },
  ]) {
    assert.equal(deletesAfterDays([rule(harmless)]), undefined, JSON.stringify(harmless));
  }
});

const failures = [
  [
    { name: 'CredentialsProviderError', message: 'Could not load credentials' },
    'permission',
    'credentials',
    /role/,
  ],
  [{ name: 'Error', message: 'Region is missing' }, 'rejected', undefined, /AWS_REGION/],
  [{ name: 'Error', code: 'ECONNREFUSED' }, 'unreachable', undefined, /firewall/],
  [{ name: 'TimeoutError' }, 'unreachable', undefined, /firewall/],
  [
    { name: 'PermanentRedirect', $metadata: { httpStatusCode: 301 } },
    'rejected',
    undefined,
    /region of the bucket/,
  ],
  [{ name: 'AccessDenied', $metadata: { httpStatusCode: 403 } }, 'permission', undefined, /s3:PutObject/],
  [
    { name: 'InvalidAccessKeyId', $metadata: { httpStatusCode: 403 } },
    'permission',
    'credentials',
    /access key/,
  ],
  [{ name: 'BadDigest', $metadata: { httpStatusCode: 400 } }, 'corrupt', undefined, /^$/],
  [new TypeError('no ETag'), 'unreachable', undefined, /AWS_ENDPOINT_URL/],
] as const;

for (const [failure, kind, about, hint] of failures) {
  test(`${failure.name} of the SDK is '${kind}', with what to do about it`, () => {
    const error = s3Error('cannot read s3://b/x', failure);
    assert.deepEqual([error.kind, error.about], [kind, about]);
    assert.match(error.hint ?? '', hint);
  });
}

test('no error carries what was in the request or the answer', () => {
  const $metadata = { httpStatusCode: 403 };
  const error = s3Error('cannot read s3://b/x', { name: 'AccessDenied', message: 'secret-token', $metadata });
  const shown = `${error.message} ${error.hint} ${JSON.stringify(error)} ${String(error.cause)}`;
  assert.doesNotMatch(shown, /secret-token/);
  assert.match(shown, /HTTP 403, AccessDenied/);
});

/** As a server that has these objects, by their sizes, of another program than sessionfs. */
async function foreignServer(scope: Scope, sizes: Readonly<Record<string, number>>) {
  const reads: string[] = [];
  const entry = (name: string) =>
    `<Contents><Key>${name}</Key><ETag>"e-${name}"</ETag><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>`;
  const server = createServer(({ method, url = '' }, response) => {
    const name = decodeURIComponent(new URL(url, 'http://x').pathname).split('/').slice(2).join('/');
    if (name === '') {
      const entries = Object.keys(sizes).map(entry).join('');
      response.end(`<ListBucketResult><IsTruncated>false</IsTruncated>${entries}</ListBucketResult>`);
      return;
    }
    const headers = {
      'Content-Length': sizes[name],
      ETag: `"e-${name}"`,
      'Last-Modified': new Date(0).toUTCString(),
    };
    response.writeHead(200, headers);
    if (method === 'GET') reads.push(name);
    const size = method === 'GET' ? (sizes[name] ?? 0) : 0;
    if (size > 100) response.write('x');
    else response.end('x'.repeat(size));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(scope, () => {
    server.closeAllConnections();
    server.close();
  });
  return { reads, endpointUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test('an object that is larger than any file keeps none of the others out of a listing', async (t) => {
  Object.assign(process.env, S3_CREDENTIALS);
  const { reads, endpointUrl } = await foreignServer(t, { huge: 5e12, small: 9 });
  const bucket = await openS3Bucket({ name: 'any', endpointUrl });
  t.after(() => bucket.close());
  const { objects } = await bucket.list('');
  const found = objects.map(({ name, size, crc32c: sum }) => [name, size, sum]).sort();
  assert.deepEqual(found, [
    ['huge', 5e12, 0],
    ['small', 9, crc32c(Buffer.alloc(9, 'x'))],
  ]);
  assert.deepEqual(reads, ['small']);
  await assert.rejects(bucket.get('huge', { maxBytes: 5e12 }), ofKind('corrupt', /more than the 1073807360/));
});
