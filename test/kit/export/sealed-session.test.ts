import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { readSealedSession } from '../../../src/kit/export/sealed-session.ts';
import { Cache } from '../../../src/store/cache/cache.ts';
import { append, KEY_ID, mkdir, put, Rig, remove, temporaryDirectory } from '../../store/support.ts';

async function read(cachePath: string, session = 's-+1'): Promise<Record<string, string>> {
  const files = await readSealedSession(cachePath, session);
  return Object.fromEntries([...files].map(([path, sealed]) => [path, sealed.toString()]));
}

test('what the journal has counts more than the cache, and both are left as they are', async (t) => {
  const rig = new Rig(t);
  append(rig.writer, [
    mkdir('s-+1', 'meta'),
    put('s-+1/a', 'old'),
    put('s-+1/b', 'b'),
    put('s-+1/gone', 'x'),
  ]);
  append(rig.writer, [mkdir('s-+1/deep'), put('s-+1/deep/c', 'c')]);
  await rig.checkpoint();
  append(rig.writer, [put('s-+1/a', 'new'), remove('s-+1/gone'), put('s-+1/d', 'd')]);
  fs.appendFileSync(
    join(rig.cachePath, 'journal', rig.segments()[0] ?? ''),
    'a record that is being written',
  );
  const before = [rig.tree('journal'), rig.tree()];
  const expected = { 's-+1/a': 'new', 's-+1/b': 'b', 's-+1/deep/c': 'c', 's-+1/d': 'd' };
  assert.deepEqual(await read(rig.cachePath), expected);
  assert.deepEqual([rig.tree('journal'), rig.tree()], before);
});

test('other sessions are left out, whatever their names begin with', async (t) => {
  const rig = new Rig(t);
  const others = ['s-+10/a', 's/a', 's-+1-+2/a', 's-+1.json', 'x/s-+1/a'];
  append(rig.writer, [put('s-+1/a', 'mine'), ...others.map((path) => put(path, 'other'))]);
  assert.deepEqual(await read(rig.cachePath), { 's-+1/a': 'mine' });
  await rig.checkpoint();
  assert.deepEqual(await read(rig.cachePath), { 's-+1/a': 'mine' });
  assert.deepEqual(await read(rig.cachePath, 's'), { 's/a': 'other' });
  assert.deepEqual(await read(rig.cachePath, 'nobody-+1'), {});
});

test('a copy of a cache without its empty journal can be read', async (t) => {
  const rig = new Rig(t);
  append(rig.writer, [put('s-+1/a', 'a')]);
  await rig.checkpoint();
  fs.rmdirSync(join(rig.cachePath, 'journal'));
  assert.deepEqual(await read(rig.cachePath), { 's-+1/a': 'a' });
  fs.mkdirSync(join(rig.cachePath, 'journal'));
});

test('beside a daemon that writes and checkpoints all the time, every reading is of one moment', async (t) => {
  const cachePath = join(temporaryDirectory(t), 'cache');
  Cache.open(cachePath, { mountPoint: '/nowhere/sessions', keyId: KEY_ID });
  const worker = new Worker(new URL('./support/checkpointing-worker.js', import.meta.url), {
    workerData: cachePath,
  });
  t.after(() => worker.terminate());
  let newest = 0;
  let readings = 0;
  for (const end = performance.now() + 2500; performance.now() < end; ) {
    const files = await read(cachePath);
    const number = (name: string) => Number(files[`s-+1/${name}`] ?? 0);
    const [first, second] = [number('first'), number('second')];
    assert.ok(first === second || first === second + 1, `first ${first}, second ${second}`);
    assert.ok(second >= newest, `went back from ${newest} to ${second}`);
    if (second > 1) {
      const [even, odd] = [number('even'), number('odd')];
      assert.equal(Math.min(even, odd), 0, `even ${even} and odd ${odd} at once`);
      assert.ok(Math.max(even, odd) >= second - 1, `even ${even}, odd ${odd}, second ${second}`);
      readings++;
    }
    newest = second;
  }
  worker.postMessage('end');
  const [last] = (await once(worker, 'message')) as [number];
  assert.equal((await read(cachePath))['s-+1/second'], String(last));
  assert.ok(readings > 5, `only ${readings} readings`);
  t.diagnostic(`${readings} readings while ${last} versions of each file were written`);
});
