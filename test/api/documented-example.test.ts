/** The first example of docs/api.md is a whole program, and runs as it stands. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cleanUp } from '../support/cleanup.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { unmountBelow } from '../support/mounts.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('the example of docs/api.md mounts, opens a session with Baileys, and unmounts', (t) => {
  const [, example = ''] =
    /^```js\n([\s\S]*?)^```/m.exec(readFileSync(join(repository, 'docs/api.md'), 'utf8')) ?? [];
  const home = temporaryDirectory(t);
  cleanUp(t, () => unmountBelow(home));
  mkdirSync(join(home, 'node_modules/@whiskeysockets'), { recursive: true });
  symlinkSync(repository, join(home, 'node_modules/sessionfs'));
  const baileys = '@whiskeysockets/baileys';
  symlinkSync(join(repository, 'node_modules', baileys), join(home, 'node_modules', baileys));
  mkdirSync(join(home, 'sessions'));
  writeFileSync(join(home, 'bot.mjs'), example);
  const options = { cwd: home, env: cleanEnvironment(), encoding: 'utf8', timeout: 300_000 } as const;
  const { status, stderr } = spawnSync(process.execPath, ['bot.mjs'], options);
  assert.equal(status, 0, stderr);
  assert.match(stderr, /a new encryption key was made in \S+\. Back this file up/);
  assert.deepEqual(readdirSync(join(home, 'sessions')), [], 'the mount is left');
});
