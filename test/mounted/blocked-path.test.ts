import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCli } from '../cli/run-cli.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { readTree } from './session-files.ts';

const SESSION = 'user1-+15550001';

test('a path that the cache cannot store costs itself; unmount says what stays, export and the next mount have it', async (t) => {
  const within = temporaryDirectory(t);
  const mountPoint = join(within, 'sessions');
  const cached = join(within, 'sessions.sealed/sessions/user1/+15550001');
  const first = await mountSessionfs(t, { mountPoint });
  mkdirSync(join(mountPoint, SESSION, 'd'), { recursive: true });
  await first.unmount();
  writeFileSync(join(cached, 'd/%foreign'), '');

  const second = await mountSessionfs(t, { mountPoint });
  rmdirSync(join(mountPoint, SESSION, 'd'));
  writeFileSync(join(mountPoint, SESSION, 'd'), 'a file now');
  writeFileSync(join(mountPoint, SESSION, 'creds.json'), '{"version":1}');
  const expected = readTree(mountPoint);
  const { status, stdout } = runCli(['unmount', mountPoint]);
  assert.equal(status, 0);
  assert.match(
    stdout,
    /is unmounted; \d+ bytes of changes are in .*sessions\.sealed\/journal, not yet in the cache/,
  );
  assert.deepEqual(await second.exited(), { code: 0, signal: null }, second.log());
  assert.match(second.log(), /The cache cannot store some paths.*/);
  assert.deepEqual(readdirSync(cached).sort(), ['creds.json', 'd']);

  const folder = join(within, 'exported');
  const exported = runCli(['export', SESSION, '--to', folder], { SESSION_STORAGE_PATH: mountPoint });
  assert.equal(exported.status, 0, exported.stderr);
  assert.equal(readFileSync(join(folder, 'd'), 'utf8'), 'a file now');

  const third = await mountSessionfs(t, { mountPoint });
  assert.deepEqual(readTree(mountPoint), expected);
  rmSync(join(cached, 'd'), { recursive: true });
  await third.unmount();
  assert.deepEqual(readdirSync(join(within, 'sessions.sealed/journal')), [], third.log());
});
