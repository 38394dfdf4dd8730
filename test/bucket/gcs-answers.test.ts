/** What the driver makes of answers that a store should not give, and of what it says of itself: against a small server of the test. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { ABSENT, type Bucket } from '../../src/bucket/bucket.ts';
import { gcsError } from '../../src/bucket/gcs/error.ts';
import { openGcsBucket } from '../../src/bucket/gcs/gcs-bucket.ts';
import { versionOfHeaders, versionOfResource } from '../../src/bucket/gcs/version.ts';
import { crc32c, encodeCrc32c } from '../../src/lib/crc32c.ts';
import { cleanUp } from '../support/cleanup.ts';
import { ofKind } from './subjects.ts';

const CONTENT = Buffer.from('{"some":"sealed bytes"}');
const SUM = encodeCrc32c(crc32c(CONTENT));
const WRONG_SUM = encodeCrc32c(crc32c(Buffer.from('other')));
const UPDATED = '2026-01-02T03:04:05.000Z';

interface Asked {
  method: string;
  url: URL;
  body: string;
}

/** A bucket behind a server that answers with what `answer` says. */
async function rig(
  t: TestContext,
  answer: (asked: Asked, response: ServerResponse) => void,
  timeoutMs = 30_000,
): Promise<{ bucket: Bucket; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('latin1');
    const one = { method: request.method ?? '', url: new URL(request.url ?? '', 'http://x'), body };
    asked.push(one);
    answer(one, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const bucket = openGcsBucket({ name: 'b', emulatorUrl: `http://127.0.0.1:${port}`, timeoutMs });
  cleanUp(t, async () => {
    bucket.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { bucket, asked };
}

const json = (response: ServerResponse, value: unknown, status = 200) =>
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));

const resource = (changes: Record<string, unknown> = {}) => ({
  name: 'x',
  generation: '7',
  size: String(CONTENT.length),
  crc32c: SUM,
  updated: UPDATED,
  metadata: {},
  ...changes,
});

const put = (bucket: Bucket, uploadId?: string) =>
  bucket.put('x', CONTENT, {
    ifGeneration: ABSENT,
    metadata: { epoch: '3' },
    ...(uploadId === undefined ? {} : { uploadId }),
  });

test('of an object that is larger than any file nothing is read, whatever its reader takes', async (t) => {
  const headers = { 'Content-Length': 5e12, 'x-goog-generation': '7', 'x-goog-hash': `crc32c=${SUM}` };
  const { bucket } = await rig(t, (_, response) => response.writeHead(200, headers).write('x'));
  await assert.rejects(bucket.get('x', { maxBytes: 5e12 }), ofKind('corrupt', /more than the 1073807360/));
});

test('an upload that was stored with another checksum or size is corrupt', async (t) => {
  for (const wrong of [{ crc32c: WRONG_SUM }, { size: '1' }]) {
    const { bucket } = await rig(t, (_, response) => json(response, resource(wrong)));
    await assert.rejects(put(bucket), ofKind('corrupt', /checksum that was sent/));
  }
});

test('an upload says what it must replace, its checksum, and by which right it is written', async (t) => {
  const { bucket, asked } = await rig(t, (_, response) => json(response, resource()));
  await put(bucket, 'mine');
  const [{ url, body } = assert.fail('nothing was asked')] = asked;
  assert.equal(url.searchParams.get('ifGenerationMatch'), '0');
  assert.match(body, new RegExp(`"crc32c":"${SUM.replace(/[+/=]/g, '\\$&')}"`));
  assert.match(body, /"epoch":"3"/);
  assert.match(body, /"sessionfs-upload":"mine"/);
});

test('a deletion says what it must delete; a missing object is success, a missing bucket is not', async (t) => {
  const { bucket, asked } = await rig(t, ({ url }, response) => {
    if (url.pathname.endsWith('/gone'))
      json(response, { error: { errors: [{ message: 'No such object' }] } }, 404);
    else if (url.pathname.endsWith('/nowhere'))
      json(response, { error: { errors: [{ message: 'The specified bucket does not exist.' }] } }, 404);
    else response.writeHead(204).end();
  });
  await bucket.delete('x', { ifGeneration: '7' });
  assert.equal(asked[0]?.url.searchParams.get('ifGenerationMatch'), '7');
  await bucket.delete('gone', { ifGeneration: '7' });
  await assert.rejects(bucket.delete('nowhere', { ifGeneration: '7' }), ofKind('missing', /no such bucket/));
});

test('a lost race is one, unless what is there is this very upload', async (t) => {
  for (const [uploadId, sum, isOwn] of [
    ['mine', SUM, true],
    ['theirs', SUM, false],
    ['mine', WRONG_SUM, false],
  ] as const) {
    const { bucket } = await rig(t, ({ method }, response) => {
      if (method === 'POST') json(response, { error: { errors: [{ reason: 'conditionNotMet' }] } }, 412);
      else json(response, resource({ crc32c: sum, metadata: { 'sessionfs-upload': uploadId } }));
    });
    if (isOwn) assert.equal((await put(bucket, 'mine')).generation, '7');
    else await assert.rejects(put(bucket, 'mine'), ofKind('precondition'));
  }
});

test('a download whose bytes differ from its checksum or size is corrupt; a page of a proxy is no object', async (t) => {
  const headers = {
    'x-goog-generation': '7',
    'x-goog-stored-content-length': String(CONTENT.length),
    'x-goog-hash': `crc32c=${SUM},md5=xx==`,
    'last-modified': 'Fri, 02 Jan 2026 03:04:05 GMT',
  };
  const { bucket } = await rig(t, ({ url }, response) => {
    const name = url.pathname.split('/').at(-1);
    if (name === 'good') response.writeHead(200, headers).end(CONTENT);
    else if (name === 'flipped') response.writeHead(200, headers).end(Buffer.from(CONTENT).fill('x', 0, 1));
    else if (name === 'short')
      response.writeHead(200, { ...headers, 'x-goog-stored-content-length': '99' }).end(CONTENT);
    else if (name === 'refused') response.writeHead(403, headers).end(CONTENT);
    else response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>');
  });
  assert.deepEqual((await bucket.get('good')).bytes, CONTENT);
  for (const name of ['flipped', 'short']) await assert.rejects(bucket.get(name), ofKind('corrupt'), name);
  await assert.rejects(bucket.get('refused'), ofKind('permission'));
  await assert.rejects(bucket.get('page'), ofKind('unreachable', /made no sense/));
});

test('a download is given up at the first byte too many: one that says its size before its body, and one without end', {
  timeout: 60_000,
}, async (t) => {
  const headers = { 'x-goog-generation': '7', 'x-goog-hash': `crc32c=${SUM}` };
  let sent = 0;
  let given = () => {};
  const isGivenUp = new Promise<void>((resolve) => {
    given = resolve;
  });
  const { bucket } = await rig(t, ({ url }, response) => {
    const name = url.pathname.split('/').at(-1);
    const status = name === 'refused' ? 403 : 200;
    if (name === 'large') response.writeHead(200, { ...headers, 'content-length': 2 ** 30 }).flushHeaders();
    else if (name === 'exact') response.writeHead(200, headers).end(CONTENT);
    else {
      response.writeHead(status, headers);
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(1 << 16))) sent += 1 << 16;
        if (!response.destroyed) response.once('drain', more);
      };
      response.once('close', given);
      more();
    }
  });
  const options = { maxBytes: CONTENT.length };
  assert.deepEqual((await bucket.get('exact', options)).bytes, CONTENT);
  await assert.rejects(bucket.get('exact', { maxBytes: CONTENT.length - 1 }), ofKind('corrupt', /more than/));
  await assert.rejects(bucket.get('large', options), ofKind('corrupt', /more than the \d+ bytes/));
  await assert.rejects(bucket.get('endless', { maxBytes: 1 << 20 }), ofKind('corrupt', /more than/));
  await isGivenUp;
  // What is under way between the two processes comes on top.
  assert.ok(sent < 64 << 20, `${sent} bytes`);
  await assert.rejects(bucket.get('refused', options), ofKind('permission'));
});

test('only rules that delete by age count', async (t) => {
  const rule = (type: string, condition: object) => ({ action: { type }, condition });
  const { bucket } = await rig(t, (_, response) =>
    json(response, {
      lifecycle: { rule: [rule('SetStorageClass', { age: 3 }), rule('Delete', { age: 90 })] },
    }),
  );
  assert.equal(await bucket.deleteAfterDays(), 90);
});

test('a call whose time is over is not sent, one that has a moment left ends with it', {
  timeout: 60_000,
}, async (t) => {
  const { bucket, asked } = await rig(t, () => {}, 5_000);
  const options = { ifGeneration: '7', deadlineMs: performance.now() - 1 };
  await assert.rejects(bucket.delete('x', options), ofKind('unreachable', /time for it is over/));
  await assert.rejects(
    bucket.put('x', CONTENT, { ...options, metadata: {} }),
    ofKind('unreachable', /time for it is over/),
  );
  assert.deepEqual(asked, []);
  const soon = { ifGeneration: '7', deadlineMs: performance.now() + 100 };
  await assert.rejects(bucket.delete('x', soon), ofKind('unreachable', /is over|within \d{1,3}(\.\d+)? ms/));
});

test('what a status means', () => {
  const of = (status: number, message = '', target: 'bucket' | 'object' = 'object') => {
    const { kind, hint } = gcsError('cannot', { code: status, errors: [{ message }] }, target);
    return [kind, hint !== undefined];
  };
  assert.deepEqual(of(404), ['missing', false]);
  assert.deepEqual(of(404, '', 'bucket'), ['missing', true]);
  assert.deepEqual(of(404, 'The specified bucket does not exist.'), ['missing', true]);
  for (const status of [408, 500, 502, 503, 504]) assert.equal(of(status)[0], 'unreachable', String(status));
  assert.equal(of(429)[0], 'throttled');
  assert.deepEqual(
    ['userRateLimitExceeded', 'forbidden'].map((reason) => of(403, reason)[0]),
    ['throttled', 'permission'],
  );
  assert.deepEqual([of(401)[0], of(400)[0], of(412)[0]], ['permission', 'rejected', 'rejected']);
  assert.equal(of(400, 'Provided CRC32C "a" does not match calculated CRC32C "b"')[0], 'corrupt');
});

test('no message carries a token', () => {
  const errors = [{ reason: 'forbidden', message: 'denied for Bearer abc.def and ya29.secret' }];
  const { message } = gcsError('cannot read', { code: 403, errors }, 'object');
  assert.doesNotMatch(message, /abc\.def|secret/);
  assert.match(message, /denied for/);
});

test('an answer that lacks what makes a version is believed in nothing', () => {
  const headers = {
    'x-goog-generation': '7',
    'x-goog-stored-content-length': '2',
    'x-goog-hash': `crc32c=${SUM}`,
    'last-modified': UPDATED,
  };
  assert.equal(versionOfHeaders('x', headers, 2).crc32c, crc32c(CONTENT));
  assert.equal(versionOfResource(resource()).size, CONTENT.length);
  for (const name of ['x-goog-generation', 'x-goog-hash'])
    assert.throws(() => versionOfHeaders('x', { ...headers, [name]: undefined }, 2), TypeError, name);
  for (const wrong of [
    { generation: '' },
    { generation: '-1' },
    { size: '1e3' },
    { crc32c: 'AA==' },
    { crc32c: 'AAAAAAAA' },
    { updated: 'yesterday' },
    { name: '' },
  ])
    assert.throws(() => versionOfResource(resource(wrong)), TypeError, JSON.stringify(wrong));
});
