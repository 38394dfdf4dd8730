/** What only Google Cloud Storage has: its set-up, its settings, its emulator. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { ABSENT } from '../../src/bucket/bucket.ts';
import { openBucket } from '../../src/bucket/open.ts';
import { emulatorHost } from '../../src/config/parsers.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { repository } from '../support/repository.ts';
import { gcsBehindProxy, ofKind, openGcs } from './subjects.ts';

const fresh = { ifGeneration: ABSENT, metadata: {} };

test('each way of writing the emulator’s address works, whatever the environment says', async (t) => {
  const { proxy, name } = await gcsBehindProxy(t);
  const { host } = new URL(proxy.url);
  const before = process.env.STORAGE_EMULATOR_HOST;
  try {
    for (const text of [
      host,
      proxy.url,
      `${proxy.url}/`,
      `${proxy.url}/storage/v1`,
      `${proxy.url}/storage/v1/`,
    ]) {
      for (const variable of [undefined, text, `${proxy.url}/storage/v1`, 'http://127.0.0.1:9']) {
        if (variable === undefined) delete process.env.STORAGE_EMULATOR_HOST;
        else process.env.STORAGE_EMULATOR_HOST = variable;
        const bucket = await openBucket({ kind: 'gcs', name }, { emulatorUrl: emulatorHost(text) });
        assert.equal(process.env.STORAGE_EMULATOR_HOST, variable);
        const object = `${text} ${variable}`;
        const put = await bucket.put(object, Buffer.from('x'), fresh);
        assert.equal((await bucket.get(object)).generation, put.generation);
        await bucket.delete(object, { ifGeneration: put.generation });
        assert.deepEqual(await bucket.list(''), { objects: [], nextPage: undefined });
        assert.equal(await bucket.deleteAfterDays(), undefined);
        bucket.close();
      }
    }
  } finally {
    if (before === undefined) delete process.env.STORAGE_EMULATOR_HOST;
    else process.env.STORAGE_EMULATOR_HOST = before;
  }
});

test('a bucket that does not exist is missing in every call, and says what to do', async (t) => {
  const { proxy } = await gcsBehindProxy(t);
  const bucket = openGcs(t, proxy, { name: 'never-created' });
  const calls = [
    () => bucket.list(''),
    () => bucket.get('x'),
    () => bucket.head('x'),
    () => bucket.put('x', Buffer.from('x'), fresh),
    () => bucket.delete('x', { ifGeneration: '1' }),
    () => bucket.deleteAfterDays(),
  ];
  for (const call of calls) {
    await assert.rejects(call, (error: { hint?: string }) => {
      assert.match(error.hint ?? '', /STORAGE_BUCKET/);
      return ofKind('missing', /no such bucket/)(error);
    });
  }
});

test('without an emulator there, it is unreachable', async () => {
  const bucket = await openBucket({ kind: 'gcs', name: 'any' }, { emulatorUrl: 'http://127.0.0.1:9' });
  await assert.rejects(bucket.head('x'), ofKind('unreachable', /ECONNREFUSED/));
});

test('the youngest age at which a rule deletes is found among the rules', async (t) => {
  const { proxy, name } = await gcsBehindProxy(t);
  const bucket = openGcs(t, proxy, { name });
  const rule = (type: string, condition: object) => ({ action: { type }, condition });
  proxy.lifecycle = {
    rule: [
      rule('SetStorageClass', { age: 3 }),
      rule('Delete', { age: 90 }),
      rule('Delete', { age: 30, matchesPrefix: ['sessions/'] }),
      rule('Delete', { numNewerVersions: 2 }),
    ],
  };
  assert.equal(await bucket.deleteAfterDays(), 30);
  for (const harmless of [
    { numNewerVersions: 2 },
    { age: 3, isLive: false },
    { age: 3, numNewerVersions: 1 },
    { age: 3, daysSinceNoncurrentTime: 3 },
    { age: 3, matchesPrefix: ['logs/', 'sessions-of-another-program/'] },
  ]) {
    proxy.lifecycle = { rule: [rule('Delete', harmless)] };
    assert.equal(await bucket.deleteAfterDays(), undefined, JSON.stringify(harmless));
  }
  for (const harmful of [
    { age: 3, isLive: true },
    { age: 3, matchesPrefix: ['logs/', 's'] },
    { age: 3, matchesPrefix: ['sessions/user/'] },
    { age: 3, matchesPrefix: ['.sessionfs/'] },
    { age: 3, matchesSuffix: ['.json'] },
  ]) {
    proxy.lifecycle = { rule: [rule('Delete', harmful)] };
    assert.equal(await bucket.deleteAfterDays(), 3, JSON.stringify(harmful));
  }
  proxy.inject({ fault: { status: 403, reason: 'forbidden', message: 'no storage.buckets.get' } });
  await assert.rejects(bucket.deleteAfterDays(), ofKind('permission', /storage\.buckets\.get/));
});

test('many calls at once are no leak of listeners, and Node warns of none', async (t) => {
  const { proxy, name } = await gcsBehindProxy(t);
  const bucket = openGcs(t, proxy, { name });
  const warnings: string[] = [];
  const heard = ({ message }: Error) => warnings.push(message);
  process.on('warning', heard);
  t.after(() => process.off('warning', heard));
  await Promise.all(Array.from({ length: 30 }, () => bucket.list('')));
  // A warning is told a tick later.
  await new Promise(setImmediate);
  assert.deepEqual(warnings, []);
});

test('each call is one request', async (t) => {
  const { proxy, name } = await gcsBehindProxy(t);
  const bucket = openGcs(t, proxy, { name });
  const { generation } = await bucket.put('x', Buffer.from('x'), fresh);
  await bucket.get('x');
  await bucket.head('x');
  await bucket.list('');
  await bucket.delete('x', { ifGeneration: generation });
  await bucket.deleteAfterDays();
  assert.deepEqual(
    proxy.requests.map((request) => request.kind),
    ['put', 'get', 'head', 'list', 'delete', 'config'],
  );
});

/** In a process of its own, with an empty home: the SDK looks for credentials in the environment and in files. */
function withoutCredentials(
  home: string,
  added: Record<string, string>,
): { kind: string; hint: string; message: string } {
  const driver = join(repository, 'dist/src/bucket/gcs/gcs-bucket.js');
  const script = `
    const { openGcsBucket } = await import(${JSON.stringify(driver)});
    const error = await openGcsBucket({ name: 'some-bucket', timeoutMs: 10000 }).head('x').catch((caught) => caught);
    console.log(JSON.stringify({ kind: error.kind, hint: error.hint, message: error.message }));`;
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    // Nothing on this machine or around it may answer for the metadata server of Google Cloud.
    env: cleanEnvironment({ HOME: home, METADATA_SERVER_DETECTION: 'none', ...added }),
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(result.status, 0, result.stderr);
  return JSON.parse(result.stdout);
}

test('without credentials the error says so, and what to do; an emulator’s variable alone changes nothing', () => {
  for (const added of [{}, { STORAGE_EMULATOR_HOST: 'http://127.0.0.1:9' }]) {
    const { kind, message, hint } = withoutCredentials('/nonexistent', added);
    assert.equal(kind, 'permission', message);
    assert.match(message, /no Google credentials/);
    assert.match(hint, /GOOGLE_APPLICATION_CREDENTIALS/);
  }
  const wrong = withoutCredentials('/nonexistent', {
    GOOGLE_APPLICATION_CREDENTIALS: '/nonexistent/key.json',
  });
  assert.equal(wrong.kind, 'permission', wrong.message);
  assert.match(wrong.hint, /key file/);
});
