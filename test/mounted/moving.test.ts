/** The shell blocks of docs/operations.md that move a mount, change its key and leave sessionfs, run as they stand there. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runCli } from '../cli/run-cli.ts';
import { cleanUp } from '../support/cleanup.ts';
import { cliMain } from '../support/cli-main.ts';
import { shellBlocks } from '../support/documented-commands.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { mountAt, unmountBelow } from '../support/mounts.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { readTree, sessionTree, writeTree } from './session-files.ts';

const SESSION = 'user1-+15550001';

/** The one block of the page that has this line. */
function blockWith(line: string): string {
  const [block = '', ...others] = shellBlocks('docs/operations.md').filter((each) => each.includes(line));
  assert.ok(block !== '' && others.length === 0, `${others.length} other blocks have ${line}`);
  return block;
}

/** A machine is a folder, and has `sessionfs` in its PATH. */
function machine(t: TestContext): { home: string; run: (block: string) => string } {
  const home = temporaryDirectory(t);
  const bin = temporaryDirectory(t);
  const command = `#!/bin/sh\nexec ${process.execPath} ${cliMain} "$@"\n`;
  writeFileSync(join(bin, 'sessionfs'), command, { mode: 0o755 });
  cleanUp(t, () => unmountBelow(home));
  const env = cleanEnvironment({ PATH: `${bin}:${process.env.PATH}` });
  const run = (block: string) => {
    const options = { env, cwd: home, input: block, encoding: 'utf8', timeout: 300_000 } as const;
    const { status, stdout, stderr } = spawnSync('bash', ['-e'], options);
    assert.equal(status, 0, `${block}\n${stdout}${stderr}`);
    return stdout;
  };
  return { home, run };
}

test('a mount moves to another machine, gets another key, and becomes a plain folder again', (t) => {
  const [first, second] = [machine(t), machine(t)];
  mkdirSync(join(first.home, 'sessions'));
  const started = runCli(['mount', '--daemonize'], {}, first.home);
  assert.equal(started.status, 0, started.stderr);
  const control = readdirSync(join(first.home, 'sessions/.sessionfs'));
  assert.deepEqual(control, ['status.json'], 'docs/operations.md#the-control-folder');
  const tree = sessionTree(SESSION);
  writeTree(join(first.home, 'sessions'), tree);
  first.run(blockWith('tar -cf'));
  renameSync(join(first.home, 'sessions.tar'), join(second.home, 'sessions.tar'));

  second.run(blockWith('tar -xf'));
  const sessions = join(second.home, 'sessions');
  assert.deepEqual(readTree(sessions), tree);
  const before = readFileSync(join(second.home, 'sessions.sealed.key'), 'utf8');
  const rekeyed = second.run(blockWith('mv sessions.sealed.key sessions.old.key'));
  assert.match(rekeyed, /were sealed again; all of \S+ \(1 session\) is sealed with key [0-9a-f]{16}\.$/m);
  assert.match(rekeyed, /^Earlier keys are needed only for kept versions and the trash\.$/m);
  assert.deepEqual(readTree(sessions), tree);
  assert.notEqual(readFileSync(join(second.home, 'sessions.sealed.key'), 'utf8'), before);
  const { mode, mtimeMs } = statSync(join(sessions, SESSION, 'creds.json'));

  second.run(blockWith('cp -a sessions'));
  assert.equal(mountAt(sessions), undefined);
  assert.deepEqual(readTree(sessions), tree);
  const plain = statSync(join(sessions, SESSION, 'creds.json'));
  assert.deepEqual([plain.mode, plain.mtimeMs], [mode, mtimeMs]);
  assert.ok(!existsSync(join(sessions, '.sessionfs')), 'the control folder was copied');
  const left = readdirSync(second.home).filter((name) => /sealed/.test(name) && !name.endsWith('.log'));
  assert.deepEqual(left, [], 'a later mount would find a cache');
});
