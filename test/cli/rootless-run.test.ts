import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { takeCaller } from '../../src/cli/rootless-run.ts';
import { cliMain } from '../support/cli-main.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const MARK = 'SESSIONFS_OWN_NAMESPACE';

test('the one within knows its caller, and whom it starts does not', () => {
  const env: NodeJS.ProcessEnv = { [MARK]: `1000:1001:${process.ppid}`, OTHER: 'kept' };
  assert.deepEqual(takeCaller(env), { uid: 1000, gid: 1001 });
  assert.deepEqual(env, { OTHER: 'kept' });
  assert.equal(takeCaller(env), undefined);
});

test('a mark that is none is taken for none', () => {
  for (const mark of ['', '1000', '1000:1000', 'a:b:1', `-1:0:${process.ppid}`]) {
    const env: NodeJS.ProcessEnv = { [MARK]: mark };
    assert.equal(takeCaller(env), undefined);
    assert.deepEqual(env, {});
  }
});

test('the one within ends before it does anything where the one outside died meanwhile', (t) => {
  const trace = join(temporaryDirectory(t), 'started');
  const args = [cliMain, 'run', temporaryDirectory(t), '--', 'touch', trace];
  const nobody = 2 ** 22;
  const { signal } = spawnSync(process.execPath, args, {
    env: cleanEnvironment({ [MARK]: `0:0:${nobody}` }),
  });
  assert.equal(signal, 'SIGKILL');
  assert.ok(!existsSync(trace));
});
