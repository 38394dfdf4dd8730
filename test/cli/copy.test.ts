import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ABSENT } from '../../src/bucket/bucket.ts';
import { openDirectoryBucket } from '../../src/bucket/directory/directory-bucket.ts';
import { exitStatus } from '../../src/lib/errors.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { runCli } from './run-cli.ts';

test('the command line copies, says what it did, and needs neither a key nor a mount', async (t) => {
  const directory = temporaryDirectory(t);
  const [from, to] = [join(directory, 'from'), join(directory, 'to')];
  for (const path of [from, to]) mkdirSync(path);
  const source = openDirectoryBucket(from);
  const metadata = { 'sessionfs-epoch': '3' };
  await source.put('sessions/u/+1/creds.json', Buffer.from('sealed'), { ifGeneration: ABSENT, metadata });
  source.close();
  const copy = (...args: string[]) => runCli(['copy', `file://${from}`, `file://${to}`, ...args]);
  const first = copy();
  assert.equal(first.status, 0, first.stderr);
  assert.match(
    first.stdout,
    /has all 1 objects of .*: 1 copied now \(6 bytes\) and compared byte by byte, 0 were there with/,
  );
  assert.equal(readFileSync(join(to, 'sessions/u/+1/creds.json'), 'utf8'), 'sealed');
  const again = copy('--json');
  assert.deepEqual(JSON.parse(again.stdout), { objects: 1, copied: 0, bytes: 0, others: 0 });
});

test('what is no bucket is refused, and nothing is made', (t) => {
  const directory = temporaryDirectory(t);
  assert.equal(runCli(['copy']).status, exitStatus.USAGE);
  assert.equal(runCli(['copy', 'gs://abc']).status, exitStatus.USAGE);
  const { status, stderr } = runCli(['copy', 'az://abc', `file://${directory}/to`]);
  assert.equal(status, exitStatus.USAGE);
  assert.match(stderr, /SOURCE is "az:\/\/abc", but it must be a bucket name, gs:\/\/NAME, s3:\/\/NAME/);
  assert.ok(!existsSync(join(directory, 'to')));
});
