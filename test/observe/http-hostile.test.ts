import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { Scope } from '../support/cleanup.ts';
import { until } from '../support/until.ts';
import { RawClient } from './support/raw-client.ts';
import { served } from './support/served.ts';

/** Whatever a client did, the next one is served. */
async function stillServes(url: string): Promise<void> {
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
}

const MALFORMED: Readonly<Record<string, string>> = {
  garbage: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not HTTP at all\r\n\r\n',
  'a request line without a path': 'GET\r\n\r\n',
  'an unknown version': 'GET /healthz HTTP/9.9\r\n\r\n',
  'an unknown method': 'FETCH /healthz HTTP/1.1\r\nHost: x\r\n\r\n',
  'a header without a colon': 'GET /healthz HTTP/1.1\r\nHost x\r\n\r\n',
  'a control character in a header': 'GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\x01c\x00\r\n\r\n',
  'two lengths': 'GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
  'a length and chunks':
    'GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'no host': 'GET /healthz HTTP/1.1\r\n\r\n',
};

for (const [what, bytes] of Object.entries(MALFORMED)) {
  test(`${what}: 400, and the connection ends`, async (t) => {
    const { url, port } = await served(t);
    const client = await RawClient.connect(t, port);
    await client.send(bytes);
    assert.match(await client.untilClosed(), /^HTTP\/1\.1 400 /);
    await stillServes(url);
  });
}

test('CONNECT and an upgrade get no tunnel', async (t) => {
  const { url, port } = await served(t);
  const tunnel = await RawClient.connect(t, port);
  await tunnel.send('CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n');
  assert.doesNotMatch(await tunnel.untilClosed(), / (101|200) /);
  const upgrade = await RawClient.connect(t, port);
  await upgrade.send('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  assert.match(await upgrade.untilClosed(), /^HTTP\/1\.1 200 /);
  await stillServes(url);
});

test('a header that is too large is refused', async (t) => {
  const { url, port } = await served(t);
  const client = await RawClient.connect(t, port);
  await client.send(`GET /healthz HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(9_000)}\r\n\r\n`);
  assert.match(await client.untilClosed(), /^HTTP\/1\.1 431 /);
  await stillServes(url);
});

test('headers without an end are not read for ever', async (t) => {
  const { url, port } = await served(t);
  const client = await RawClient.connect(t, port);
  await client.send('GET /healthz HTTP/1.1\r\nHost: x\r\n');
  let sent = 0;
  for (; sent < 10_000 && (await client.send(`H${sent}: ${'x'.repeat(100)}\r\n`)); sent++) {
    // The server lives in this process, and has to get its turn.
    await setImmediate();
  }
  assert.ok(sent < 10_000, 'a megabyte of headers was taken');
  assert.doesNotMatch(await client.untilClosed(), / 200 /);
  await stillServes(url);
});

test('a client that says nothing, or stops in the middle, is cut off', async (t) => {
  const { url, port } = await served(t);
  const silent = await RawClient.connect(t, port);
  const half = await RawClient.connect(t, port);
  await half.send('GET /heal');
  const dripping = await RawClient.connect(t, port);
  await dripping.send('GET /healthz HTTP/1.1\r\nHost: x\r\n');
  const drip = setInterval(() => void dripping.send('A: b\r\n'), 200);
  t.after(() => clearInterval(drip));
  await stillServes(url);
  for (const client of [silent, half, dripping]) assert.doesNotMatch(await client.untilClosed(), / 200 /);
});

test('a body that was announced is neither asked for nor waited for', async (t) => {
  const { url, port } = await served(t);
  const client = await RawClient.connect(t, port);
  await client.send(
    'POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n',
  );
  const answer = await client.untilClosed();
  assert.match(answer, /^HTTP\/1\.1 405 /);
  assert.doesNotMatch(answer, / 100 /);
  await stillServes(url);
});

test('a second request in the same connection is not answered', async (t) => {
  const { port } = await served(t);
  const client = await RawClient.connect(t, port);
  await client.send('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(50));
  assert.equal((await client.untilClosed()).match(/HTTP\/1\.1 /g)?.length, 1);
});

const GET_HEALTH = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n';

async function connectAll(scope: Scope, port: number, count: number): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  for (let index = 0; index < count; index++) clients.push(await RawClient.connect(scope, port));
  return clients;
}

test('of more connections than the limit those that were idle longest are dropped, and a probe is served', async (t) => {
  const { url, port } = await served(t);
  const clients = await connectAll(t, port, 80);
  await stillServes(url);
  const dropped = clients.slice(0, 17);
  for (const client of dropped) assert.equal(await client.untilClosed(), '');
  const kept = clients.slice(17);
  for (const client of kept) await client.send(GET_HEALTH);
  for (const client of kept) assert.match(await client.untilClosed(), /^HTTP\/1\.1 200 /);
  await stillServes(url);
});

test('a request that is being answered is never dropped for a newer connection', async (t) => {
  const answers: ((text: string) => void)[] = [];
  const metrics = {
    contentType: 'text/plain',
    render: () => new Promise<string>((resolve) => answers.push(resolve)),
  };
  const { port } = await served(t, { metrics });
  const busy = await connectAll(t, port, 64);
  for (const client of busy) await client.send('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => answers.length >= busy.length);
  const late = await RawClient.connect(t, port);
  assert.equal(await late.untilClosed(), '');
  for (const answer of answers) answer('# done\n');
  for (const client of busy) assert.match(await client.untilClosed(), /# done/);
});

test('clients that do not take their answers keep no probe out', async (t) => {
  let asked = 0;
  const render = async () => {
    asked++;
    return '# much\n'.repeat(1_000_000);
  };
  const { port } = await served(t, { metrics: { contentType: 'text/plain', render } });
  const clients = await connectAll(t, port, 64);
  for (const client of clients) {
    client.pause();
    await client.send('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
  }
  await until(() => asked === clients.length);
  const probe = await RawClient.connect(t, port);
  await probe.send(GET_HEALTH);
  assert.match(await probe.untilClosed(), /^HTTP\/1\.1 200 /);
});

test('close ends with silent, half-sent and unanswered requests still there', async (t) => {
  let asked = () => {};
  const arrived = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const server = await served(t, {
    metrics: {
      contentType: 'text/plain',
      render: () => {
        asked();
        return new Promise(() => {});
      },
    },
  });
  const clients = await Promise.all(Array.from({ length: 3 }, () => RawClient.connect(t, server.port)));
  await clients[1]?.send('GET /healthz HT');
  await clients[2]?.send('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
  await arrived;
  // Below the time after which such clients are cut off in any case.
  const guard = setTimeout(4_000, 'still open', { ref: false });
  assert.equal(await Promise.race([server.close(), guard]), undefined);
  for (const client of clients) assert.doesNotMatch(await client.untilClosed(), / 200 /);
});
