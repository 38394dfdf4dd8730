import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BulkFiles } from '../../src/lib/bulk-files.ts';

test('many files are written and renamed; what fails is named, and leaves nothing', async (t) => {
  const directory = fs.mkdtempSync(join(tmpdir(), 'sessionfs-test-'));
  const bulk = new BulkFiles();
  t.after(async () => {
    await bulk.close();
    fs.rmSync(directory, { recursive: true });
  });
  fs.writeFileSync(join(directory, '300'), 'in the way');
  fs.symlinkSync(join(directory, 'elsewhere'), join(directory, '301'));
  const files = Array.from({ length: 600 }, (_, i) => {
    return { path: join(directory, String(i)), bytes: Buffer.from(i === 599 ? '' : `content ${i}`) };
  });
  const failed = await bulk.write(files);
  assert.deepEqual([...failed], [files[300], files[301]]);
  assert.equal(fs.readFileSync(join(directory, '300'), 'utf8'), 'in the way');
  assert.ok(!fs.existsSync(join(directory, 'elsewhere')), 'no link is followed');
  for (const [i, { path }] of files.entries())
    if (i < 300 || i > 301) assert.equal(fs.readFileSync(path, 'utf8'), i === 599 ? '' : `content ${i}`);
  const renamings = [302, 303, 304].map((i) => {
    return { from: join(directory, String(i)), to: join(directory, i === 303 ? 'no/folder' : `new-${i}`) };
  });
  assert.deepEqual([...(await bulk.rename(renamings))], [renamings[1]]);
  assert.equal(fs.readFileSync(join(directory, 'new-304'), 'utf8'), 'content 304');
  assert.equal(fs.readFileSync(join(directory, '303'), 'utf8'), 'content 303');
});

test('a thread that is ended in the middle leaves no caller waiting, and another one goes on', async (t) => {
  const directory = fs.mkdtempSync(join(tmpdir(), 'sessionfs-test-'));
  const bulk = new BulkFiles();
  t.after(async () => {
    await bulk.close();
    fs.rmSync(directory, { recursive: true });
  });
  const file = { path: join(directory, 'a'), bytes: Buffer.from('a') };
  const interrupted = bulk.write([file]);
  await bulk.close();
  assert.ok((await interrupted).size <= 1);
  assert.equal((await bulk.write([{ ...file, path: join(directory, 'b') }])).size, 0);
});
