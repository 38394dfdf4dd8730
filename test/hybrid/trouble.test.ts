/** What a bucket can have against a mount: it is served all the same, the log says what to do, and it recovers by itself. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Scope } from '../support/cleanup.ts';
import { fileScope } from '../support/file-scope.ts';
import { freePort } from '../support/free-port.ts';
import { createTestBucket, gcsEmulator } from '../support/gcs-emulator.ts';
import { type GcsProxy, startGcsProxy } from '../support/gcs-proxy.ts';
import type { Fault } from '../support/store-proxy.ts';
import { until } from '../support/until.ts';
import { Account, logged, type Machine, readFiles, SESSION, statusOf, writeFiles } from './support.ts';

const UNUSABLE = /^The bucket cannot be used/;
const BACKED_UP = 'Session backed up to Cloud Storage';
const FAILED = 'Failed to backup to Cloud Storage, continuing with local storage';
const CREDS = '{"registered":true}';
const files = { 'creds.json': CREDS, 'a.json': '{}' };
const options = { timeout: 180_000 };

interface Bucket {
  proxy: GcsProxy;
  account: Account;
  env: Record<string, string>;
}

/** `known`: of a bucket that is there already; a proxy to it, and machines, of this test's own. */
async function cloud(scope: Scope, known?: Account): Promise<Bucket> {
  const emulator = await gcsEmulator();
  const proxy = await startGcsProxy(scope, emulator);
  const account = new Account(scope, known?.bucket ?? (await createTestBucket(emulator)), known?.key);
  return { proxy, account, env: { STORAGE_EMULATOR_HOST: proxy.url } };
}

/**
 * A machine that has sessions, all of them in the bucket. A proxy serves from this very process: nothing in a test may wait
 * for it in a synchronous call.
 */
async function settled(
  account: Account,
  env: Record<string, string>,
  sessions = [SESSION],
): Promise<Machine> {
  const machine = account.machine();
  const mounted = await machine.mount(env);
  for (const session of sessions) writeFiles(join(machine.mountPoint, session), files);
  await mounted.unmount();
  return machine;
}

const file = fileScope();
let shared: Promise<{ account: Account; machine: Machine }> | undefined;

/** One machine, and its bucket, for the tests that each change a session of their own. */
function sharedMachine(): Promise<{ account: Account; machine: Machine }> {
  shared ??= cloud(file).then(async ({ account, env }) => {
    const sessions = [...TROUBLES.map(({ session }) => session), SESSION];
    return { account, machine: await settled(account, env, sessions) };
  });
  return shared;
}

const TROUBLES: ReadonlyArray<{
  name: string;
  session: string;
  fault: Fault;
  reason: string;
  hint: RegExp | undefined;
  /** Of `/readyz`. */
  warning: RegExp;
}> = [
  {
    name: 'no permission',
    session: 'user0-+4915100000',
    fault: { status: 403, reason: 'forbidden' },
    reason: 'permission',
    hint: /role|permission/i,
    warning: /^the bucket refuses permission\. .*role/i,
  },
  {
    name: 'no valid credentials',
    session: 'user1-+4915100001',
    fault: { status: 401, reason: 'authError' },
    reason: 'permission',
    hint: /service account/i,
    warning: /^the credentials for the bucket are missing or refused/,
  },
  {
    name: 'no answer',
    session: 'user2-+4915100002',
    fault: 'reset',
    reason: 'unreachable',
    hint: undefined,
    warning: /^the bucket does not answer/,
  },
  {
    name: 'a server in trouble',
    session: 'user3-+4915100003',
    fault: { status: 503 },
    reason: 'unreachable',
    hint: undefined,
    warning: /^the bucket does not answer/,
  },
];

async function readinessOf(port: number): Promise<{ status: number; warning?: string; reason?: string }> {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
  return { ...((await answer.json()) as object), status: answer.status };
}

for (const { name, session, fault, reason, hint, warning } of TROUBLES) {
  test(
    `${name}: what is here is served and written, the reason is told, and it recovers by itself`,
    options,
    async (t) => {
      const { account, machine } = await sharedMachine();
      const { proxy, env } = await cloud(t, account);
      proxy.inject({ fault });
      const port = await freePort();
      const address = `127.0.0.1:${port}`;
      const settings = { SESSION_BACKUP_INTERVAL: '1500', SESSION_HTTP_ADDRESS: address };
      const mounted = await machine.mount({ ...env, ...settings }, t);
      const line = await logged(mounted, UNUSABLE);
      const readiness = await readinessOf(port);
      assert.equal(readiness.status, 200, 'what is in the cache is served');
      assert.match(String(readiness.warning), warning);
      assert.deepEqual([line.level, line.reason], ['error', reason]);
      if (hint !== undefined) assert.match(String(line.hint), hint);
      assert.deepEqual(readFiles(machine.path(session)), files);
      writeFileSync(machine.path(session, 'creds.json'), '{"registered":true,"v":2}');
      assert.equal((await logged(mounted, FAILED)).session, session);
      const { bucket, dirty } = await statusOf(mounted);
      assert.deepEqual([bucket.listed, dirty], [false, 1]);
      assert.equal(typeof bucket.lastError, 'string');
      proxy.clear();
      await logged(mounted, BACKED_UP);
      await logged(mounted, 'The bucket answers');
      await mounted.unmount();
    },
  );
}

test(
  'a bucket that does not exist: the start of an empty machine fails; one with a session serves it',
  options,
  async (t) => {
    const emulator = await gcsEmulator();
    const name = `late-${randomBytes(6).toString('hex')}`;
    const account = new Account(t, name);
    const env = { STORAGE_EMULATOR_HOST: emulator, SESSION_BACKUP_INTERVAL: '1000' };
    const machine = account.machine();
    await assert.rejects(machine.mount(env), /exited with 64[\s\S]*there is no such bucket/);
    const local = await machine.mount({ SESSION_STORAGE_TYPE: 'local' });
    writeFiles(machine.path(SESSION), files);
    await local.unmount();
    const mounted = await machine.mount(env);
    const line = await logged(mounted, UNUSABLE);
    assert.equal(line.reason, 'missing');
    assert.match(String(line.hint), /bucket/);
    const { bucket } = await statusOf(mounted);
    assert.deepEqual(
      [bucket.trouble?.code, bucket.trouble?.summary],
      ['BUCKET_MISSING', 'there is no such bucket'],
    );
    const answer = await fetch(`${emulator}/storage/v1/b?project=test`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name }),
    });
    assert.ok(answer.ok);
    await logged(mounted, 'The bucket answers');
    await logged(mounted, BACKED_UP);
    await until(async () => (await statusOf(mounted)).bucket.trouble === undefined);
    await mounted.unmount();
  },
);

for (const [status, reason, words] of [
  [403, 'forbidden', /exited with 65[\s\S]*forbidden/],
  [401, 'authError', /exited with 66[\s\S]*authError/],
] as const)
  test(`${status} from the bucket ends the start of an empty machine with its reason`, options, async (t) => {
    const { proxy, account, env } = await cloud(t);
    proxy.inject({ fault: { status, reason } });
    await assert.rejects(account.machine().mount(env), words);
  });

test('an empty machine does not take a bucket that does not answer for an empty one', options, async (t) => {
  const known = (await sharedMachine()).account;
  const { proxy, account, env } = await cloud(t, known);
  proxy.outage(true);
  const machine = account.machine();
  const port = await freePort();
  const mounted = await machine.mount({ ...env, SESSION_HTTP_ADDRESS: `127.0.0.1:${port}` });
  const unready = await readinessOf(port);
  assert.equal(unready.status, 503);
  assert.match(String(unready.reason), /^the bucket has not said yet which sessions there are/);
  const listing = readdir(machine.mountPoint);
  const content = readFile(machine.path(SESSION, 'creds.json'), 'utf8');
  await logged(mounted, UNUSABLE);
  proxy.outage(false);
  assert.deepEqual((await listing).sort(), [SESSION, ...TROUBLES.map(({ session }) => session)].sort());
  assert.equal(await content, CREDS);
  await mounted.unmount();
});

test(
  'the wrong key for what is in the bucket: an empty machine does not start with it, unless it knows the right one too',
  options,
  async (t) => {
    const account = new Account(t);
    await settled(account, {});
    const right = account.key;
    const machine = account.machine();
    const other = randomBytes(32).toString('hex');
    await assert.rejects(
      machine.mount({ SESSION_ENCRYPTION_KEY: other }),
      /exited with 22[\s\S]*sealed with another key/,
    );
    const mounted = await machine.mount({
      SESSION_ENCRYPTION_KEY: other,
      SESSION_ENCRYPTION_KEYS_PREVIOUS: right,
    });
    assert.equal(await readFile(machine.path(SESSION, 'creds.json'), 'utf8'), CREDS);
    await mounted.unmount();
  },
);

test(
  'an object that was changed in the bucket: EIO for that file, a line in the log, the others are served',
  options,
  async (t) => {
    const account = new Account(t);
    await settled(account, {});
    const stored = join(account.bucket.slice('file://'.length), 'sessions/user/+4915100000/a.json');
    const bytes = readFileSync(stored);
    // As an operator who changes it with another tool: the store knows nothing of it.
    bytes[70] = (bytes[70] ?? 0) ^ 1;
    writeFileSync(`${stored}.new`, bytes);
    renameSync(`${stored}.new`, stored);
    const machine = account.machine();
    const mounted = await machine.mount();
    assert.equal(readFileSync(machine.path(SESSION, 'creds.json'), 'utf8'), CREDS);
    assert.throws(() => readFileSync(machine.path(SESSION, 'a.json')), { code: 'EIO' });
    const line = await logged(mounted, /^An object in the bucket does not open/);
    assert.deepEqual([line.session, line.level], [SESSION, 'error']);
    assert.deepEqual(readdirSync(machine.path(SESSION)).sort(), ['a.json', 'creds.json']);
    const metrics = await readFile(join(machine.mountPoint, '.sessionfs/metrics'), 'utf8');
    assert.match(metrics, /^sessionfs_restores_total\{result="corrupt"\} 1$/m);
    await mounted.unmount();
  },
);

test('a daemon whose supervisor dies before the mount is made ends', options, async (t) => {
  const { proxy, account, env } = await cloud(t);
  proxy.inject({ fault: 'stall' });
  const machine = account.machine();
  const mounted = machine.mount(env).then(
    () => assert.fail('it was mounted'),
    (error: Error) => error,
  );
  const daemon = await until(() => pidIn(join(machine.cachePath, 'lock')));
  // The bucket does not answer, so the start takes its time.
  await until(() => proxy.requests.length > 0);
  process.kill(parentOf(daemon), 'SIGKILL');
  assert.match((await mounted).message, /exited with null/);
  await until(() => !existsSync(`/proc/${daemon}`));
});

function pidIn(path: string): number | undefined {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  return Number(/\d+/.exec(text)?.[0]) || undefined;
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

test('modification times of another century change nothing', options, async (t) => {
  const account = new Account(t);
  const machine = account.machine();
  const mounted = await machine.mount();
  const flush = join(machine.mountPoint, '.sessionfs/flush');
  writeFiles(machine.path(SESSION), files);
  writeFileSync(flush, 'all');
  const future = new Date(Date.now() + 100 * 365 * 86_400_000);
  utimesSync(machine.path(SESSION, 'creds.json'), future, future);
  utimesSync(machine.path(SESSION, 'a.json'), new Date(0), new Date(0));
  writeFileSync(flush, 'all');
  await mounted.unmount();
  const other = account.machine();
  const restored = await other.mount();
  assert.deepEqual(readFiles(other.path(SESSION)), files);
  await restored.unmount();
});
