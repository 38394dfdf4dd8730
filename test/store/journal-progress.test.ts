import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JournalProgress } from '../../src/store/journal/progress.ts';

test('both sides see one state through the shared memory', () => {
  const writer = new JournalProgress();
  const main = new JournalProgress(writer.shared);
  writer.appended(3, 400);
  assert.deepEqual(main.mark(), { appends: 1, segment: 3 });
  assert.deepEqual([main.segment, main.bytes], [3, 400]);
  main.setRetired(2);
  assert.equal(writer.retired, 2);
});

test('the journal is synced when nothing was appended since the mark that was synced', () => {
  const progress = new JournalProgress();
  assert.equal(progress.synced, true);
  progress.appended(1, 100);
  const { appends } = progress.mark();
  progress.appended(1, 200);
  progress.setSynced(appends);
  assert.equal(progress.synced, false);
  progress.setSynced(progress.mark().appends);
  assert.equal(progress.synced, true);
});

test('a thread beside main may sync the segment that main has settled, until the disk refuses it', () => {
  const main = new JournalProgress();
  const beside = new JournalProgress(main.shared);
  assert.equal(beside.mayBeSynced(0), false);
  main.settle(3);
  assert.deepEqual([beside.mayBeSynced(3), beside.mayBeSynced(4)], [true, false]);
  beside.refuse(3);
  main.settle(3);
  assert.equal(beside.mayBeSynced(3), false, 'for good');
  main.settle(4);
  assert.equal(beside.mayBeSynced(4), true);
  main.settle(0);
  assert.equal(beside.mayBeSynced(4), false);
});

test('a message is due once until it is acknowledged', () => {
  const progress = new JournalProgress();
  assert.deepEqual([progress.shouldNotify(), progress.shouldNotify()], [true, false]);
  progress.acknowledge();
  assert.deepEqual([progress.shouldNotify(), progress.shouldNotify()], [true, false]);
});
