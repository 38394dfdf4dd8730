import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cleanEnvironment } from '../support/environment.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const MISSING = 'fs.Mount failed: exec: "fusermount3": executable file not found in $PATH';

test('what cannot be compiled or mounted is a line in the table, and the others are measured', (t) => {
  const folder = temporaryDirectory(t);
  const compiler = join(folder, 'pkg-config');
  writeFileSync(compiler, '#!/bin/sh\necho Package fuse3 was not found >&2\nexit 1\n');
  chmodSync(compiler, 0o755);
  const gocryptfs = join(folder, 'gocryptfs');
  writeFileSync(
    gocryptfs,
    `#!/bin/sh\ncase "$*" in *-init* | -version) exit 0 ;; *) echo '${MISSING}' >&2; exit 19 ;; esac\n`,
  );
  chmodSync(gocryptfs, 0o755);
  const main = join(repository, 'dist/test/bench/main.js');
  const args = [main, '--quick', '--only', 'operations', '--subjects', 'ext4,passthrough,gocryptfs'];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    env: { ...cleanEnvironment(), PATH: `${folder}:${process.env.PATH}` },
    encoding: 'utf8',
    timeout: 120_000,
  });
  assert.equal(status, 0, stderr);
  assert.ok(stdout.includes(`| gocryptfs cannot run: ${MISSING} `), stdout);
  assert.match(
    stdout,
    /^\| passthrough cannot run: it does not compile \(.* libfuse3-dev\): Package fuse3 /m,
  );
  assert.match(stdout, /^\| statSync, us +\| +[\d.]+ \|/m);
});
