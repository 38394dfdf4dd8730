/** What a damaged disk, or another program, may leave in the place of the files of a cache: a start says what it is, and ends. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { identityFile } from '../../src/lease/identity.ts';
import { readKeyId } from '../../src/store/cache/format.ts';
import { acquireCacheLock } from '../../src/store/cache/lock.ts';
import { NodeTable } from '../../src/store/checkpoint/node-table.ts';
import { readLedger } from '../../src/sync/ledger/reading.ts';
import { temporaryDirectory } from './support.ts';

const GIB = 2 ** 30;

/** No file: reading one would never end, or fail in a way that says nothing. */
const NO_FILES: Readonly<Record<string, (path: string) => void>> = {
  'a FIFO': (path) => void execFileSync('mkfifo', [path]),
  'a folder': (path) => void mkdirSync(path),
  'an endless device': (path) => symlinkSync('/dev/zero', path),
};

const READERS: Readonly<Record<string, (cachePath: string) => unknown>> = {
  'format.json': (cachePath) => readKeyId(cachePath),
  'mount-id': (cachePath) => identityFile(cachePath).load(),
  'nodes.log': (cachePath) => new NodeTable(cachePath).readSync(),
  'bucket.log': (cachePath) => readLedger(join(cachePath, 'bucket.log')),
};

test('what is no file in the place of one is told by its path, with what to do', async (t) => {
  const cachePath = temporaryDirectory(t);
  for (const [name, read] of Object.entries(READERS))
    for (const [what, make] of Object.entries(NO_FILES)) {
      const path = join(cachePath, name);
      make(path);
      await assert.rejects(
        async () => read(cachePath),
        (error: Error & { code?: string; hint?: string }) => {
          assert.deepEqual(
            [error.code, error.message],
            ['CACHE_FORMAT', `${path} is not a regular file`],
            what,
          );
          assert.match(String(error.hint), /^(Remove it|Unmount, remove it|Choose another)/);
          return true;
        },
      );
      rmSync(path, { recursive: true });
    }
  mkdirSync(join(cachePath, 'nodes.log'));
  assert.throws(() => new NodeTable(cachePath).clearSync(), { code: 'CACHE_FORMAT' });
  execFileSync('mkfifo', [join(cachePath, 'lock')]);
  assert.throws(() => acquireCacheLock(cachePath), { code: 'CACHE_FORMAT' });
});

test('files of 3 GiB are refused where they should be small, and take no memory where they may be large', async (t) => {
  const cachePath = temporaryDirectory(t);
  for (const name of ['format.json', 'mount-id', 'lock']) {
    writeFileSync(join(cachePath, name), '');
    truncateSync(join(cachePath, name), 3 * GIB);
  }
  assert.throws(() => readKeyId(cachePath), {
    code: 'CACHE_FORMAT',
    message: /format\.json has 3221225472 bytes/,
  });
  await assert.rejects(identityFile(cachePath).load(), { code: 'CACHE_FORMAT' });
  const lock = acquireCacheLock(cachePath);
  truncateSync(join(cachePath, 'lock'), 3 * GIB);
  assert.throws(() => acquireCacheLock(cachePath), { code: 'CACHE_LOCKED', message: /another process/ });
  lock.release();
});

test('of the table of numbers lines count that a daemon writes: no endless one, no number that is not exact', (t) => {
  const cachePath = temporaryDirectory(t);
  const path = 'p'.repeat(2_000_000);
  const lines = [
    '["",7]',
    `["${path}",8]`,
    '["a",5]',
    `["b",${Number.MAX_SAFE_INTEGER}]`,
    `["",${2 ** 48 + 1}]`,
    '["c",1e309]',
    '["d",-1]',
    '["e",6.5]',
    '["__proto__",6]',
    '["ü",9]',
    '["cut',
  ];
  for (const [text, last] of [
    [lines.join('\n'), 'ü'],
    [`${lines.join('\n')}\n`.repeat(3), 'ü'],
    [`${lines.join('\n')}\n["f",10]`, 'f'],
  ] as const) {
    writeFileSync(join(cachePath, 'nodes.log'), text);
    const { byPath, largest } = new NodeTable(cachePath).readSync();
    assert.deepEqual(
      [...byPath.keys()].map((key) => key.slice(0, 20)),
      ['a', '__proto__', 'ü', ...(last === 'f' ? ['f'] : [])],
    );
    assert.deepEqual([byPath.get('a'), byPath.get('ü'), largest], [5, 9, last === 'f' ? 10 : 9]);
  }
});
