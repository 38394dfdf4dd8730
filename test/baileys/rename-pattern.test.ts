import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { startReader } from './reader-thread.ts';
import { isMissing, versionedJson, versionOf } from './versioned-json.ts';

const NAMES = ['creds.json', 'pre-key-1.json', 'session-15550001.0.json'];
const VERSIONS = 150;

function makeSession(mountPoint: string): { folder: string; files: string[] } {
  const folder = join(mountPoint, 'user1-+15550001');
  mkdirSync(folder);
  return { folder, files: NAMES.map((name) => join(folder, name)) };
}

/** As Baileys' develop branch writes: the old version stays readable as .bak while the new one takes its place. */
async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}.tmp`, text);
  await rename(file, `${file}.bak`).catch((error) => {
    if (!isMissing(error)) throw error;
  });
  await rename(`${file}.tmp`, file);
}

test('with .tmp, .bak and rename, a concurrent reader never sees an empty or cut file; a remount has the last version, the one before as .bak, and no .tmp', async (t) => {
  const first = await mountSessionfs(t);
  const { mountPoint } = first;
  const { folder, files } = makeSession(mountPoint);
  const reader = startReader(files);
  for (let version = 0; version < VERSIONS; version++) {
    await Promise.all(files.map((file) => replace(file, versionedJson(version))));
  }
  const { reads, bad } = await reader.stop();
  assert.deepEqual(bad, []);
  assert.ok(reads > 0, 'the reader never found a file');
  const expected = NAMES.flatMap((name) => [name, `${name}.bak`]).sort();
  assert.deepEqual(readdirSync(folder).sort(), expected);
  await first.unmount();

  const second = await mountSessionfs(t, { mountPoint });
  assert.deepEqual(readdirSync(folder).sort(), expected);
  for (const file of files) {
    assert.equal(versionOf(readFileSync(file, 'utf8')), VERSIONS - 1);
    assert.equal(versionOf(readFileSync(`${file}.bak`, 'utf8')), VERSIONS - 2);
  }
  await second.unmount();
});
