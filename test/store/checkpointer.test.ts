import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileOperations } from '../../src/lib/file-operations.ts';
import { systemError } from '../../src/lib/system-error.ts';
import { FOR_CHECKPOINTS } from '../../src/store/cache/ballast.ts';
import { OpFlag, OpType } from '../../src/store/journal/format.ts';
import { append, faultyAsync, mkdir, put, Rig, remove, rmdir } from './support.ts';

test('the closed segments come into the cache, are retired and deleted, oldest first', async (t) => {
  const rig = new Rig(t, 100);
  for (let i = 0; i < 6; i++) append(rig.writer, [put(`s-+1/f${i}`, `content ${i}`)]);
  const closed = rig.segments().length;
  assert.ok(closed > 2);
  const report = await rig.checkpoint();
  assert.equal(report.outcome, 'complete');
  assert.equal(report.filesWritten, 6);
  assert.equal(report.segmentsRetired, closed);
  assert.deepEqual(
    rig.retired,
    Array.from({ length: closed }, (_, i) => i + 1),
  );
  assert.deepEqual(rig.segments(), []);
  assert.equal(rig.progress.retired, closed);
  for (let i = 0; i < 6; i++) assert.equal(rig.cache.readSync(`s-+1/f${i}`).toString(), `content ${i}`);
  assert.deepEqual(rig.tree('tmp'), {});
});

test('the segment being written is left alone', async (t) => {
  const rig = new Rig(t);
  append(rig.writer, [put('a', '1')]);
  const upTo = rig.writer.roll();
  append(rig.writer, [put('a', '2')]);
  await rig.checkpointer().run(upTo);
  assert.equal(rig.cache.readSync('a').toString(), '1');
  assert.deepEqual(rig.segments(), ['0000000002.log']);
});

test('of many versions only the last is written', async (t) => {
  const rig = new Rig(t, 300);
  for (let i = 0; i < 50; i++) append(rig.writer, [put('a', String(i))]);
  append(rig.writer, [put('gone', 'x')]);
  append(rig.writer, [remove('gone')]);
  const report = await rig.checkpoint();
  assert.equal(report.filesWritten, 1);
  assert.equal(report.superseded, 50);
  assert.deepEqual(rig.tree(), { 'a%': '49' });
});

test('working copies stay out of the cache', async (t) => {
  const rig = new Rig(t);
  append(rig.writer, [
    { type: OpType.WORK_WRITE, path: 'a', data: 'half' },
    { type: OpType.WORK_TRUNCATE, path: 'a', arg: 2 },
    { type: OpType.WORK_DROP, path: 'a' },
  ]);
  await rig.checkpoint();
  assert.deepEqual(rig.tree(), {});
  assert.deepEqual(rig.segments(), []);
});

test('directories come with their attributes, lose them when made anew, and go children first', async (t) => {
  const rig = new Rig(t);
  append(rig.writer, [mkdir('d', 'meta'), mkdir('d/e', 'inner'), put('d/e/f', 'x'), mkdir('s-+1')]);
  append(rig.writer, [{ type: OpType.DIRECTORY_META, path: '', data: 'root' }]);
  append(rig.writer, [{ type: OpType.DIRECTORY_META, path: 's-+1', data: 'session' }]);
  await rig.checkpoint();
  assert.deepEqual(rig.tree(), {
    '%dir': 'root',
    'd/': '',
    'd/%dir': 'meta',
    'd/e/': '',
    'd/e/%dir': 'inner',
    'd/e/f': 'x',
    's/': '',
    's/+1/': '',
    's/+1/%dir': 'session',
  });
  append(rig.writer, [remove('d/e/f'), rmdir('d/e'), rmdir('d'), mkdir('d'), mkdir('d/e')]);
  append(rig.writer, [rmdir('s-+1'), { type: OpType.DIRECTORY_META, path: '', data: '' }]);
  await rig.checkpoint();
  assert.deepEqual(rig.tree(), { 'd/': '', 'd/e/': '' });
  append(rig.writer, [rmdir('d/e'), rmdir('d')]);
  await rig.checkpoint();
  assert.deepEqual(rig.tree(), {});
  assert.deepEqual(rig.warnings, []);
});

test('a name may change from file to directory and back', async (t) => {
  const rig = new Rig(t);
  append(rig.writer, [mkdir('d', 'm'), put('d/x', 'file')]);
  await rig.checkpoint();
  append(rig.writer, [remove('d/x'), mkdir('d/x'), put('d/x/y', 'below')]);
  await rig.checkpoint();
  assert.deepEqual(rig.tree(), { 'd/': '', 'd/%dir': 'm', 'd/x/': '', 'd/x/y': 'below' });
  append(rig.writer, [remove('d/x/y'), rmdir('d/x'), put('d/x', 'file again')]);
  await rig.checkpoint();
  assert.deepEqual(rig.tree(), { 'd/': '', 'd/%dir': 'm', 'd/x': 'file again' });
});

test('a removed directory with a foreign file in it stays, with a warning', async (t) => {
  const rig = new Rig(t);
  append(rig.writer, [mkdir('d', 'm'), mkdir('d/e', 'm')]);
  await rig.checkpoint();
  fs.writeFileSync(join(rig.cachePath, 'sessions/d/e/%foreign'), '');
  append(rig.writer, [rmdir('d/e')]);
  await rig.checkpoint();
  assert.equal(rig.warnings.length, 1);
  assert.deepEqual(rig.segments(), []);
});

test('a file that did not open is kept aside, once, whatever becomes of its name', async (t) => {
  const rig = new Rig(t);
  await rig.cache.put('s-+1/a', Buffer.from('damaged a'));
  await rig.cache.put('s-+1/b', Buffer.from('damaged b'));
  append(rig.writer, [put('s-+1/a', 'new', OpFlag.KEEP_OLD), put('s-+1/a', 'newer')]);
  append(rig.writer, [
    put('s-+1/b', 'new', OpFlag.KEEP_OLD),
    remove('s-+1/b'),
    put('none', 'x', OpFlag.KEEP_OLD),
  ]);
  await rig.checkpoint();
  assert.equal(rig.cache.readSync('s-+1/a').toString(), 'newer');
  const aside = rig.tree('set-aside');
  assert.deepEqual(Object.values(aside).sort(), ['damaged a', 'damaged b']);
  assert.match(Object.keys(aside)[0] ?? '', /^sessions%2Fs%2F\+1%2F[ab]\.\d{13,}$/);
});

test('kept aside twice under one name in the same millisecond, both are there', async (t) => {
  const rig = new Rig(t);
  const long = `s-+1/${'é'.repeat(127)}`;
  for (const content of ['one', 'two']) {
    await rig.cache.put(long, Buffer.from(content));
    append(rig.writer, [put(long, `new ${content}`, OpFlag.KEEP_OLD)]);
    await rig.checkpoint();
  }
  assert.deepEqual(Object.values(rig.tree('set-aside')).sort(), ['one', 'two']);
});

test('a run waits for the one before it, and a failed one does not stop the next', async (t) => {
  const rig = new Rig(t);
  append(rig.writer, [put('a', '1')]);
  const upTo = rig.writer.roll();
  let broken = true;
  const checkpointer = rig.checkpointer(faultyAsync(() => (broken ? 'EIO' : undefined)));
  const first = checkpointer.run(upTo).finally(() => {
    broken = false;
  });
  const second = checkpointer.run(upTo);
  await assert.rejects(first, { code: 'EIO' });
  assert.deepEqual(rig.retired, []);
  await second;
  assert.equal(rig.cache.readSync('a').toString(), '1');
});

test('on a full disk the segments stay, the reserve goes, and a later run completes and takes it again', async (t) => {
  const rig = new Rig(t, 200);
  const reserve = join(rig.cachePath, 'reserve');
  append(rig.writer, [put('first', 'x')]);
  await rig.checkpoint();
  assert.equal(fs.statSync(reserve).size, FOR_CHECKPOINTS.bytes);
  for (let i = 0; i < 6; i++) append(rig.writer, [put(`f${i}`, 'content')]);
  const segments = rig.segments();
  const full = faultyAsync((operation) => (operation === 'write' ? 'ENOSPC' : undefined));
  const report = await rig.checkpoint(full);
  assert.deepEqual([report.outcome, report.segmentsRetired], ['disk-full', 0]);
  assert.deepEqual(rig.segments(), segments);
  assert.equal(fs.existsSync(reserve), false);
  assert.deepEqual(rig.tree('tmp'), {});
  assert.equal((await rig.checkpoint()).outcome, 'complete');
  assert.equal(fs.statSync(reserve).size, FOR_CHECKPOINTS.bytes);
  assert.equal(rig.cache.readSync('f5').toString(), 'content');
});

for (const operation of ['write', 'fsync', 'rename']) {
  test(`a checkpoint that runs out of space in the middle of its ${operation}s leaves nothing in tmp`, async (t) => {
    const rig = new Rig(t);
    for (let i = 0; i < 6; i++) append(rig.writer, [put(`f${i}`, 'content')]);
    let calls = 0;
    const full = faultyAsync((name) => (name === operation && ++calls > 3 ? 'ENOSPC' : undefined));
    assert.equal((await rig.checkpoint(full)).outcome, 'disk-full');
    assert.deepEqual(rig.tree('tmp'), {});
  });
}

test('the room that the reserve gives is enough to go on, segment by segment', async (t) => {
  const rig = new Rig(t, 200);
  append(rig.writer, [put('first', 'x')]);
  await rig.checkpoint();
  for (let i = 0; i < 6; i++) append(rig.writer, [put(`f${i}`, 'content')]);
  const reserve = join(rig.cachePath, 'reserve');
  // Room for one file at a time, and only while the reserve is gone.
  const tmp = join(rig.cachePath, 'tmp');
  const tight = faultyAsync((operation) => {
    if (operation !== 'write') return undefined;
    return fs.existsSync(reserve) || fs.readdirSync(tmp).length > 1 ? 'ENOSPC' : undefined;
  });
  const report = await rig.checkpoint(tight);
  assert.equal(report.outcome, 'complete');
  assert.deepEqual(rig.segments(), []);
  assert.equal(rig.cache.readSync('f5').toString(), 'content');
});

test('where there is room for the files, and none for what is noted of them, the reserve gives it', async (t) => {
  const rig = new Rig(t, 200);
  append(rig.writer, [put('first', 'x')]);
  await rig.checkpoint();
  for (let i = 0; i < 6; i++) append(rig.writer, [put(`f${i}`, 'content')]);
  const reserve = join(rig.cachePath, 'reserve');
  const closed = rig.writer.roll();
  let hasRoom = false;
  const onApplied = async () => {
    if (fs.existsSync(reserve) || !hasRoom) throw systemError('ENOSPC', 'write', 'the disk is full');
  };
  const checkpointer = rig.checkpointer(fileOperations, { onApplied });
  const full = await checkpointer.run(closed);
  assert.deepEqual([full.outcome, full.segmentsRetired], ['disk-full', 0]);
  await rig.checkpointer().reserve();
  hasRoom = true;
  assert.equal((await checkpointer.run(closed)).outcome, 'complete');
  assert.deepEqual(rig.segments(), []);
});

test('a torn closed segment waits until the next one explains it', async (t) => {
  const rig = new Rig(t);
  append(rig.writer, [put('a', '1')]);
  const upTo = rig.writer.roll();
  fs.appendFileSync(join(rig.cache.journalDirectory, '0000000001.log'), 'torn');
  assert.equal((await rig.checkpointer().run(upTo)).segmentsRetired, 0);
  append(rig.writer, [put('b', '1')]);
  assert.equal((await rig.checkpointer().run(upTo)).segmentsRetired, 1);
});

test('a closed segment that lost records is not retired', async (t) => {
  const rig = new Rig(t);
  append(rig.writer, [put('a', '1')]);
  append(rig.writer, [put('b', '1')]);
  const upTo = rig.writer.roll();
  append(rig.writer, [put('c', '1')]);
  const path = join(rig.cache.journalDirectory, '0000000001.log');
  fs.truncateSync(path, fs.statSync(path).size - 1);
  await assert.rejects(rig.checkpointer().run(upTo), { code: 'JOURNAL_CORRUPT' });
  assert.deepEqual(rig.retired, []);
  assert.equal(rig.segments().length, 2);
});
