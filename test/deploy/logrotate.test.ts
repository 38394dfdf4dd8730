import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Says so, and goes on, when it gets SIGHUP; where it does not listen to that, it ends. */
const PROGRAM = `
  process.on('SIGHUP', () => console.log('opens its log anew'));
  setInterval(() => {}, 60_000);
  console.log('ready')`;

async function start(scope: Scope, program: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-e', PROGRAM, program], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanUp(scope, () => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

test('logrotate signals supervisors, and no process that has the number of one that was killed', async (t) => {
  const supervisor = await start(t, '/usr/lib/sessionfs/dist/bundle/cli/main.js');
  const other = await start(t, '/usr/bin/another-program');
  const folder = temporaryDirectory(t);
  writeFileSync(join(folder, 'a.pid'), `${other.pid}\n`);
  writeFileSync(join(folder, 'b.pid'), '');
  writeFileSync(join(folder, 'c.pid'), `${supervisor.pid}\n`);
  const config = readFileSync(join(repository, 'deploy/systemd/logrotate'), 'utf8');
  const script = /postrotate\n(.*?)\n\s*endscript/s.exec(config)?.[1]?.replaceAll('/run/sessionfs', folder);
  const said = once(supervisor.stdout as NonNullable<ChildProcess['stdout']>, 'data');
  let others = 0;
  other.stdout?.on('data', () => others++);
  assert.equal(spawnSync('sh', ['-e', '-c', script ?? ''], { stdio: 'inherit' }).status, 0);
  assert.match(String(await said), /opens its log anew/);
  other.kill('SIGKILL');
  await once(other, 'close');
  assert.equal(others, 0);
});
