import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runCli } from '../cli/run-cli.ts';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { fileScope } from '../support/file-scope.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { assertRefused } from './refused-start.ts';
import { readTree, sessionTree, writeTree } from './session-files.ts';

const SESSION = sessionTree('user1-+15550001');

/** A port that something else listens on. */
async function takenPort(t: TestContext): Promise<number> {
  const server = createServer();
  cleanUp(t, () => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function emptyFolder(t: Scope): { within: string; mountPoint: string } {
  const within = temporaryDirectory(t);
  const mountPoint = join(within, 'sessions');
  mkdirSync(mountPoint);
  return { within, mountPoint };
}

const ofFile = fileScope();
let used: Promise<{ within: string; mountPoint: string }> | undefined;

/** An unmounted mount with a session in its cache, for tests that change nothing of it. */
function usedCache(): Promise<{ within: string; mountPoint: string }> {
  const use = async () => {
    const { within, mountPoint } = emptyFolder(ofFile);
    const mounted = await mountSessionfs(ofFile, { mountPoint });
    writeTree(mountPoint, SESSION);
    await mounted.unmount();
    return { within, mountPoint };
  };
  used ??= use();
  return used;
}

const TAKEN = { code: 'HTTP_ADDRESS_UNAVAILABLE', message: /EADDRINUSE/, hint: /port of its own/ } as const;

for (const daemonize of [false, true]) {
  const how = daemonize ? 'daemonized' : 'in the foreground';
  test(`a first start that fails, ${how}, leaves no key, cache, log or pid file behind`, async (t) => {
    const { within, mountPoint } = emptyFolder(t);
    const address = `127.0.0.1:${await takenPort(t)}`;
    const args = [mountPoint, '--http-address', address, ...(daemonize ? ['--daemonize'] : [])];
    const said = assertRefused({ within, args }, TAKEN);
    assert.deepEqual(readdirSync(within), ['sessions']);
    // Its log said to back the key up; on the terminal of a daemonized start no word of a key is left.
    assert.equal(/key is removed/.test(said), !daemonize);
    const mounted = await mountSessionfs(t, { mountPoint });
    await mounted.unmount();
  });
}

test('a first start whose mount cannot be made leaves no key and no cache behind', (t) => {
  const { within, mountPoint } = emptyFolder(t);
  const under = ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin', '--'];
  assertRefused(
    { within, args: [mountPoint, '--fuse-driver', 'direct'], under },
    { code: 'MOUNT_NOT_PERMITTED', message: /./, hint: /./ },
  );
  assert.deepEqual(readdirSync(within), ['sessions']);
});

test('a failed start of a cache that is there takes nothing away', async (t) => {
  const { within, mountPoint } = await usedCache();
  const before = readTree(within);
  const address = `127.0.0.1:${await takenPort(t)}`;
  assertRefused({ within, args: [mountPoint, '--http-address', address] }, TAKEN);
  const { 'sessions.sealed/lock': _was, ...kept } = before;
  const { 'sessions.sealed/lock': _is, ...found } = readTree(within);
  assert.deepEqual(found, kept);
});

test('a directory that is no cache is refused, and nothing in it is touched', (t) => {
  const { within, mountPoint } = emptyFolder(t);
  writeTree(within, { 'sessions.sealed/': '', 'sessions.sealed/notes.txt': 'mine' });
  assertRefused({ within, args: [mountPoint] }, { code: 'CACHE_FORMAT', message: /notes\.txt/, hint: /./ });
  assert.deepEqual(readTree(within), {
    'sessions/': '',
    'sessions.sealed/': '',
    'sessions.sealed/notes.txt': 'mine',
  });
});

test('mount --daemonize says on the terminal that a key was made, once', async (t) => {
  const { within } = emptyFolder(t);
  cleanUp(t, () => void runCli(['unmount'], {}, within));
  const first = runCli(['mount', '--daemonize'], {}, within);
  assert.deepEqual([first.status, runCli(['unmount'], {}, within).status], [0, 0], first.stderr);
  assert.match(first.stderr, /a new encryption key was made in .*sessions\.sealed\.key\. Back this file up/);
  const second = runCli(['mount', '--daemonize'], {}, within);
  assert.deepEqual([second.status, second.stderr], [0, '']);
});

test('another key than the one that local mode made is refused before anything changes, and the key file is named', async (t) => {
  const { within, mountPoint } = await usedCache();
  assertRefused(
    { within, args: [mountPoint], env: { SESSION_ENCRYPTION_KEY: '0123456789abcdef'.repeat(4) } },
    {
      code: 'KEY_WRONG',
      message: /sealed with key [0-9a-f]{16}, but SESSION_ENCRYPTION_KEY holds key/,
      hint: /The key file .*sessions\.sealed\.key opens them: set SESSION_ENCRYPTION_KEY_FILE=/,
    },
  );
  const again = await mountSessionfs(t, { mountPoint });
  assert.deepEqual(readTree(mountPoint), SESSION);
  await again.unmount();
});
