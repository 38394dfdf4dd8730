import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ABSENT } from '../../src/bucket/bucket.ts';
import { openBucket } from '../../src/bucket/open.ts';
import { examine } from '../../src/kit/doctor/doctor.ts';
import type { Finding } from '../../src/kit/doctor/finding.ts';
import { exitStatus } from '../../src/lib/errors.ts';
import { runCli } from '../cli/run-cli.ts';
import type { Scope } from '../support/cleanup.ts';
import { createTestBucket, gcsEmulator } from '../support/gcs-emulator.ts';
import { startGcsProxy } from '../support/gcs-proxy.ts';
import { startS3Proxy } from '../support/s3-proxy.ts';
import { createS3Bucket, motoServer, S3_CREDENTIALS } from '../support/s3-server.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const KEY = '0123456789abcdef'.repeat(4);
const ALL = [
  'storage.objects.list',
  'storage.objects.get',
  'storage.objects.create',
  'storage.objects.delete',
  'storage.buckets.get',
];

function folder(scope: Scope): string {
  const directory = join(temporaryDirectory(scope), 'sessions');
  mkdirSync(directory);
  return directory;
}

async function findings(env: Record<string, string>, mountPoint: string): Promise<Map<string, Finding>> {
  const all = new Map<string, Finding>();
  const examination = examine({
    env,
    flags: { mountPoint },
    rootless: () => 'not tried',
    requirePlainMountPoint: () => {},
    requireAnswer: async () => {},
  });
  for await (const line of examination)
    if (all.get(line.check)?.result !== 'failed') all.set(line.check, line);
  return all;
}

test('a bucket of Google is asked for its rights, settings, clock and key, and a sealed file goes there and back', async (t) => {
  const emulator = await gcsEmulator();
  const proxy = await startGcsProxy(t, emulator);
  const env = {
    SESSION_STORAGE_TYPE: 'hybrid',
    STORAGE_BUCKET: await createTestBucket(emulator),
    STORAGE_EMULATOR_HOST: proxy.url,
    SESSION_ENCRYPTION_KEY: KEY,
  };
  const mountPoint = folder(t);
  const resultsOf = async (...checks: string[]) => {
    const found = await findings(env, mountPoint);
    return checks.map((check) => found.get(check)?.result);
  };
  // The emulator does not know testIamPermissions.
  assert.deepEqual(await resultsOf('bucket', 'key of the bucket', 'round trip', 'clock', ...ALL), [
    ...['ok', 'ok', 'ok', 'ok'],
    ...ALL.map(() => 'unknown'),
  ]);
  proxy.permissions = ALL;
  proxy.settings = { softDeletePolicy: { retentionDurationSeconds: '604800' } };
  assert.deepEqual(await resultsOf('undo', 'lifecycle', 'location', ...ALL), Array(8).fill('ok'));
  proxy.permissions = ['storage.objects.list', 'storage.objects.get', 'storage.objects.create'];
  proxy.settings = { softDeletePolicy: { retentionDurationSeconds: '0' } };
  proxy.lifecycle = { rule: [{ action: { type: 'Delete' }, condition: { age: 30 } }] };
  const found = await findings(env, mountPoint);
  assert.equal(found.get('storage.objects.create')?.result, 'ok');
  assert.deepEqual(found.get('storage.objects.delete'), {
    check: 'storage.objects.delete',
    result: 'failed',
    text: 'missing: a file that was there before cannot be backed up',
    hint: 'Grant roles/storage.objectUser and roles/storage.legacyBucketReader on the bucket.',
  });
  assert.equal(found.get('storage.buckets.get')?.result, 'warning');
  assert.match(found.get('lifecycle')?.text ?? '', /a rule deletes objects that are 30 d old/);
  assert.match(
    found.get('lifecycle')?.hint ?? '',
    /--clear-lifecycle clears all rules; then set good ones again/,
  );
  assert.deepEqual([found.get('lifecycle')?.result, found.get('undo')?.result], ['warning', 'warning']);
  assert.ok(!proxy.changes.some(({ request }) => request.object.startsWith('sessions/')));
  const left = proxy.changes.filter(({ request }) => request.object.startsWith('.sessionfs/doctor-'));
  assert.deepEqual(
    left.map(({ request }) => request.kind),
    ['put', 'delete', 'put', 'delete', 'put', 'delete'],
  );

  const ruleIs = async (condition: object) => {
    proxy.lifecycle = { rule: [{ action: { type: 'Delete' }, condition }] };
    const { result, text } =
      (await findings({ ...env, SESSION_TRASH_DAYS: '7' }, mountPoint)).get('lifecycle') ?? {};
    return `${result}: ${text}`;
  };
  const trash = ['.sessionfs/trash/'];
  assert.match(
    await ruleIs({ createdBefore: '2026-01-01' }),
    /^warning: .* by createdBefore, also of sessions in use/,
  );
  assert.match(
    await ruleIs({ age: 3, matchesPrefix: trash }),
    /^warning: a rule deletes removed sessions after 3 d, SESSION_TRASH_DAYS is 7$/,
  );
  assert.match(await ruleIs({ age: 7, matchesPrefix: trash }), /^ok: /);

  proxy.inject({ fault: { status: 403, message: 'no' }, match: ({ kind }) => kind === 'list' });
  const refused = await findings(env, mountPoint);
  assert.equal(refused.get('bucket')?.result, 'failed');
  assert.match(refused.get('bucket')?.hint ?? '', /roles\/storage\.objectUser/);
  // Google says even then what is missing.
  assert.deepEqual(
    ALL.map((permission) => refused.get(permission)?.result),
    ['ok', 'ok', 'ok', 'failed', 'warning'],
  );
  assert.equal(refused.get('round trip'), undefined);
});

/** What `doctor --json` prints, by check. */
function doctor(mountPoint: string, env: Record<string, string>) {
  const { status, stdout, stderr } = runCli(['doctor', mountPoint, '--json'], env);
  assert.equal(stderr, '');
  const { verdict, findings } = JSON.parse(stdout) as { verdict: string; findings: Finding[] };
  assert.ok(!stdout.includes(KEY), 'the key is printed');
  return { status, verdict, findings };
}

test('doctor says for each line what is wrong and what to do, and its exit status tells the worst', async (t) => {
  const mountPoint = folder(t);
  const bucket = join(temporaryDirectory(t), 'bucket');
  mkdirSync(bucket);
  const env = {
    SESSION_STORAGE_TYPE: 'hybrid',
    STORAGE_BUCKET: `file://${bucket}`,
    SESSION_ENCRYPTION_KEY: KEY,
  };
  // A directory that is no bucket yet is not made one.
  assert.match(
    doctor(mountPoint, env).findings.find(({ check }) => check === 'bucket')?.text ?? '',
    /first mount/,
  );
  assert.deepEqual(readdirSync(bucket), []);
  const opened = await openBucket({ kind: 'directory', path: bucket });
  await opened.put('sessions/a/+1/creds.json', Buffer.from('x'), { ifGeneration: ABSENT, metadata: {} });
  opened.close();
  const resultOf = ({ findings }: { findings: Finding[] }, check: string) =>
    findings.find((line) => line.check === check)?.result;
  const well = doctor(mountPoint, env);
  for (const check of [
    'configuration',
    'key',
    'cache',
    'space',
    'bucket',
    'leases',
    'key of the bucket',
    'round trip',
  ])
    assert.equal(resultOf(well, check), 'ok', check);
  assert.notEqual(well.status, exitStatus.DOCTOR_FAILED);
  assert.ok(
    !existsSync(`${mountPoint}.sealed`) && !existsSync(`${mountPoint}.sealed.key`),
    'something stays',
  );

  const gone = doctor(mountPoint, { ...env, STORAGE_BUCKET: `file://${bucket}/none` });
  assert.deepEqual(
    [gone.status, gone.verdict, resultOf(gone, 'bucket')],
    [exitStatus.DOCTOR_FAILED, 'failed', 'failed'],
  );
  const short = doctor(mountPoint, { ...env, SESSION_ENCRYPTION_KEY: KEY.slice(1) });
  assert.match(
    short.findings.find(({ check }) => check === 'key')?.text ?? '',
    /it has 63 characters \(KEY_MALFORMED\)/,
  );
  assert.equal(doctor(mountPoint, { SESSION_STORAGE_TYPE: 'cloud' }).status, exitStatus.DOCTOR_FAILED);

  const keyFile = join(temporaryDirectory(t), 'key');
  writeFileSync(keyFile, `${randomBytes(32).toString('hex')}\n`);
  chmodSync(keyFile, 0o644);
  const { SESSION_ENCRYPTION_KEY: _, ...withoutKey } = env;
  const open = doctor(mountPoint, { ...withoutKey, SESSION_ENCRYPTION_KEY_FILE: keyFile });
  assert.equal(open.status, exitStatus.DOCTOR_WARNING);
  assert.ok(
    open.findings.some(
      ({ check, result, text }) => check === 'key' && result === 'warning' && /chmod 600/.test(text),
    ),
  );
});

test('in local mode a folder, an empty environment and a text for people are enough', (t) => {
  const mountPoint = folder(t);
  const { stdout } = runCli(['doctor', mountPoint]);
  assert.match(stdout, /^ok +key +the first mount makes one in .*sessions\.sealed\.key$/m);
  assert.match(stdout, /^ok +libfuse +not used: the driver direct/m);
  assert.match(stdout, /^ok +round trip +a sealed file went through cache and opened again$/m);
  assert.match(stdout, /\n\n\d+ ok, (?:1 warning|\d+ warnings), \d+ failed, \d+ unknown\n$/);
  assert.deepEqual(readdirSync(join(mountPoint, '..')), ['sessions']);
});

test('what a mount would hide is named, and so is a setting that is none', (t) => {
  const mountPoint = folder(t);
  writeFileSync(join(mountPoint, 'note.txt'), 'x');
  const { stdout, status } = runCli(['doctor', mountPoint], { SESSION_STORAGE_TIPE: 'local' });
  assert.match(
    stdout,
    /^FAILED {2}mount point +\S+ holds 1 entry that is no session .*: note\.txt \(MOUNT_POINT_NOT_EMPTY\)\n +Move them/m,
  );
  assert.match(stdout, /^WARNING configuration +SESSION_STORAGE_TIPE .*\n +sessionfs mount --help/m);
  assert.equal(status, exitStatus.DOCTOR_FAILED);
});

test('every line has a blank behind its check, and says what libfuse is for', async (t) => {
  const emulator = await gcsEmulator();
  const name = await createTestBucket(emulator);
  const { stdout } = runCli(['doctor', folder(t), '--fuse-driver', 'fuse-native'], {
    SESSION_STORAGE_TYPE: 'hybrid',
    STORAGE_BUCKET: name,
    STORAGE_EMULATOR_HOST: emulator,
    SESSION_ENCRYPTION_KEY: KEY,
  });
  for (const permission of ALL)
    assert.match(stdout, new RegExp(`^unknown +${permission.replaceAll('.', '\\.')} {2,}the bucket`, 'm'));
  assert.match(stdout, /^ok +libfuse +libfuse 2 of the package fuse-native$/m);
});

test('a key command that fails is no key that the first mount makes', (t) => {
  const { stdout, status } = runCli(['doctor', folder(t), '--key-command', 'false']);
  assert.match(stdout, /^FAILED +key +the key command ended with status 1/m);
  assert.equal(status, exitStatus.DOCTOR_FAILED);
});

test('a server that ignores conditions is a warning, and one that honours them is well', async (t) => {
  const url = await motoServer();
  const name = await createS3Bucket(url);
  const proxy = await startS3Proxy(t, url, ['delete']);
  const env = {
    SESSION_STORAGE_TYPE: 'hybrid',
    STORAGE_BUCKET: `s3://${name}`,
    SESSION_ENCRYPTION_KEY: KEY,
  };
  Object.assign(process.env, S3_CREDENTIALS);
  const mountPoint = folder(t);
  const ignoring = (await findings({ ...env, AWS_ENDPOINT_URL: proxy.url }, mountPoint)).get('conditions');
  assert.equal(ignoring?.result, 'warning');
  assert.match(ignoring?.text ?? '', /ignores conditions \(delete\): only one mount/);
  const found = await findings({ ...env, AWS_ENDPOINT_URL: url }, mountPoint);
  const checks = ['bucket', 'conditions', 'lifecycle', 'round trip'];
  assert.deepEqual(
    checks.map((check) => found.get(check)?.result),
    checks.map(() => 'ok'),
  );
});
