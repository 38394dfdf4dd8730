import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SessionfsError } from '../../src/lib/errors.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { repository } from '../support/repository.ts';
import { parseExposition } from './support/prometheus-text.ts';
import { served } from './support/served.ts';

test('healthz is 200 while the daemon is well, else 503', async (t) => {
  let well = true;
  const { url } = await served(t, { health: () => well });
  const good = await fetch(`${url}/healthz`);
  assert.deepEqual([good.status, await good.json()], [200, { status: 'ok' }]);
  well = false;
  const bad = await fetch(`${url}/healthz`);
  assert.deepEqual([bad.status, await bad.json()], [503, { status: 'failed' }]);
});

test('readyz says why no caller is served, whether it is known at once or later', async (t) => {
  const reason = 'the list of sessions has not come from the bucket yet';
  let readiness: () => { ready: boolean; reason?: string } | Promise<{ ready: boolean; reason?: string }>;
  readiness = () => ({ ready: true });
  const { url } = await served(t, { ready: () => readiness() });
  const get = async () => {
    const answer = await fetch(`${url}/readyz`);
    return [answer.status, await answer.json()];
  };
  assert.deepEqual(await get(), [200, { status: 'ready' }]);
  readiness = async () => ({ ready: false, reason });
  assert.deepEqual(await get(), [503, { status: 'not ready', reason }]);
  readiness = () => ({ ready: false });
  assert.deepEqual(await get(), [503, { status: 'not ready', reason: 'no reason is known' }]);
});

test('a mount that does not answer is not ready, and its health is answered meanwhile', async (t) => {
  const { url } = await served(t, { ready: () => new Promise(() => {}) });
  const pending = fetch(`${url}/readyz`);
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
  const answer = await pending;
  assert.deepEqual(
    [answer.status, await answer.json()],
    [503, { status: 'not ready', reason: 'the mount does not answer' }],
  );
});

test('metrics are served as Prometheus wants them', async (t) => {
  const metrics = new Metrics();
  metrics.backup('success', { files: 2, bytes: 10, deletes: 0 });
  const { url } = await served(t, { metrics });
  const answer = await fetch(`${url}/metrics`);
  assert.deepEqual(
    [answer.status, answer.headers.get('content-type')],
    [200, 'text/plain; version=0.0.4; charset=utf-8'],
  );
  const { samples } = parseExposition(await answer.text());
  assert.equal(samples.get('sessionfs_backups_total{result="success"}'), 1);
});

test('a scraper that asks for OpenMetrics gets it, another one does not', async (t) => {
  const metrics = new Metrics();
  metrics.restore('success', 1_500);
  const { url } = await served(t, { metrics });
  const get = async (accept: string) => {
    const answer = await fetch(`${url}/metrics`, { headers: { accept } });
    return { type: answer.headers.get('content-type') ?? '', text: await answer.text() };
  };
  // As Prometheus asks.
  const prometheus =
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
  const { type, text } = await get(prometheus);
  assert.equal(type, 'application/openmetrics-text; version=1.0.0; charset=utf-8');
  assert.match(text, /^# TYPE sessionfs_restores counter$/m);
  assert.match(text, /^sessionfs_restores_total\{result="success"\} 1$/m);
  assert.match(text, /^sessionfs_restore_duration_seconds_bucket\{le="1\.0"\} 0$/m);
  assert.match(text, /^sessionfs_restore_duration_seconds_bucket\{le="2\.5"\} 1$/m);
  assert.ok(text.endsWith('\n# EOF\n') && !text.includes('\n\n'));
  const plain = await get('*/*');
  for (const accept of [
    'text/plain',
    'application/openmetrics-text;q=0, text/plain',
    'application/openmetrics-text; version=2.0.0, */*;q=0.1',
  ])
    assert.equal((await get(accept)).type, plain.type, accept);
  assert.match(plain.text, /^# TYPE sessionfs_restores_total counter$/m);
});

test('a page that cannot be made is 500 and logged, says nothing of the reason, and the next one works', async (t) => {
  const secret = 'a detail of the inside';
  const { url, logged } = await served(t, {
    metrics: { contentType: 'text/plain', render: () => Promise.reject(new Error(secret)) },
    ready: () => {
      throw new Error(secret);
    },
  });
  for (const path of ['/metrics', '/readyz']) {
    const answer = await fetch(url + path);
    assert.equal(answer.status, 500);
    assert.ok(!(await answer.text()).includes(secret));
  }
  assert.equal(logged.filter((line) => line.includes(secret)).length, 2);
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
});

test('HEAD has the headers of GET and no body', async (t) => {
  const { url } = await served(t);
  for (const path of ['/healthz', '/readyz']) {
    const [head, get] = [await fetch(url + path, { method: 'HEAD' }), await fetch(url + path)];
    assert.equal(head.status, 200);
    assert.equal(await head.text(), '');
    for (const name of ['content-length', 'content-type']) {
      assert.equal(head.headers.get(name), get.headers.get(name));
    }
    assert.equal(Number(get.headers.get('content-length')), (await get.text()).length);
  }
});

test('a query is no part of the path; every other path is 404', async (t) => {
  const { url } = await served(t);
  assert.equal((await fetch(`${url}/healthz?from=probe`)).status, 200);
  for (const path of [
    '/',
    '/health',
    '/healthz/',
    '/HEALTHZ',
    '//healthz',
    '/metrics/../../etc/passwd',
    '/%68ealthz',
  ]) {
    assert.equal((await fetch(url + path)).status, 404, path);
  }
});

test('other methods are refused with those that are allowed, and their bodies are not waited for', async (t) => {
  const { url, port } = await served(t);
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    const answer = await fetch(`${url}/metrics`, { method });
    assert.deepEqual([answer.status, answer.headers.get('allow')], [405, 'GET, HEAD'], method);
  }
  const status = await new Promise((resolve, reject) => {
    const request = httpRequest({
      port,
      path: '/metrics',
      method: 'POST',
      headers: { 'Content-Length': 1e9 },
    });
    request.on('response', (response) => resolve(response.resume().statusCode)).on('error', reject);
    request.flushHeaders();
  });
  assert.equal(status, 405);
});

test('answers are not cached and end their connection', async (t) => {
  const { url } = await served(t);
  const { headers } = await fetch(`${url}/readyz`);
  assert.deepEqual(
    [headers.get('cache-control'), headers.get('connection'), headers.get('x-content-type-options')],
    ['no-store', 'close', 'nosniff'],
  );
});

test('an IPv6 address is served', async (t) => {
  const addresses = Object.values(networkInterfaces()).flat();
  if (!addresses.some((address) => address?.address === '::1')) return t.skip('no IPv6 on this machine');
  const { url } = await served(t, {}, { host: '::1', port: 0 });
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
});

async function refusal(call: Promise<unknown>): Promise<SessionfsError> {
  const error = await call.then(
    () => assert.fail('nothing was refused'),
    (error: unknown) => error,
  );
  assert.ok(error instanceof SessionfsError, String(error));
  assert.deepEqual([error.code, error.exitStatus], ['HTTP_ADDRESS_UNAVAILABLE', 50]);
  return error;
}

test('a port that is in use is refused with what to do', async (t) => {
  const { port } = await served(t);
  const { message, hint } = await refusal(served(t, {}, { host: '127.0.0.1', port }));
  assert.equal(message, `health and metrics cannot be served on 127.0.0.1:${port}: EADDRINUSE`);
  assert.match(hint ?? '', /a port of its own/);
});

test('an address of another machine is refused, an IPv6 one in its brackets', async (t) => {
  const v4 = await refusal(served(t, {}, { host: '192.0.2.1', port: 0 }));
  assert.match(v4.message, /^health and metrics cannot be served on 192\.0\.2\.1:0: EADDRNOTAVAIL$/);
  const v6 = await refusal(served(t, {}, { host: '2001:db8::1', port: 9464 }));
  assert.match(v6.message, /on \[2001:db8::1\]:9464: /);
  assert.ok(v4.hint && v6.hint);
});

const UNPRIVILEGED_START = '/proc/sys/net/ipv4/ip_unprivileged_port_start';
const NOBODY = 65534;

test('a port that needs root is refused to others, with a hint', (t) => {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || !existsSync(UNPRIVILEGED_START) || Number(readFileSync(UNPRIVILEGED_START, 'utf8')) < 2) {
    return t.skip('needs root, and ports that are reserved for it');
  }
  const moduleUrl = (path: string) => JSON.stringify(join(repository, 'dist/src/observe', path));
  const script = `
    import { serveHttp } from ${moduleUrl('http.js')};
    import { createLogger } from ${moduleUrl('log.js')};
    const log = createLogger({ level: 'silent' });
    process.setgroups([]);
    process.setgid(${NOBODY});
    process.setuid(${NOBODY});
    const { code, message, hint } = await serveHttp({ host: '127.0.0.1', port: 1 }, {}, log).catch((error) => error);
    console.log(JSON.stringify({ code, message, hint }));
  `;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: cleanEnvironment(),
    timeout: 60_000,
  });
  assert.deepEqual(JSON.parse(child.stdout), {
    code: 'HTTP_ADDRESS_UNAVAILABLE',
    message: 'health and metrics cannot be served on 127.0.0.1:1: EACCES',
    hint: 'Choose a port from 1024 up, or start sessionfs as root.',
  });
});

test('a name that does not resolve is refused', async (t) => {
  const { hint } = await refusal(served(t, {}, { host: 'no-such-host.invalid', port: 0 }));
  assert.ok(hint);
});

test('after close the port is free', async (t) => {
  const first = await served(t);
  await first.close();
  await first.close();
  const second = await served(t, {}, { host: '127.0.0.1', port: first.port });
  assert.equal((await fetch(`${second.url}/healthz`)).status, 200);
});
