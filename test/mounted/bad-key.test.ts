import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { Mounted } from '../support/mount-sessionfs.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { assertRefused } from './refused-start.ts';
import { readTree, sessionTree, writeTree } from './session-files.ts';
import { Succession } from './support/succession.ts';

const KEY = '89abcdef01234567'.repeat(4);
const OTHER_KEY = '0123456789abcdef'.repeat(4);
const session = sessionTree('user1-+15550001');

interface UsedCache {
  readonly ended: Mounted;
  readonly within: string;
  readonly mountPoint: string;
  readonly keyFile: string;
}

/** Mounts that make their key, and mounts that are given one; each test begins with an unmounted one. */
const [withOwnKey, withGivenKey] = [
  new Succession(),
  new Succession({ env: { SESSION_ENCRYPTION_KEY: KEY } }),
];

/** An unmounted mount with a session in its cache. */
async function usedCache(succession: Succession): Promise<UsedCache> {
  const ended = await succession.take();
  const { mountPoint } = ended;
  writeTree(mountPoint, session);
  await ended.unmount();
  return { ended, within: dirname(mountPoint), mountPoint, keyFile: `${mountPoint}.sealed.key` };
}

/** The refused start changed nothing: with the right key everything is there. */
async function assertStillOpens(succession: Succession, { ended, mountPoint }: UsedCache): Promise<void> {
  await succession.follow(ended, () => assert.deepEqual(readTree(mountPoint), session));
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

test('a key that the cache was not sealed with is refused, with the ids of both', async () => {
  const used = await usedCache(withGivenKey);
  const { within, mountPoint } = used;
  assertRefused(
    { within, args: [mountPoint], env: { SESSION_ENCRYPTION_KEY: OTHER_KEY } },
    {
      code: 'KEY_WRONG',
      message: /sealed with key [0-9a-f]{16}, .* SESSION_ENCRYPTION_KEY holds key [0-9a-f]{16}/,
      hint: /SESSION_ENCRYPTION_KEYS_PREVIOUS/,
    },
  );
  await assertStillOpens(withGivenKey, used);
});

test('a cache whose key file is gone is refused and no new key is made; put back, it opens', async () => {
  const used = await usedCache(withOwnKey);
  const { within, mountPoint, keyFile } = used;
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
  await assertStillOpens(withOwnKey, used);
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

test('a damaged key file is refused as it is, and never replaced', async () => {
  const used = await usedCache(withOwnKey);
  const { within, mountPoint, keyFile } = used;
  const key = readFileSync(keyFile, 'utf8');
  writeFileSync(keyFile, '');
  assertRefused(
    { within, args: [mountPoint] },
    { code: 'KEY_MALFORMED', message: new RegExp(`${keyFile}.*64 hex`), hint: /./ },
  );
  assert.equal(readFileSync(keyFile, 'utf8'), '');
  writeFileSync(keyFile, key);
  await assertStillOpens(withOwnKey, used);
});
