/** What a stop in the middle leaves of a folder with plain files: nothing. */
import assert from 'node:assert/strict';
import fs, { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
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

test('a failure takes back what was written, and nothing else', async (t) => {
  const folder = join(temporaryDirectory(t), 'folder');
  const never = new AbortController().signal;
  const writing = writeFolder(folder, files, never);
  // Another command that found the folder empty.
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'key-150.json'), 'of another');
  await assert.rejects(writing, { code: 'EXPORT_TARGET', message: /EEXIST/ });
  assert.deepEqual(readdirSync(folder), ['key-150.json']);
});

test('a full disk leaves no half of a session', async (t) => {
  const folder = join(temporaryDirectory(t), 'folder');
  const never = new AbortController().signal;
  let writes = 0;
  const write = t.mock.method(fs, 'writeFileSync', (fd: number, plain: Buffer) => {
    fs.writeSync(fd, plain);
    if (++writes === 150) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
  });
  await assert.rejects(writeFolder(folder, files, never), { code: 'EXPORT_TARGET', message: /ENOSPC/ });
  write.mock.restore();
  assert.ok(!existsSync(folder));
});
