import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createTestBucket, gcsEmulator } from './gcs-emulator.ts';
import { type GcsProxy, startGcsProxy } from './gcs-proxy.ts';
import { until } from './until.ts';

interface Stored {
  readonly generation: string;
}

async function put(url: string, bucket: string, content: string): Promise<Stored> {
  const target = `${url}/upload/storage/v1/b/${bucket}/o?uploadType=media&name=x`;
  const answer = await fetch(target, { method: 'POST', body: content });
  assert.equal(answer.status, 200);
  return (await answer.json()) as Stored;
}

async function status(url: string, bucket: string, query: string, method = 'GET'): Promise<number> {
  const answer = await fetch(`${url}/storage/v1/b/${bucket}/o/x?${query}`, { method });
  await answer.arrayBuffer();
  return answer.status;
}

async function rig(t: TestContext): Promise<{ emulator: string; proxy: GcsProxy; bucket: string }> {
  const emulator = await gcsEmulator();
  return { emulator, proxy: await startGcsProxy(t, emulator), bucket: await createTestBucket(emulator) };
}

test('a stale delete is refused through the proxy; the emulator alone deletes', async (t) => {
  const { emulator, proxy, bucket } = await rig(t);
  const old = await put(emulator, bucket, 'one');
  await put(emulator, bucket, 'two');
  const stale = `ifGenerationMatch=${old.generation}`;
  assert.equal(await status(proxy.url, bucket, stale, 'DELETE'), 412);
  assert.equal(await status(emulator, bucket, ''), 200);
  assert.equal(await status(emulator, bucket, stale, 'DELETE'), 200);
  assert.equal(await status(emulator, bucket, ''), 404);
  assert.equal(await status(proxy.url, bucket, stale, 'DELETE'), 404);
});

test('conditions of a get are honoured through the proxy; the emulator alone ignores them', async (t) => {
  const { emulator, proxy, bucket } = await rig(t);
  const { generation } = await put(emulator, bucket, 'one');
  for (const alt of ['', '&alt=media']) {
    for (const [query, expected] of [
      [`ifGenerationNotMatch=${generation}`, 304],
      ['ifGenerationNotMatch=1', 200],
      ['ifGenerationMatch=1', 412],
      [`ifGenerationMatch=${generation}`, 200],
      ['ifMetagenerationMatch=2', 412],
      ['ifMetagenerationMatch=1', 200],
      ['ifMetagenerationNotMatch=1', 304],
    ] as const) {
      assert.equal(await status(proxy.url, bucket, query + alt), expected, query + alt);
    }
  }
  assert.equal(await status(emulator, bucket, `ifGenerationNotMatch=${generation}`), 200);
  assert.equal(await status(emulator, bucket, 'ifMetagenerationMatch=2'), 200);
});

test('of a stale delete and a put that race, the put survives', async (t) => {
  const { proxy, bucket } = await rig(t);
  for (let round = 0; round < 20; round++) {
    const { generation } = await put(proxy.url, bucket, 'old');
    const [stored] = await Promise.all([
      put(proxy.url, bucket, 'new'),
      status(proxy.url, bucket, `ifGenerationMatch=${generation}`, 'DELETE'),
    ]);
    const now = await fetch(`${proxy.url}/storage/v1/b/${bucket}/o/x`);
    assert.equal(((await now.json()) as Stored).generation, stored.generation);
  }
});

test('an upload in parts comes through the proxy with all its requests', async (t) => {
  const { proxy, bucket } = await rig(t);
  const begun = await fetch(`${proxy.url}/upload/storage/v1/b/${bucket}/o?uploadType=resumable&name=x`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{}',
  });
  await begun.arrayBuffer();
  const location = begun.headers.get('location') ?? assert.fail('no address for the parts');
  assert.ok(location.startsWith(`${proxy.url}/`), location);
  const sent = await fetch(location, { method: 'PUT', body: 'one' });
  await sent.arrayBuffer();
  assert.equal(sent.status, 200);
  assert.equal(proxy.count('put'), 2);
});

test('an outage cuts every connection, and ends', async (t) => {
  const { proxy, bucket } = await rig(t);
  await put(proxy.url, bucket, 'one');
  const hold = proxy.hold(({ kind }) => kind === 'head');
  const underWay = assert.rejects(status(proxy.url, bucket, ''));
  await until(() => hold.count > 0);
  proxy.outage(true);
  await underWay;
  await assert.rejects(status(proxy.url, bucket, ''));
  hold.release();
  proxy.outage(false);
  assert.equal(await status(proxy.url, bucket, ''), 200);
});

test('a rule strikes as often as it says, by its lot', async (t) => {
  const emulator = await gcsEmulator();
  const lots = [0.9, 0.1, 0.9, 0.1, 0.1];
  const proxy = await startGcsProxy(t, emulator, () => lots.shift() as number);
  const bucket = await createTestBucket(emulator);
  proxy.inject({ fault: { status: 503 }, probability: 0.5, count: 2 });
  const seen = [];
  for (let request = 0; request < 5; request++) seen.push(await status(proxy.url, bucket, ''));
  assert.deepEqual(seen, [404, 503, 404, 503, 404]);
  assert.equal(proxy.count('head'), 5);
});
