/** A machine that loses its disk after an application started over: the bucket has what was replaced. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runCli } from '../cli/run-cli.ts';
import { freshCreds, pairedCreds } from '../support/baileys-creds.ts';
import { createTestBucket, gcsEmulator } from '../support/gcs-emulator.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { Account, logged, readFiles, SESSION, statusOf, writeFiles } from './support.ts';

const options = { timeout: 180_000 };
const CREDS = `${SESSION}/creds.json`;
const STORED = 'Kept versions of credentials are in the bucket, too';
let paired = '';

before(async () => {
  paired = await pairedCreds({ after });
});

const kinds = {
  'a directory': async () => ({ bucket: undefined, env: {} }),
  'Cloud Storage': async () => {
    const emulator = await gcsEmulator();
    return { bucket: await createTestBucket(emulator), env: { STORAGE_EMULATOR_HOST: emulator } };
  },
};

for (const [kind, open] of Object.entries(kinds)) {
  test(
    `the version before a fresh registration is exported from ${kind} when the disk is lost`,
    options,
    async (t) => {
      const { bucket, env } = await open();
      const account = new Account(t, bucket);
      const machine = account.machine();
      const mounted = await machine.mount(env);
      writeFiles(machine.mountPoint, { [CREDS]: paired, [`${SESSION}/pre-key-1.json`]: '{"key":1}' });
      writeFileSync(join(machine.mountPoint, '.sessionfs/flush'), 'all');
      const fresh = freshCreds();
      writeFileSync(machine.path(CREDS), fresh);
      const line = await logged(mounted, STORED);
      assert.match(
        String(line.object),
        /^\.sessionfs\/set-aside\/sessions\/user\/\+4915100000\/creds\.json\.\d{13}$/,
      );
      const { freshRegistrations } = (await statusOf(mounted)) as { freshRegistrations?: number };
      assert.equal(freshRegistrations, 1);
      writeFileSync(join(machine.mountPoint, '.sessionfs/flush'), 'all');
      await mounted.kill();
      rmSync(machine.cachePath, { recursive: true });

      const folder = join(temporaryDirectory(t), 'out');
      const settings = { STORAGE_BUCKET: account.bucket, SESSION_ENCRYPTION_KEY: account.key, ...env };
      const exported = runCli(['export', machine.path(SESSION), '--to', folder], settings);
      assert.deepEqual([exported.status, exported.stderr], [0, '']);
      assert.equal(readFileSync(join(folder, 'creds.json'), 'utf8'), fresh);
      assert.equal(readFileSync(join(folder, 'pre-key-1.json'), 'utf8'), '{"key":1}');
      const kept = readdirSync(join(folder, 'set-aside'));
      assert.equal(kept.length, 1);
      assert.equal(readFileSync(join(folder, 'set-aside', kept[0] ?? ''), 'utf8'), paired);

      // A machine that was restored from the bucket has the session in its cache, and the version before only there.
      const second = account.machine();
      const restored = await second.mount(env);
      assert.deepEqual(readdirSync(second.mountPoint), [SESSION], 'what was set aside is no session');
      assert.equal(readFileSync(second.path(CREDS), 'utf8'), fresh);
      const beside = join(temporaryDirectory(t), 'beside');
      assert.equal(runCli(['export', second.path(SESSION), '--to', beside], settings).status, 0);
      assert.deepEqual(readdirSync(join(beside, 'set-aside')), kept);
      await restored.unmount();
    },
  );
}

test('what an outage kept from the bucket goes there at the end of the mount', options, async (t) => {
  const account = new Account(t);
  const machine = account.machine();
  const mounted = await machine.mount();
  writeFiles(machine.mountPoint, { [CREDS]: paired });
  writeFileSync(join(machine.mountPoint, '.sessionfs/flush'), 'all');
  const bucket = account.bucket.slice('file://'.length);
  renameSync(bucket, `${bucket}.gone`);
  writeFileSync(machine.path(CREDS), freshCreds());
  await logged(mounted, /Kept versions of credentials are not in the bucket yet/);
  renameSync(`${bucket}.gone`, bucket);
  await mounted.unmount();
  assert.equal((await logged(mounted, STORED)).level, 'info');
  assert.equal(readdirSync(join(bucket, '.sessionfs/set-aside/sessions/user/+4915100000')).length, 1);
});

test('what was kept in local mode goes to the bucket at the first start with one', options, async (t) => {
  const account = new Account(t);
  const machine = account.machine();
  const local = await machine.mountLocally();
  writeFiles(machine.mountPoint, { [CREDS]: paired });
  writeFileSync(machine.path(CREDS), freshCreds());
  await local.unmount();
  const mounted = await machine.mount();
  const line = await logged(mounted, STORED);
  const bucket = account.bucket.slice('file://'.length);
  const [name = ''] = readdirSync(join(machine.cachePath, 'set-aside'));
  assert.deepEqual(
    readFileSync(join(bucket, String(line.object))),
    readFileSync(join(machine.cachePath, 'set-aside', name)),
  );
  await mounted.unmount();
});

test('every file that lost a conflict is exported, with its folders and its time', options, async (t) => {
  const account = new Account(t);
  const here = account.machine();
  const first = await here.mount();
  const files = { [CREDS]: '{"version":1}', [`${SESSION}/deep/key.json`]: '{"key":1}' };
  writeFiles(here.mountPoint, files);
  await first.unmount();
  const there = account.machine();
  const second = await there.mount();
  writeFileSync(there.path(CREDS), '{"version":2}');
  await second.unmount();
  const local = await here.mountLocally();
  writeFileSync(here.path(CREDS), '{"version":3}');
  writeFileSync(here.path(SESSION, 'deep/key.json'), '{"key":3}');
  await local.unmount();
  const back = await here.mount();
  await logged(back, /kept aside/);
  const folder = join(temporaryDirectory(t), 'out');
  const env = { SESSION_ENCRYPTION_KEY: account.key };
  assert.equal(runCli(['export', here.path(SESSION), '--set-aside', '--to', folder], env).status, 0);
  const contents = Object.entries(readFiles(folder)).map(([path, text]) => [
    path.replace(/\d{4}-.*Z$/, 'TIME'),
    text,
  ]);
  assert.deepEqual(Object.fromEntries(contents), {
    'set-aside/creds.json.TIME': '{"version":3}',
    'set-aside/deep/key.json.TIME': '{"key":3}',
  });
  await back.unmount();
});
