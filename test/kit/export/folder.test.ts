/** What a stop in the middle leaves of a folder with plain files: nothing. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeFolder } from '../../../src/kit/export/folder.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const files = Array.from({ length: 200 }, (_, n) => ({
  name: n % 2 === 0 ? `key-${n}.json` : `deep/key-${n}.json`,
  plain: Buffer.from('{}'),
  mtimeSec: 1_700_000_000,
  mtimeNsec: 0,
}));

test('a stop takes back what was written, and the same folder can be named again', async (t) => {
  const directory = temporaryDirectory(t);
  const made = join(directory, 'made');
  const there = join(directory, 'there');
  mkdirSync(there);
  for (const folder of [made, there]) {
    const stop = new AbortController();
    const writing = writeFolder(folder, files, stop.signal);
    // It has written some by then.
    setImmediate(() => {
      assert.ok(readdirSync(folder).length > 1);
      stop.abort();
    });
    await assert.rejects(writing, {
      code: 'EXPORT_TARGET',
      message: /stopped, and what was written is deleted/,
    });
  }
  assert.deepEqual([existsSync(made), readdirSync(there)], [false, []]);
  await writeFolder(made, files, new AbortController().signal);
  assert.deepEqual([readdirSync(made).length, readdirSync(join(made, 'deep')).length], [101, 100]);
});
