import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CheckpointReport } from '../../src/store/checkpoint/checkpointer.ts';
import { CheckpointSchedule } from '../../src/store/checkpoint/schedule.ts';
import { until } from '../support/until.ts';

const BLOCKED = 'u-+1/creds.json';

function report(outcome: CheckpointReport['outcome']): CheckpointReport {
  const counts = {
    unstored: outcome === 'partial' ? [BLOCKED] : [],
    segmentsRetired: 0,
    superseded: 0,
    filesWritten: 0,
    bytesWritten: 0,
    filesRemoved: 0,
  };
  return { outcome, ...counts };
}

/** A schedule whose checkpoints are noted; each `outcomes` in turn, 'complete' after the last. */
function scheduleOf(...outcomes: CheckpointReport['outcome'][]) {
  const upTo: number[] = [];
  const warnings: string[] = [];
  let rolls = 0;
  const schedule = new CheckpointSchedule({
    checkpoint: async (segment) => {
      upTo.push(segment);
      return report(outcomes.shift() ?? 'complete');
    },
    requestRoll: () => {
      rolls++;
    },
    log: { warn: (_fields, message) => void warnings.push(message) },
    intervalMs: 1,
    retryMs: 1,
  });
  return { schedule, upTo, warnings, rolls: () => rolls };
}

test('a segment that is closed after a start with nothing to do is checkpointed', async () => {
  const { schedule, upTo } = scheduleOf();
  schedule.closed(0);
  await sleep(1);
  schedule.closed(1);
  await until(() => upTo.length > 0);
  assert.deepEqual(upTo, [1]);
  assert.deepEqual(await schedule.finish(), []);
});

test('segments closed one after the other are checkpointed, each when it is there', async () => {
  const { schedule, upTo } = scheduleOf();
  for (const segment of [1, 2, 3]) {
    schedule.closed(segment);
    await until(() => upTo.at(-1) === segment);
  }
  assert.deepEqual(upTo, [1, 2, 3]);
  await schedule.finish();
});

test('the present segment is asked for some time after an append', async () => {
  const { schedule, rolls } = scheduleOf();
  schedule.appended();
  schedule.appended();
  await until(() => rolls() > 0);
  assert.equal(rolls(), 1);
  await schedule.finish();
});

test('a full disk is said once and tried again until there is room', async () => {
  const { schedule, upTo, warnings } = scheduleOf('disk-full', 'disk-full');
  schedule.closed(4);
  await until(() => upTo.length === 3);
  assert.deepEqual(upTo, [4, 4, 4]);
  assert.equal(warnings.length, 1);
  assert.deepEqual(await schedule.finish(), []);
});

test('what does not fit at the end is reported as left in the journal', async () => {
  const { schedule, upTo } = scheduleOf('disk-full', 'disk-full');
  schedule.closed(1);
  await until(() => upTo.length === 1);
  assert.equal(await schedule.finish(), undefined);
});

test('paths that the cache cannot store are named at the end', async () => {
  const { schedule } = scheduleOf('partial', 'partial', 'partial');
  schedule.closed(1);
  assert.equal(await schedule.tryNow(1), true);
  assert.deepEqual(await schedule.finish(), [BLOCKED]);
});
