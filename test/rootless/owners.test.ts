/** Whose the files are where the namespace knows one user only, and hybrid mode and HTTP from within it. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { logLines, untilLogged } from '../mounted/log-lines.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { GID, UID } from '../support/ordinary-user.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startRootlessShell, userWithFuse } from './support/rootless-run.ts';

const KEY = '0123456789abcdef'.repeat(4);
const STRANGER = 64033;
const LIST = 'cd "$DIR" && stat -c "%n %u:%g" u-+1 u-+1/* && cat u-+1/*';

function hybrid(bucket: string): Record<string, string> {
  return {
    SESSION_STORAGE_TYPE: 'hybrid',
    STORAGE_BUCKET: `file://${bucket}`,
    SESSION_ENCRYPTION_KEY: KEY,
  };
}

/** Root may read and write everything below, and now this user as well. */
function giveAway(path: string): void {
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true }))
    chownSync(join(entry.parentPath, entry.name), UID, GID);
  chownSync(path, UID, GID);
}

test('a session that another machine backed up, with a stranger’s files, belongs to the user and is written on', async (t) => {
  const bucket = temporaryDirectory(t);
  const elsewhere = await mountSessionfs(t, { env: hybrid(bucket) });
  const session = join(elsewhere.mountPoint, 'u-+1');
  mkdirSync(session);
  writeFileSync(join(session, 'creds.json'), '{"a":1}\n');
  writeFileSync(join(session, 'stranger.json'), '{"b":2}\n', { mode: 0o600 });
  chownSync(join(session, 'stranger.json'), STRANGER, STRANGER);
  await elsewhere.unmount();
  giveAway(bucket);

  const run = await startRootlessShell(t, `${LIST} && echo '{"b":3}' >u-+1/stranger.json`, {
    env: hybrid(bucket),
  });
  assert.deepEqual(await run.ended(), { code: 0, signal: null }, run.process.log());
  for (const name of ['', '/creds.json', '/stranger.json'])
    assert.match(run.process.log(), new RegExp(`^u-\\+1${name} ${UID}:${GID}$`, 'm'));
  assert.match(run.process.log(), /^\{"a":1\}\n\{"b":2\}$/m);
  assert.match(run.process.log(), /Session restored from Cloud Storage/);
  assert.match(run.process.log(), /Session backed up to Cloud Storage/);

  const next = await startRootlessShell(t, LIST, { env: hybrid(bucket) });
  assert.equal((await next.ended()).code, 0, next.process.log());
  assert.match(next.process.log(), /^\{"a":1\}\n\{"b":3\}$/m);
});

test('cloud mode works from within, on a bucket that belongs to the user, and health is served to the outside', async (t) => {
  const user = await userWithFuse(t);
  const env = { ...hybrid(user.directory('bucket')), SESSION_STORAGE_TYPE: 'cloud' };
  const written = await startRootlessShell(t, 'mkdir "$DIR/u-+1" && echo "{}" >"$DIR/u-+1/creds.json"', {
    user,
    env,
  });
  assert.equal((await written.ended()).code, 0, written.process.log());
  const read = await startRootlessShell(t, `${LIST} && echo ready && exec sleep 60`, {
    user,
    env: { ...env, SESSION_HTTP_ADDRESS: '127.0.0.1:0' },
  });
  await untilLogged(read.process, /^ready$/m);
  assert.match(read.process.log(), new RegExp(`^u-\\+1/creds.json ${UID}:${GID}\n\\{\\}$`, 'm'));
  const served = logLines(read.process.log()).find(({ msg }) => msg === 'Health and metrics are served');
  assert.equal(await statusOf(`http://127.0.0.1:${served?.port}/readyz`), 200);
  read.process.signal('SIGTERM');
  assert.equal((await read.ended()).code, 143, read.process.log());
});

test('plain sessions are imported as the user’s own', async (t) => {
  const user = await userWithFuse(t);
  const plain = join(user.directory('sessions'), 'u-+1');
  mkdirSync(plain);
  for (const [name, owner] of [
    ['creds.json', UID],
    ['stranger.json', STRANGER],
  ] as const) {
    writeFileSync(join(plain, name), `{"in":"${name}"}\n`);
    chmodSync(join(plain, name), 0o644);
    chownSync(join(plain, name), owner, owner);
  }
  chownSync(plain, UID, GID);
  const run = await startRootlessShell(t, LIST, { user });
  assert.equal((await run.ended()).code, 0, run.process.log());
  for (const name of ['', '/creds.json', '/stranger.json'])
    assert.match(run.process.log(), new RegExp(`^u-\\+1${name} ${UID}:${GID}$`, 'm'));
  assert.deepEqual(readdirSync(run.mountPoint), []);
});

test('SESSION_OWNER may name the user itself; the mount belongs to it, no matter which user owns the mount point', async (t) => {
  const user = await userWithFuse(t);
  for (const env of [{ SESSION_OWNER: `${UID}:${GID}` }, {}]) {
    const run = await startRootlessShell(t, 'stat -c "root %u:%g" "$DIR" && echo "{}" >"$DIR/a.json"', {
      user,
      env,
    });
    assert.equal((await run.ended()).code, 0, run.process.log());
    assert.match(run.process.log(), new RegExp(`^root ${UID}:${GID}$`, 'm'));
    chownSync(run.mountPoint, STRANGER, STRANGER);
  }
});

function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(url, (response) => resolve(response.resume().statusCode)).on('error', reject);
  });
}
