import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { isLoopbackAddress } from '../../../src/observe/status-page/access.ts';
import { until } from '../../support/until.ts';
import { RawClient } from '../support/raw-client.ts';
import { reportOf, sessionOf } from './support/reports.ts';
import { served } from './support/served.ts';

const TOKEN = 'a token of 16 or more'.replaceAll(' ', '-');
const SESSION = 'user1-+4915155501234';
/** What names sessions, or has to do with them. */
const GUARDED = ['/', '/events', '/status.json'];

interface Got {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

interface Asked {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  host?: string;
}

/** As a browser that has been told a name for the address. A stream is left after its head. */
function ask(port: number, path: string, { host = '127.0.0.1', body, ...options }: Asked = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host, port, path, ...options }, (response) => {
      const got = { status: response.statusCode ?? 0, headers: response.headers };
      if (got.headers['content-type'] === 'text/event-stream') {
        response.destroy();
        return resolve({ ...got, body: '' });
      }
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      response.on('end', () => resolve({ ...got, body: text }));
    });
    request.on('error', reject).end(body);
  });
}

async function statuses(port: number, asked: Asked = {}): Promise<number[]> {
  return Promise.all(GUARDED.map(async (path) => (await ask(port, path, asked)).status));
}

const form = (token: string, headers: Record<string, string> = {}): Asked => ({
  method: 'POST',
  body: new URLSearchParams({ token }).toString(),
  headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
});

test('on a loopback address the page is there without a token, under the names of this machine only', async (t) => {
  const { port } = await served(t);
  assert.deepEqual(await statuses(port), [200, 200, 200]);
  for (const name of ['localhost', `localhost:${port}`, '127.0.0.1:8080', '[::1]:80', 'a.localhost'])
    assert.deepEqual(await statuses(port, { headers: { Host: name } }), [200, 200, 200], name);
  // Names that their owner points at 127.0.0.1.
  for (const name of [
    'evil.example',
    `127.0.0.1.evil.example:${port}`,
    'localhost.evil.example',
    '10.0.0.1',
  ]) {
    assert.deepEqual(await statuses(port, { headers: { Host: name } }), [403, 403, 403], name);
    assert.equal((await ask(port, '/healthz', { headers: { Host: name } })).status, 200, name);
  }
});

test('a page of another site gets neither data nor events, a link to the page works', async (t) => {
  const { port } = await served(t);
  for (const site of ['cross-site', 'same-site'])
    assert.deepEqual(await statuses(port, { headers: { 'Sec-Fetch-Site': site } }), [200, 403, 403], site);
  for (const site of ['same-origin', 'none'])
    assert.deepEqual(await statuses(port, { headers: { 'Sec-Fetch-Site': site } }), [200, 200, 200], site);
});

test('on an address that others reach the page is closed without a token, and probes and metrics are not', async (t) => {
  const { port } = await served(t, { address: { host: '0.0.0.0', port: 0 } });
  const own = Object.values(networkInterfaces()).flat();
  const addresses = ['127.0.0.1', ...own.flatMap((each) => (each?.family === 'IPv4' ? [each.address] : []))];
  for (const host of addresses) {
    assert.deepEqual(await statuses(port, { host }), [403, 403, 403], host);
    for (const path of ['/healthz', '/readyz', '/metrics'])
      assert.equal((await ask(port, path, { host })).status, 200, path);
  }
  assert.match((await ask(port, '/')).body, /SESSION_HTTP_TOKEN/);
});

test('with a token the page wants it on every address, and probes and metrics do not', async (t) => {
  for (const host of ['127.0.0.1', '0.0.0.0']) {
    const { port } = await served(t, { token: TOKEN, address: { host, port: 0 } });
    assert.deepEqual(await statuses(port), [401, 401, 401]);
    for (const wrong of [
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(1)}`,
      `Basic ${TOKEN}`,
      'Bearer',
      'Bearer ',
      TOKEN,
    ])
      assert.deepEqual(await statuses(port, { headers: { Authorization: wrong } }), [401, 401, 401], wrong);
    assert.deepEqual(
      await statuses(port, { headers: { Authorization: `Bearer ${TOKEN}` } }),
      [200, 200, 200],
    );
    // Any name: what does not know the token gets nothing under any.
    const named = { Authorization: `bearer ${TOKEN}`, Host: 'bots.example' };
    assert.deepEqual(await statuses(port, { headers: named }), [200, 200, 200]);
    for (const path of ['/healthz', '/readyz', '/metrics'])
      assert.equal((await ask(port, path)).status, 200, path);
  }
});

test('the form of the page gives a cookie for the token, which is not the token', async (t) => {
  const { port } = await served(t, { token: TOKEN });
  const asked = await ask(port, '/');
  assert.match(asked.body, /<form method="post" action="\/sign-in">/);
  assert.match(asked.body, /id="wrong" hidden/);
  const wrong = await ask(port, '/sign-in', form('something else'));
  assert.deepEqual([wrong.status, wrong.headers['set-cookie']], [401, undefined]);
  assert.match(wrong.body, /id="wrong">That is not the token/);
  const right = await ask(port, '/sign-in', form(` ${TOKEN}\n`));
  assert.deepEqual([right.status, right.headers.location], [303, '/']);
  const [cookie = ''] = right.headers['set-cookie'] ?? [];
  assert.match(cookie, new RegExp(`^sessionfs-${port}=[\\w-]{43}; HttpOnly; SameSite=Strict; Path=/$`));
  assert.ok(!cookie.includes(TOKEN));
  const Cookie = `other=1; ${cookie.split(';')[0]}`;
  assert.deepEqual(await statuses(port, { headers: { Cookie } }), [200, 200, 200]);
  assert.deepEqual(await statuses(port, { headers: { Cookie: `${Cookie}x` } }), [401, 401, 401]);
  // That of another token opens nothing.
  const other = await served(t, { token: `${TOKEN}2` });
  const moved = Cookie.replace(String(port), String(other.port));
  assert.deepEqual(await statuses(other.port, { headers: { Cookie: moved } }), [401, 401, 401]);
  const out = await ask(port, '/sign-out', { method: 'POST' });
  assert.deepEqual([out.status, out.headers.location], [303, '/']);
  assert.match(String(out.headers['set-cookie']), /=; HttpOnly; SameSite=Strict; Path=\/; Max-Age=0$/);
});

test('no other site signs a browser in or out, and a form has an end', async (t) => {
  const { port } = await served(t, { token: TOKEN });
  for (const path of ['/sign-in', '/sign-out']) {
    assert.equal((await ask(port, path, form(TOKEN, { 'Sec-Fetch-Site': 'cross-site' }))).status, 403);
    const got = await ask(port, path);
    assert.deepEqual([got.status, got.headers.allow], [405, 'POST']);
  }
  assert.equal((await ask(port, '/sign-in', form('x'.repeat(10_000)))).status, 413);
});

test('every answer of the page lets nothing in and is shown by no other site', async (t) => {
  const { port } = await served(t);
  for (const path of [...GUARDED, '/status.js', '/chart.js', '/status.css', '/icon.svg']) {
    const { status, headers } = await ask(port, path, { method: 'HEAD' });
    assert.equal(status, 200, path);
    const policy = new Map(
      String(headers['content-security-policy'])
        .split('; ')
        .map((rule) => [rule.split(' ', 1)[0], rule.slice(rule.indexOf(' ') + 1)]),
    );
    assert.equal(policy.get('default-src'), "'none'");
    for (const kind of ['script-src', 'style-src', 'connect-src', 'img-src', 'form-action'])
      assert.equal(policy.get(kind), "'self'", kind);
    for (const kind of ['base-uri', 'frame-ancestors']) assert.equal(policy.get(kind), "'none'", kind);
    assert.deepEqual(
      ['cache-control', 'referrer-policy', 'x-content-type-options', 'cross-origin-resource-policy'].map(
        (name) => headers[name],
      ),
      ['no-store', 'no-referrer', 'nosniff', 'same-origin'],
    );
  }
  for (const path of ['/', '/events', '/status.js']) {
    const { status, headers } = await ask(port, path, { method: 'POST' });
    assert.deepEqual([status, headers.allow], [405, 'GET, HEAD'], path);
  }
});

test('phone numbers are sent only when they are asked for', async (t) => {
  const trouble = {
    error: `no object sessions/${SESSION}/creds.json`,
    since: '2026-03-01T10:00:00Z',
    waits: 'calls',
  };
  const sessions = [sessionOf(SESSION, { trouble })];
  const { port } = await served(t, { report: () => reportOf({ sessions }) });
  const short = await ask(port, '/status.json');
  assert.ok(!short.body.includes('491515550'));
  assert.equal(JSON.parse(short.body).sessions.rows[0].name, 'user1-+…1234');
  const full = await ask(port, '/status.json?names=full');
  assert.equal(JSON.parse(full.body).sessions.rows[0].name, SESSION);
});

test('a report that fails is 500 and logged, and says nothing of the reason', async (t) => {
  const { port, logged } = await served(t, {
    report: () => {
      throw new Error('a detail of the inside');
    },
  });
  const { status, body } = await ask(port, '/status.json');
  assert.equal(status, 500);
  assert.ok(!body.includes('detail'));
  assert.ok(logged.some((line) => line.includes('a detail of the inside')));
});

test('an address is of this machine only, or not', () => {
  for (const address of ['127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1'])
    assert.equal(isLoopbackAddress(address), true, address);
  for (const address of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '::ffff:10.0.0.1',
    '128.0.0.1',
    'fe80::1',
    '1127.0.0.1',
  ])
    assert.equal(isLoopbackAddress(address), false, address);
});

test('forms that are never sent whole keep no probe out', async (t) => {
  const { port, statusPage } = await served(t, { token: TOKEN });
  const { mock } = t.mock.method(statusPage, 'respond');
  for (let index = 0; index < 64; index++) {
    const client = await RawClient.connect(t, port);
    await client.send('POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\ntoken=');
  }
  await until(() => mock.callCount() === 64);
  const probe = await RawClient.connect(t, port);
  await probe.send('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
  assert.match(await probe.untilClosed(), /^HTTP\/1\.1 200 /);
});
