import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { createTestBucket, gcsEmulator } from '../support/gcs-emulator.ts';
import { startGcsProxy } from '../support/gcs-proxy.ts';
import { until } from '../support/until.ts';
import { Account, logged, logLines, readFiles, SESSION, statusOf, writeFiles } from './support.ts';

const BACKED_UP = 'Session backed up to Cloud Storage';
const files = { [`${SESSION}/creds.json`]: '{}', [`${SESSION}/a.json`]: '{}' };
const options = { timeout: 180_000 };
/** Nothing goes by itself. */
const byHand = { SESSION_BACKUP_INTERVAL: '0' };

test(
  'echo SESSION > flush returns when the session is in the bucket; all stands for all of them',
  options,
  async (t) => {
    const account = new Account(t);
    const machine = account.machine();
    const mounted = await machine.mount(byHand);
    const flush = join(machine.mountPoint, '.sessionfs/flush');
    // Not synchronously: the proxy lives in this process.
    for (const session of [SESSION, 'other-+2']) await mkdir(machine.path(session));
    for (const path of [...Object.keys(files), 'other-+2/creds.json'])
      await writeFile(machine.path(path), '{}');
    assert.equal((await statusOf(mounted)).dirty, 3);
    writeFileSync(flush, `${SESSION}\n`);
    const { dirty, backups } = await statusOf(mounted);
    assert.equal(dirty, 1);
    assert.deepEqual(
      backups.map(({ session, dirty, lastBackupAt }) => [session, dirty, typeof lastBackupAt]),
      [
        ['other-+2', 1, 'undefined'],
        [SESSION, 0, 'string'],
      ],
    );
    writeFileSync(flush, 'all');
    assert.equal((await statusOf(mounted)).dirty, 0);
    writeFileSync(flush, 'all');
    assert.throws(() => writeFileSync(flush, 'nobody-+0'), { code: 'EIO' });
    mounted.crash();
    const other = account.machine();
    const restored = await other.mount(byHand);
    assert.equal(Object.keys(readFiles(other.mountPoint)).length, 3);
    await restored.unmount();
  },
);

test('a plain file that is written without a pause is backed up as it is', options, async (t) => {
  const account = new Account(t);
  const machine = account.machine();
  const mounted = await machine.mount(byHand);
  writeFiles(machine.mountPoint, { [`${SESSION}/events.log`]: 'one\n' });
  const log = openSync(machine.path(SESSION, 'events.log'), 'a');
  for (let line = 0; line < 50; line++) writeSync(log, `${line}\n`);
  writeFileSync(join(machine.mountPoint, '.sessionfs/flush'), 'all');
  mounted.crash();
  closeSync(log);
  const other = account.machine();
  const restored = await other.mount(byHand);
  const text = readFileSync(other.path(SESSION, 'events.log'), 'utf8');
  assert.equal(text.split('\n').length, 52);
  await restored.unmount();
});

test('a flush that fails is EIO, its reason in status.json; what was written stays', options, async (t) => {
  const emulator = await gcsEmulator();
  const proxy = await startGcsProxy(t, emulator);
  const account = new Account(t, await createTestBucket(emulator));
  const machine = account.machine();
  const mounted = await machine.mount({ ...byHand, STORAGE_EMULATOR_HOST: proxy.url });
  writeFiles(machine.mountPoint, files);
  proxy.inject({ fault: { status: 403, reason: 'forbidden' } });
  await assert.rejects(writeFile(join(machine.mountPoint, '.sessionfs/flush'), SESSION), { code: 'EIO' });
  const { backups, dirty } = await statusOf(mounted);
  assert.deepEqual([dirty, backups[0]?.dirty, typeof backups[0]?.lastError], [2, 2, 'string']);
  proxy.clear();
  await mounted.unmount();
  assert.equal(proxy.count('put') >= 3, true);
});

test(
  'metrics tell what happened, in the mount and over HTTP; probes tell who may be started',
  options,
  async (t) => {
    const account = new Account(t);
    const machine = account.machine();
    const port = await freePort();
    const mounted = await machine.mount({ ...byHand, SESSION_HTTP_ADDRESS: `127.0.0.1:${port}` });
    const get = async (page: string) => {
      const answer = await fetch(`http://127.0.0.1:${port}${page}`);
      return { status: answer.status, text: await answer.text() };
    };
    assert.equal((await get('/healthz')).status, 200);
    assert.equal((await get('/readyz')).status, 200);
    writeFiles(machine.mountPoint, files);
    writeFileSync(join(machine.mountPoint, '.sessionfs/flush'), 'all');
    writeFileSync(machine.path(SESSION, 'a.json'), '[]');
    // Into the cache, and so into the ledger, within a checkpoint.
    const inMount = () => readFile(join(machine.mountPoint, '.sessionfs/metrics'), 'utf8');
    const expected = [
      'sessionfs_backups_total{result="success"} 1',
      'sessionfs_backup_files_total 2',
      'sessionfs_sessions{state="local"} 1',
      'sessionfs_sessions{state="remote"} 0',
      'sessionfs_storage_objects 2',
      // The files, the session's owner, the mount's inbox and the key check.
      'sessionfs_bucket_operations_total{operation="put",class="A",result="ok"} 5',
      // Owners, inboxes and sessions at the start, twice whether a bucket without a key check has any, the session when it was made.
      'sessionfs_bucket_operations_total{operation="list",class="A",result="ok"} 6',
      'sessionfs_bucket_usable 1',
      'sessionfs_leases_total{how="created"} 1',
      'sessionfs_leases_lost_total 0',
    ];
    for (const text of [await inMount(), (await get('/metrics')).text]) {
      for (const line of expected) assert.ok(text.includes(`${line}\n`), `${line} in\n${text}`);
    }
    await mounted.unmount();
  },
);

test('an address that is taken stops the start', options, async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  await assert.rejects(
    new Account(t).machine().mount({ SESSION_HTTP_ADDRESS: `127.0.0.1:${address.port}` }),
    /exited with 50/,
  );
});

test(
  'the end waits for the last backup, but not beyond its deadline; what did not go goes at the next start',
  options,
  async (t) => {
    const emulator = await gcsEmulator();
    const proxy = await startGcsProxy(t, emulator);
    const account = new Account(t, await createTestBucket(emulator));
    const machine = account.machine();
    const env = { ...byHand, STORAGE_EMULATOR_HOST: proxy.url };
    const mounted = await machine.mount({ ...env, SESSION_SHUTDOWN_TIMEOUT: '1500' });
    writeFiles(machine.mountPoint, files);
    proxy.inject({ fault: 'stall', match: ({ kind }) => kind === 'put' });
    await mounted.unmount();
    const line = logLines(mounted).find(({ msg }) => msg.startsWith('Not everything is in the bucket'));
    assert.deepEqual([line?.files, line?.level], [2, 'warn']);
    assert.equal(logLines(mounted).find(({ msg }) => msg === 'Mount stopped')?.dirty, 2);
    proxy.clear();
    const again = await machine.mount({ ...env, SESSION_BACKUP_INTERVAL: '60000' });
    assert.equal((await logged(again, BACKED_UP)).files, 2);
    await again.unmount();
  },
);

test(
  'a daemon that takes over goes on: with sessions that are in the bucket only, and with what is dirty',
  options,
  async (t) => {
    const account = new Account(t);
    const first = await account.machine().mount();
    writeFiles(first.mountPoint, { ...files, 'far-+9/creds.json': '{"far":9}' });
    await first.unmount();
    const machine = account.machine();
    const mounted = await machine.mount(byHand);
    assert.equal(readFileSync(machine.path(SESSION, 'creds.json'), 'utf8'), '{}');
    writeFileSync(machine.path(SESSION, 'creds.json'), '{"v":2}');
    for (const how of ['SIGKILL', 'SIGKILL', 'reload'] as const) {
      const before = await mounted.daemonPid();
      if (how === 'reload') mounted.signal('SIGUSR2');
      else process.kill(before, how);
      await until(async () => (await mounted.daemonPid()) !== before);
    }
    const { backups, bucket } = await statusOf(mounted);
    assert.deepEqual(
      backups.map(({ session, state, dirty }) => [session, state, dirty]),
      [
        ['far-+9', 'remote', 0],
        [SESSION, 'local', 1],
      ],
    );
    assert.equal(bucket.listed, true);
    assert.equal(readFileSync(machine.path('far-+9', 'creds.json'), 'utf8'), '{"far":9}');
    await mounted.unmount();
    const other = account.machine();
    const restored = await other.mount(byHand);
    assert.equal(readFileSync(other.path(SESSION, 'creds.json'), 'utf8'), '{"v":2}');
    await restored.unmount();
  },
);

test('a rule of the bucket that deletes by age: what grows old is stored again', options, async (t) => {
  const emulator = await gcsEmulator();
  const proxy = await startGcsProxy(t, emulator);
  const account = new Account(t, await createTestBucket(emulator));
  const machine = account.machine();
  const env = { STORAGE_EMULATOR_HOST: proxy.url };
  const mounted = await machine.mount(env);
  // Not synchronously: the proxy lives in this process.
  for (const session of [SESSION, 'other-+2']) await mkdir(machine.path(session));
  for (const path of [...Object.keys(files), 'other-+2/creds.json'])
    await writeFile(machine.path(path), '{}');
  await mounted.unmount();
  const uploads = () =>
    proxy.requests.filter(({ kind, object }) => kind === 'put' && object.startsWith('sessions/')).length;
  const before = uploads();
  const again = await machine.mount(env);
  assert.equal(await readFile(machine.path(SESSION, 'creds.json'), 'utf8'), '{}');
  // At 0 days everything is old enough.
  proxy.lifecycle = { rule: [{ action: { type: 'Delete' }, condition: { age: 0 } }] };
  // The next daemon looks when it begins; this one looks every hour.
  process.kill(await again.daemonPid(), 'SIGKILL');
  assert.equal((await logged(again, BACKED_UP)).files, 2);
  assert.equal(uploads(), before + 2, 'a session that was never opened here may be another mount’s');
  await again.unmount();
});
