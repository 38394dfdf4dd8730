import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Keyring } from '../../src/crypto/keyring.ts';
import type { ListedFile } from '../../src/kit/sessions.ts';
import { exitStatus } from '../../src/lib/errors.ts';
import { Account, SESSION } from '../hybrid/support.ts';
import { cleanUp } from '../support/cleanup.ts';
import { cliMain } from '../support/cli-main.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { mountAt, unmountBelow } from '../support/mounts.ts';
import { until } from '../support/until.ts';
import { runCli } from './run-cli.ts';

const NEW = 'fedcba9876543210'.repeat(4);
const newId = Keyring.fromHex(NEW).currentId;

test('rekey has the mount seal cache and bucket with its new key, and the old one opens nothing any more', {
  timeout: 240_000,
}, async (t) => {
  const account = new Account(t);
  const machine = account.machine();
  const { mountPoint, cachePath, key: old } = machine;
  const previous = { SESSION_ENCRYPTION_KEY: NEW, SESSION_ENCRYPTION_KEYS_PREVIOUS: old };
  const before = await machine.mount();
  mkdirSync(machine.path(SESSION, 'deep'), { recursive: true });
  const names = ['creds.json', 'a.json', 'deep/b.json'];
  for (const name of names) writeFileSync(machine.path(SESSION, name), `{"n":"${name}"}`);
  symlinkSync('a.json', machine.path(SESSION, 'link'));
  utimesSync(machine.path(SESSION, 'a.json'), 1_700_000_000, 1_700_000_000);
  writeFileSync(machine.path('root.txt'), 'root');
  // A mount that does not have the new key yet.
  const early = runCli(['rekey', mountPoint], previous);
  assert.equal(early.status, exitStatus.REKEY_UNFINISHED, early.stderr);
  assert.match(early.stderr, /seals with another key than [0-9a-f]{16}\n {2}Mount it with the new key/);
  await before.unmount();

  const mounted = await machine.mount(previous);
  const rekey = () => {
    const { status, stdout, stderr } = runCli(['rekey', mountPoint, '--json'], previous);
    assert.deepEqual([status, stderr], [0, '']);
    return JSON.parse(stdout) as { sealed: number; keyId: string; left: string[] };
  };
  const first = rekey();
  assert.deepEqual([first.keyId, first.left], [newId, []]);
  assert.ok(first.sealed >= names.length + 1, String(first.sealed));
  assert.equal(rekey().sealed, 0, 'a second run finds nothing to do');
  for (const from of ['cache', 'bucket']) {
    const listed = runCli([
      'ls',
      SESSION,
      '--json',
      '--from',
      from,
      '--cache-path',
      cachePath,
      '--bucket',
      account.bucket,
    ]);
    const files = JSON.parse(listed.stdout) as ListedFile[];
    assert.deepEqual(new Set(files.map(({ keyId }) => keyId)), new Set([newId]), from);
    assert.ok(files.length >= names.length, from);
  }
  await mounted.unmount();

  // On this machine and on a new one, without the old key.
  for (const at of [machine, account.machine()]) {
    const again = await at.mount({ SESSION_ENCRYPTION_KEY: NEW });
    for (const name of names) assert.equal(readFileSync(at.path(SESSION, name), 'utf8'), `{"n":"${name}"}`);
    assert.equal(statSync(at.path(SESSION, 'a.json')).mtimeMs, 1_700_000_000_000);
    assert.equal(readFileSync(at.path('root.txt'), 'utf8'), 'root');
    await again.unmount();
  }
});

test('rekey needs no mount, goes on after a kill, and does it in cloud mode as well', {
  timeout: 240_000,
}, async (t) => {
  const account = new Account(t);
  const machine = account.machine();
  const { mountPoint, cachePath, key: old } = machine;
  const names = Array.from({ length: 8 }, (_, n) => `key-${n}.json`);
  const first = await machine.mount();
  mkdirSync(machine.path(SESSION));
  for (const name of names) writeFileSync(machine.path(SESSION, name), `{"n":"${name}"}`);
  await first.unmount();

  const own = `${cachePath}.rekey`;
  const env = {
    STORAGE_BUCKET: account.bucket,
    SESSION_ENCRYPTION_KEY: NEW,
    SESSION_ENCRYPTION_KEYS_PREVIOUS: old,
  };
  const hybrid = { ...env, SESSION_STORAGE_TYPE: 'hybrid' };
  const keys = (from: string) => {
    const args = ['ls', SESSION, '--json', '--from', from, '--cache-path', cachePath];
    const files = JSON.parse(runCli([...args, '--bucket', account.bucket]).stdout) as ListedFile[];
    return files.map(({ keyId }) => keyId);
  };
  const started = () => {
    const child = spawn(process.execPath, [cliMain, 'rekey', mountPoint, '--rate', '2'], {
      env: cleanEnvironment(hybrid),
      stdio: 'ignore',
    });
    cleanUp(t, () => {
      child.kill('SIGKILL');
      unmountBelow(own);
    });
    return child;
  };
  // Ctrl-C while it begins to mount.
  const interrupted = started();
  await until(() => existsSync(own));
  interrupted.kill('SIGINT');
  await until(() => interrupted.signalCode !== null || interrupted.exitCode !== null);
  assert.equal(interrupted.exitCode, exitStatus.REKEY_UNFINISHED);
  assert.deepEqual([mountAt(own), existsSync(own)], [undefined, false]);

  const killed = started();
  await until(() => existsSync(cachePath) && keys('cache').filter((id) => id === newId).length > 1);
  killed.kill('SIGKILL');
  await until(() => killed.signalCode !== null || killed.exitCode !== null);
  const rekey = (given: Record<string, string>, at = mountPoint) => {
    const { status, stdout, stderr } = runCli(['rekey', at, '--json'], given);
    assert.deepEqual([status, stderr], [0, '']);
    return JSON.parse(stdout) as { sealed: number; keyId: string; left: string[] };
  };
  const rest = rekey(hybrid);
  assert.ok(rest.sealed > 0 && rest.sealed < names.length + 1, String(rest.sealed));
  assert.deepEqual(rest.left, []);
  for (const from of ['cache', 'bucket']) assert.deepEqual(new Set(keys(from)), new Set([newId]), from);
  assert.deepEqual([mountAt(own), existsSync(own)], [undefined, false]);
  assert.equal(rekey(hybrid).sealed, 0);

  // Back to the first key, on a machine that keeps nothing.
  const other = account.machine();
  mkdirSync(other.mountPoint);
  const cloud = {
    ...env,
    SESSION_STORAGE_TYPE: 'cloud',
    SESSION_ENCRYPTION_KEY: old,
    SESSION_ENCRYPTION_KEYS_PREVIOUS: NEW,
  };
  const back = rekey(cloud, other.mountPoint);
  assert.deepEqual([back.keyId, back.left], [Keyring.fromHex(old).currentId, []]);
  assert.deepEqual(new Set(keys('bucket')), new Set([back.keyId]));
  assert.equal(rekey(cloud, other.mountPoint).sealed, 0);
  assert.deepEqual(existsSync(join(other.directory, 'sessions.sealed')), false);
  const again = await account.machine().mount();
  assert.equal(readFileSync(join(again.mountPoint, SESSION, 'key-7.json'), 'utf8'), '{"n":"key-7.json"}');
  await again.unmount();
});
