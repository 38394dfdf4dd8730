import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Keyring } from '../../src/crypto/keyring.ts';
import type { ListedFile } from '../../src/kit/sessions.ts';
import { exitStatus } from '../../src/lib/errors.ts';
import { Account, SESSION } from '../hybrid/support.ts';
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
