/** bin/sessionfs-ready, what a pod's probes run: their events show why a pod is not ready. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { cleanEnvironment } from '../support/environment.ts';
import { repository } from '../support/repository.ts';

function probe(address: string): Promise<{ status: number; said: string }> {
  const env = cleanEnvironment({ SESSION_HTTP_ADDRESS: address });
  return new Promise((resolve) => {
    execFile(join(repository, 'bin/sessionfs-ready'), { env }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code), said: stdout + stderr }),
    );
  });
}

async function page(t: TestContext, status: number, body: string): Promise<number> {
  const server = createServer((request, response) => {
    assert.equal(request.url, '/readyz');
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

test('it says what the page says, whatever address that is served on', async (t) => {
  const ready = await page(t, 200, '{"status":"ready"}\n');
  const waits = '{"status":"not ready","reason":"the bucket has not said yet which sessions there are"}';
  const notReady = await page(t, 503, `${waits}\n`);
  for (const host of ['127.0.0.1', '0.0.0.0', '[::]'])
    assert.deepEqual(await probe(`${host}:${ready}`), { status: 0, said: '{"status":"ready"}\n' });
  assert.deepEqual(await probe(`0.0.0.0:${notReady}`), { status: 1, said: `${waits}\n` });
});

test('it says that nothing answers, and what is not set', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  const { status, said } = await probe(`0.0.0.0:${port}`);
  assert.deepEqual([status, /^nothing answers on 127.0.0.1 port \d+: .*\n$/.test(said)], [1, true], said);
  assert.match((await probe('')).said, /^SESSION_HTTP_ADDRESS is not set/);
});
