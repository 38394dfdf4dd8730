import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mayBeOurs } from '../../src/bucket/own-prefixes.ts';
import { bucketSettings } from '../../src/kit/bucket-plan.ts';
import { exitStatus } from '../../src/lib/errors.ts';
import { gcsEmulator } from '../support/gcs-emulator.ts';
import { repository } from '../support/repository.ts';
import { runCli } from './run-cli.ts';

const MEMBER = 'serviceAccount:sessionfs@project-id.iam.gserviceaccount.com';

test('--dry-run prints gcloud and Terraform with the least rights, and asks no bucket', () => {
  const line = 'bucket create your-bucket --project project-id --location us-central1 --dry-run';
  assert.ok(readFileSync(join(repository, 'docs/google-cloud.md'), 'utf8').includes(`sessionfs ${line}`));
  const { status, stdout } = runCli([...line.split(' '), '--member', MEMBER]);
  assert.equal(status, 0);
  for (const part of [
    'gcloud storage buckets create gs://your-bucket',
    '--uniform-bucket-level-access --public-access-prevention',
    '--soft-delete-duration=7d',
    `--member=${MEMBER} --role=roles/storage.objectUser`,
    'uniform_bucket_level_access = true',
    'public_access_prevention    = "enforced"',
    'retention_duration_seconds = 604800',
  ])
    assert.ok(stdout.includes(part), part);
  assert.ok(!stdout.includes('storage.admin') && !stdout.includes('days_since'), stdout);
  // Only what was removed goes by its age, and after the mounts' own time.
  assert.ok(
    stdout.includes(
      '{"lifecycle":{"rule":[{"action":{"type":"Delete"},"condition":{"age":8,"matchesPrefix":[".sessionfs/trash/"]}}]}}',
    ),
    stdout,
  );
  assert.ok(!/lifecycle/.test(runCli([...line.split(' '), '--trash-days', '0']).stdout));
  const custom = runCli([...line.split(' '), '--member', MEMBER, '--custom-role']).stdout;
  for (const part of [
    '--permissions=storage.objects.create,storage.objects.delete,storage.objects.get,storage.objects.list,storage.buckets.get',
    `--member=${MEMBER} --role=projects/project-id/roles/sessionfs`,
    'role   = google_project_iam_custom_role.sessionfs.name',
  ])
    assert.ok(custom.includes(part), part);
  assert.ok(!/objectUser|legacyBucketReader|storage\.admin|setIamPolicy/.test(custom), custom);
  const versioned = runCli([...line.split(' '), '--undo', 'versioning', '--undo-days', '30']).stdout;
  assert.match(versioned, /"daysSinceNoncurrentTime":30/);
  assert.match(versioned, /days_since_noncurrent_time = 30/);
});

test('no rule of the plan deletes an object that is in use', () => {
  const plan = {
    name: 'n',
    project: 'p',
    location: 'EU',
    undoDays: 7,
    trashDays: 7,
    member: undefined,
    customRole: false,
  } as const;
  for (const undo of ['soft-delete', 'versioning'] as const)
    for (const { condition } of bucketSettings({ ...plan, undo }).lifecycle.rule)
      assert.ok(
        'daysSinceNoncurrentTime' in condition ||
          condition.matchesPrefix.every((prefix) => !mayBeOurs(prefix)),
        JSON.stringify(condition),
      );
  assert.deepEqual(['.sessionfs/trash/', '.sessionfs/', '', 'sessions/a/', 'other/'].map(mayBeOurs), [
    false,
    true,
    true,
    true,
    false,
  ]);
});

test('what a shell or Terraform would take for more than a name is refused', () => {
  for (const args of [
    ['create', 'a;b'],
    ['create', 'your-bucket', '--location', 'EU"}'],
    ['create', 'your-bucket', '--project', '$(id)'],
    ['create', 'your-bucket', '--member', 'user:a b'],
    ['create', 's3://your-bucket'],
    ['create'],
    ['destroy', 'your-bucket'],
    ['create', 'your-bucket'],
    ['create', 'your-bucket', '--member', MEMBER, '--custom-role', '--dry-run'],
  ])
    assert.equal(runCli(['bucket', ...args]).status, exitStatus.USAGE, args.join(' '));
});

test('the emulator gets the bucket; one that is there, and rights that cannot be granted, are said', async () => {
  const url = await gcsEmulator();
  const name = `test-${randomUUID()}`;
  const create = (...args: string[]) =>
    // Of a mount: they say nothing of the bucket that is to be made.
    runCli(['bucket', 'create', ...args, '--project', 'project-id', '--storage-emulator-host', url], {
      SESSION_STORAGE_TYPE: 'hybrid',
    });
  const made = create(name, '--undo', 'versioning', '--json');
  assert.deepEqual([made.status, made.stderr], [0, '']);
  const shown = (await (await fetch(`${url}/storage/v1/b/${name}`)).json()) as {
    versioning?: { enabled?: boolean };
  };
  assert.equal(shown.versioning?.enabled, true);
  const again = create(name);
  assert.equal(again.status, exitStatus.BUCKET_NOT_CREATED, again.stderr);
  assert.match(again.stderr, /The name is taken/);
  // The emulator has no IAM: the bucket is there, and what is missing is said.
  const partial = create(`${name}-2`, '--member', MEMBER);
  assert.equal(partial.status, exitStatus.BUCKET_UNFINISHED, partial.stderr);
  assert.match(partial.stderr, /is made, but .* has no rights yet[\s\S]*add-iam-policy-binding/);
  assert.equal((await fetch(`${url}/storage/v1/b/${name}-2`)).status, 200);
});
