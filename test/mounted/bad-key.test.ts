import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { assertRefused } from './refused-start.ts';
import { readTree, sessionTree, writeTree } from './session-files.ts';

const KEY = '89abcdef01234567'.repeat(4);
const OTHER_KEY = '0123456789abcdef'.repeat(4);
const session = sessionTree('user1-+15550001');

type Environment = Readonly<Record<string, string>>;

/** An unmounted mount with a session in its cache, sealed with a key that was made for it unless one is given. */
async function usedCache(t: TestContext, env: Environment = {}) {
  const within = temporaryDirectory(t);
  const mountPoint = join(within, 'sessions');
  const mounted = await mountSessionfs(t, { mountPoint, env });
  writeTree(mountPoint, session);
  await mounted.unmount();
  return { within, mountPoint, keyFile: join(within, 'sessions.sealed.key') };
}

/** The refused start changed nothing: with the right key everything is there. */
async function assertStillOpens(t: TestContext, mountPoint: string, env: Environment = {}): Promise<void> {
  const mounted = await mountSessionfs(t, { mountPoint, env });
  assert.deepEqual(readTree(mountPoint), session);
  await mounted.unmount();
}

test('a key that is not 64 hex digits is refused wherever it comes from, and never repeated', (t) => {
  const within = temporaryDirectory(t);
  const keyFile = join(within, 'key');
  for (const key of ['hunter2hunter2', OTHER_KEY.slice(1), `${OTHER_KEY}0`, OTHER_KEY.replace('a', 'g')]) {
    writeFileSync(keyFile, `${key}\n`, { mode: 0o600 });
    const unsaid = `^(?!.*${key}).*`;
    for (const [name, env] of [
      ['SESSION_ENCRYPTION_KEY', { SESSION_ENCRYPTION_KEY: key }],
      [keyFile, { SESSION_ENCRYPTION_KEY_FILE: keyFile }],
    ] as const) {
      assertRefused(
        { within, args: [mountPointIn(within)], env },
        { code: 'KEY_MALFORMED', message: new RegExp(`${unsaid}${name}.*64 hex`), hint: new RegExp(unsaid) },
      );
    }
  }
});

function mountPointIn(within: string): string {
  writeTree(within, { 'sessions/': '' });
  return join(within, 'sessions');
}

test('a key that the cache was not sealed with is refused, with the ids of both', async (t) => {
  const env = { SESSION_ENCRYPTION_KEY: KEY };
  const { within, mountPoint } = await usedCache(t, env);
  assertRefused(
    { within, args: [mountPoint], env: { SESSION_ENCRYPTION_KEY: OTHER_KEY } },
    {
      code: 'KEY_WRONG',
      message: /sealed with key [0-9a-f]{16}, .* SESSION_ENCRYPTION_KEY holds key [0-9a-f]{16}/,
      hint: /SESSION_ENCRYPTION_KEYS_PREVIOUS/,
    },
  );
  await assertStillOpens(t, mountPoint, env);
});

test('a cache whose key file is gone is refused and no new key is made; put back, it opens', async (t) => {
  const { within, mountPoint, keyFile } = await usedCache(t);
  renameSync(keyFile, `${keyFile}.away`);
  assertRefused(
    { within, args: [mountPoint] },
    {
      code: 'KEY_MISSING',
      message: new RegExp(`no key is set and ${keyFile} does not exist`),
      hint: new RegExp(`Put ${keyFile} back from your backup`),
    },
  );
  renameSync(`${keyFile}.away`, keyFile);
  await assertStillOpens(t, mountPoint);
});

test('a key file that is named and missing is refused by its name', (t) => {
  const within = temporaryDirectory(t);
  const keyFile = join(within, 'none');
  assertRefused(
    { within, args: [mountPointIn(within), '--encryption-key-file', keyFile] },
    {
      code: 'KEY_MISSING',
      message: new RegExp(`cannot read the key file ${keyFile}`),
      hint: /Name an existing file/,
    },
  );
});

test('a damaged key file is refused as it is, and never replaced', async (t) => {
  const { within, mountPoint, keyFile } = await usedCache(t);
  const key = readFileSync(keyFile, 'utf8');
  writeFileSync(keyFile, '');
  assertRefused(
    { within, args: [mountPoint] },
    { code: 'KEY_MALFORMED', message: new RegExp(`${keyFile}.*64 hex`), hint: /./ },
  );
  assert.equal(readFileSync(keyFile, 'utf8'), '');
  writeFileSync(keyFile, key);
  await assertStillOpens(t, mountPoint);
});
