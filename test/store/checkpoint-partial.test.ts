/** A path that the cache cannot store costs itself: everything else is stored, and nothing of it is lost. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { fileOperations } from '../../src/lib/file-operations.ts';
import { systemError } from '../../src/lib/system-error.ts';
import type { CheckpointPlan } from '../../src/store/checkpoint/plan.ts';
import { append, faultyAsync, mkdir, put, Rig, remove, replay, rmdir } from './support.ts';

/** Something foreign keeps the directory `d/e` in the cache, and a file takes its name in the mount. */
async function blockedRig(...args: ConstructorParameters<typeof Rig>): Promise<Rig> {
  const rig = new Rig(...args);
  append(rig.writer, [mkdir('d', 'm'), mkdir('d/e', 'm')]);
  await rig.checkpoint();
  fs.writeFileSync(join(rig.cachePath, 'sessions/d/e/%foreign'), '');
  append(rig.writer, [rmdir('d/e')]);
  append(rig.writer, [put('d/e', 'a file now')]);
  return rig;
}

const unblock = (rig: Rig) => fs.rmSync(join(rig.cachePath, 'sessions/d/e'), { recursive: true });

test('a path that something foreign blocks stays in the journal; every other path is stored', async (t) => {
  const rig = await blockedRig(t);
  append(rig.writer, [put('d/other', 'x'), put('s-+1/creds.json', 'v1')]);
  const report = await rig.checkpoint();
  assert.deepEqual([report.outcome, report.unstored], ['partial', ['d/e']]);
  assert.equal(rig.cache.readSync('d/other').toString(), 'x');
  assert.equal(rig.cache.readSync('s-+1/creds.json').toString(), 'v1');
  assert.deepEqual(rig.tree('tmp'), {});
  const kept = replay(rig.cache.journalDirectory).seen.flat();
  assert.ok(
    kept.some(({ path, data }) => path === 'd/e' && data === 'a file now'),
    'the journal still has it',
  );
  assert.match(rig.warnings.at(-1) ?? '', /cannot store some paths; they stay in the journal/);
});

test('later checkpoints go on, name it once, and bring it in when nothing blocks it any more', async (t) => {
  const rig = await blockedRig(t, 200);
  const checkpointer = rig.checkpointer();
  await checkpointer.run(rig.writer.roll());
  const warnings = rig.warnings.length;
  for (const version of [1, 2, 3]) {
    append(rig.writer, [put('s-+1/creds.json', `v${version}`)]);
    const report = await checkpointer.run(rig.writer.roll());
    assert.equal(report.outcome, 'partial');
    assert.equal(report.filesWritten, 1, 'what is stored already is not written again');
    assert.equal(rig.cache.readSync('s-+1/creds.json').toString(), `v${version}`);
  }
  assert.equal(rig.warnings.length, warnings);
  unblock(rig);
  const report = await checkpointer.run(rig.writer.roll());
  assert.deepEqual([report.outcome, report.unstored], ['complete', []]);
  assert.equal(rig.cache.readSync('d/e').toString(), 'a file now');
  assert.deepEqual(rig.segments(), []);
});

test('what is owed alone is still owed while the disk is full, and comes in when there is room', async (t) => {
  const rig = await blockedRig(t);
  const isFull = { now: false };
  const files = faultyAsync((operation) => (isFull.now && operation === 'write' ? 'ENOSPC' : undefined));
  const checkpointer = rig.checkpointer(files);
  await checkpointer.run(rig.writer.roll());
  unblock(rig);
  isFull.now = true;
  const full = await checkpointer.run(rig.writer.roll());
  assert.equal(full.outcome, 'disk-full');
  isFull.now = false;
  const report = await checkpointer.run(rig.writer.roll());
  assert.deepEqual([report.outcome, report.unstored], ['complete', []]);
  assert.equal(rig.cache.readSync('d/e').toString(), 'a file now');
});

test('the segments before the one that holds it go', async (t) => {
  const rig = new Rig(t, 100);
  for (let i = 0; i < 4; i++) append(rig.writer, [put(`s-+1/f${i}`, `content ${i}`)]);
  const before = rig.segments();
  fs.mkdirSync(join(rig.cachePath, 'sessions/blocked%/x'), { recursive: true });
  append(rig.writer, [put('blocked', 'x')]);
  await rig.checkpoint();
  assert.deepEqual(
    rig.segments().filter((name) => before.includes(name)),
    [],
  );
  assert.equal(rig.segments().length, 1);
});

test('a later operation on the path replaces what was owed', async (t) => {
  const rig = await blockedRig(t);
  const checkpointer = rig.checkpointer();
  await checkpointer.run(rig.writer.roll());
  append(rig.writer, [remove('d/e'), mkdir('d/e')]);
  const report = await checkpointer.run(rig.writer.roll());
  assert.equal(report.outcome, 'complete');
  assert.deepEqual(rig.segments(), []);
});

test('after a restart the journal that stayed ends the same', async (t) => {
  const rig = await blockedRig(t, 200);
  append(rig.writer, [put('a', '1'), put('gone', 'x')]);
  const first = rig.checkpointer();
  await first.run(rig.writer.roll());
  append(rig.writer, [put('a', '2'), remove('gone')]);
  await first.run(rig.writer.roll());
  unblock(rig);
  assert.equal((await rig.checkpoint()).outcome, 'complete');
  assert.deepEqual(rig.tree(), { 'a%': '2', 'd/': '', 'd/%dir': 'm', 'd/e': 'a file now' });
  assert.deepEqual(rig.segments(), []);
});

test('the bucket hears of what is stored only, and of no removal in the checkpoint of a file that failed', async (t) => {
  const rig = new Rig(t);
  append(rig.writer, [mkdir('d'), put('d/old', 'content')]);
  await rig.checkpoint();
  fs.mkdirSync(join(rig.cachePath, 'sessions/d/new/%foreign'), { recursive: true });
  // As a rename is written down.
  append(rig.writer, [remove('d/old'), put('d/new', 'content')]);
  append(rig.writer, [put('d/else', 'x')]);
  const told: (string | undefined)[][] = [];
  const onApplied = async (plan: CheckpointPlan) => {
    told.push([...plan.files].map(([path, { put: bytes }]) => (bytes ? path : `no ${path}`)));
  };
  const checkpointer = rig.checkpointer(fileOperations, { onApplied });
  await checkpointer.run(rig.writer.roll());
  append(rig.writer, [remove('d/else')]);
  await checkpointer.run(rig.writer.roll());
  fs.rmSync(join(rig.cachePath, 'sessions/d/new'), { recursive: true });
  await checkpointer.run(rig.writer.roll());
  assert.deepEqual(told, [['d/else'], ['no d/else'], ['no d/old', 'd/new']]);
});

test('a directory whose name a file keeps is that directory’s failure', async (t) => {
  const rig = new Rig(t);
  fs.writeFileSync(join(rig.cachePath, 'sessions/d'), 'foreign');
  append(rig.writer, [mkdir('d'), put('d/x', 'x'), put('y', 'y')]);
  const report = await rig.checkpoint();
  assert.deepEqual([report.outcome, report.unstored.sort()], ['partial', ['d', 'd/x']]);
  assert.equal(rig.cache.readSync('y').toString(), 'y');
});

test('a folder goes with the file in it that the disk did not remove at first', async (t) => {
  const rig = new Rig(t);
  append(rig.writer, [mkdir('s-+1'), mkdir('s-+1/deep'), put('s-+1/deep/key.json', 'v1')]);
  await rig.checkpoint();
  let fails = true;
  const unlink = async (path: string) => {
    if (fails && basename(path) === 'key.json') throw systemError('EPERM', 'unlink', 'injected');
    await fileOperations.unlink(path);
  };
  const checkpointer = rig.checkpointer({ ...fileOperations, unlink });
  append(rig.writer, [remove('s-+1/deep/key.json')]);
  append(rig.writer, [rmdir('s-+1/deep')]);
  append(rig.writer, [rmdir('s-+1')]);
  append(rig.writer, [put('s-+2/creds.json', 'x')]);
  const report = await checkpointer.run(rig.writer.roll());
  assert.deepEqual(report.unstored, ['s-+1/deep/key.json', 's-+1/deep', 's-+1']);
  fails = false;
  assert.equal((await checkpointer.run(rig.writer.roll())).outcome, 'complete');
  assert.equal(fs.existsSync(join(rig.cachePath, 'sessions/s/+1')), false);
});

test('a name that no disk takes is that name’s failure', async (t) => {
  const rig = new Rig(t);
  append(rig.writer, [put(`s-+1/${'n'.repeat(256)}`, 'x'), put('s-+1/creds.json', 'v1')]);
  assert.deepEqual((await rig.checkpoint()).outcome, 'partial');
  assert.equal(rig.cache.readSync('s-+1/creds.json').toString(), 'v1');
});

test('a disk that fails everywhere is no path’s failure', async (t) => {
  const rig = new Rig(t);
  append(rig.writer, [put('a', '1'), put('b', '1')]);
  const dead = faultyAsync((operation) => (['write', 'rename'].includes(operation) ? 'EIO' : undefined));
  await assert.rejects(rig.checkpoint(dead), { code: 'EIO' });
});

test('many files are synced at once, before the first of them gets its name', async (t) => {
  const rig = new Rig(t);
  for (let i = 0; i < 100; i++) append(rig.writer, [put(`s-+1/f${i}`, `content ${i}`)]);
  const done: string[] = [];
  const noting = faultyAsync((operation) => void done.push(operation) as undefined);
  assert.equal((await rig.checkpoint(noting)).filesWritten, 100);
  const from = done.indexOf('write');
  const syncs = done.slice(from, done.lastIndexOf('rename'));
  assert.deepEqual(
    syncs.filter((operation) => /sync/.test(operation)),
    ['syncFilesystem'],
  );
  assert.ok(done.indexOf('syncFilesystem') > done.lastIndexOf('write', done.indexOf('rename')));
  assert.ok(done.indexOf('syncFilesystem') < done.indexOf('rename'));
});

test('where the filesystem cannot be synced as a whole, each file is', async (t) => {
  const rig = new Rig(t);
  for (let i = 0; i < 100; i++) append(rig.writer, [put(`s-+1/f${i}`, `content ${i}`)]);
  let syncs = 0;
  const files = {
    ...fileOperations,
    syncFilesystem: async () => false,
    fsync: async (fd: number) => {
      syncs++;
      await fileOperations.fsync(fd);
    },
  };
  assert.equal((await rig.checkpoint(files)).outcome, 'complete');
  assert.ok(syncs >= 100, `${syncs} syncs`);
  assert.equal(rig.cache.readSync('s-+1/f99').toString(), 'content 99');
});
