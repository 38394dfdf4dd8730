/** What is on stable storage when a checkpoint lets a segment go: a recorded disk says so, and no power cut has to be lucky. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cache } from '../../src/store/cache/cache.ts';
import { Checkpointer, type CheckpointerOptions } from '../../src/store/checkpoint/checkpointer.ts';
import type { NodeTable } from '../../src/store/checkpoint/node-table.ts';
import { OpType } from '../../src/store/journal/format.ts';
import { recordedDisk, type Step, stepAt } from './recorded-cache-disk.ts';
import { append, mkdir, put, Rig, remove, rmdir } from './support.ts';

const CREDS = 's-+1/creds.json';

/** A checkpoint of two closed segments, with a third one that is being written. */
async function checkpointed(
  t: TestContext,
  changes: (rig: Rig) => Partial<CheckpointerOptions> = () => ({}),
): Promise<{ rig: Rig; steps: Step[] }> {
  const rig = new Rig(t, 120);
  await rig.cache.put('s-+1/old.json', Buffer.from('old'));
  append(rig.writer, [mkdir('s-+1'), put(CREDS, 'x'.repeat(100))]);
  append(rig.writer, [remove('s-+1/old.json'), put('top.json', 'y'.repeat(100))]);
  const upTo = rig.writer.roll();
  append(rig.writer, [put('later.json', 'z')]);
  assert.equal(rig.segments().length, 3);
  const { steps, operations } = recordedDisk();
  const checkpointer = new Checkpointer({
    journalDirectory: rig.cache.journalDirectory,
    cache: new Cache(rig.cachePath, operations),
    progress: rig.progress,
    onRetired: () => {},
    log: { warn: () => {} },
    ...changes(rig),
  });
  assert.equal((await checkpointer.run(upTo)).outcome, 'complete');
  return { rig, steps };
}

const segment = (rig: Rig, number: number) => join(rig.cache.journalDirectory, `000000000${number}.log`);
const isChange = ({ what, path }: Step) =>
  ['rename', 'unlink', 'mkdir', 'rmdir'].includes(what) && path.includes('/sessions');

test('the whole journal and its names are on stable storage before anything of it moves', async (t) => {
  const { rig, steps } = await checkpointed(t);
  const first = steps.findIndex(isChange);
  assert.ok(first > 0);
  for (const path of [segment(rig, 1), segment(rig, 2), segment(rig, 3), rig.cache.journalDirectory]) {
    const synced = stepAt(steps, 'sync', path);
    assert.ok(synced >= 0 && synced < first, path);
  }
});

test('a file is on stable storage before it gets its name', async (t) => {
  const { rig, steps } = await checkpointed(t);
  const renames = steps.filter(({ what }) => what === 'rename');
  assert.deepEqual(renames.map(({ path }) => path.slice(rig.cachePath.length)).sort(), [
    '/sessions/s/+1/creds.json',
    '/sessions/top.json',
  ]);
  for (const { path, from = '' } of renames) {
    const synced = stepAt(steps, 'sync', from);
    assert.ok(synced >= 0 && synced < stepAt(steps, 'rename', path), path);
    assert.ok(stepAt(steps, 'write', from) < synced, path);
  }
});

test('all names in the cache are on stable storage before the first segment goes', async (t) => {
  const { rig, steps } = await checkpointed(t);
  const gone = stepAt(steps, 'unlink', segment(rig, 1));
  assert.ok(gone > 0);
  const changes = steps.flatMap((step, index) => (isChange(step) ? [{ ...step, index }] : []));
  assert.ok(changes.length >= 3);
  for (const { path, index } of changes) {
    const synced = stepAt(steps, 'sync', dirname(path), index);
    assert.ok(synced > index && synced < gone, path);
  }
  // An interrupted run may have made folders that are not durable in their parents yet.
  const last = steps.findLastIndex(isChange);
  for (let at = join(rig.cachePath, 'sessions/s/+1'); at.length > rig.cachePath.length; at = dirname(at))
    assert.ok(stepAt(steps, 'sync', at, last) > last, at);
});

test('segments go one after the other, each durably before the next', async (t) => {
  const { rig, steps } = await checkpointed(t);
  const [first, second] = [1, 2].map((number) => stepAt(steps, 'unlink', segment(rig, number)));
  assert.ok(first !== undefined && second !== undefined && first > 0);
  const synced = stepAt(steps, 'sync', rig.cache.journalDirectory, first);
  assert.ok(first < synced && synced < second);
  assert.ok(stepAt(steps, 'sync', rig.cache.journalDirectory, second) > second);
});

test('readers hear that a segment is retired while it is still there', async (t) => {
  const heard: [number, boolean, number][] = [];
  await checkpointed(t, (rig) => ({
    onRetired: (number) => heard.push([number, existsSync(segment(rig, number)), rig.progress.retired]),
  }));
  assert.deepEqual(heard, [
    [1, true, 1],
    [2, true, 2],
  ]);
});

test('no segment goes before what it held was noted elsewhere', async (t) => {
  let isNoted = false;
  const { rig } = await checkpointed(t, () => ({
    onApplied: async () => {
      await sleep(50);
      isNoted = true;
    },
    onRetired: () => assert.ok(isNoted, 'a segment goes before its end was noted'),
  }));
  assert.ok(isNoted);
  assert.equal(rig.segments().length, 1);
});

test('no segment goes before the numbers that it held are noted', async (t) => {
  let isNoted = false;
  const nodes = {
    append: async () => {
      await sleep(50);
      isNoted = true;
    },
  } as unknown as NodeTable;
  await checkpointed(t, () => ({
    nodes,
    onRetired: () => assert.ok(isNoted, 'a segment goes before its numbers were noted'),
  }));
  assert.ok(isNoted);
});

test('folders go before the folder that they lie in, whichever was changed first', async (t) => {
  const rig = new Rig(t);
  append(rig.writer, [mkdir('d', 'meta'), mkdir('d/e', 'meta')]);
  await rig.checkpoint();
  append(rig.writer, [{ type: OpType.DIRECTORY_META, path: 'd', data: 'changed' }]);
  append(rig.writer, [rmdir('d/e')]);
  append(rig.writer, [rmdir('d')]);
  await rig.checkpoint();
  assert.deepEqual(rig.tree(), {});
});
