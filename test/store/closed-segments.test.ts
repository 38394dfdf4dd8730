import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { ClosedSegments } from '../../src/store/checkpoint/closed-segments.ts';
import { CheckpointPlan } from '../../src/store/checkpoint/plan.ts';
import { segmentPath } from '../../src/store/journal/format.ts';
import { JournalProgress } from '../../src/store/journal/progress.ts';
import { JournalWriter } from '../../src/store/journal/writer.ts';
import { append, put, replay, temporaryDirectory } from './support.ts';

/** Larger than what is kept whole in memory. */
const HUGE_BYTES = 40 * 1024 * 1024;

test('a file is written from all of its bytes: a segment that became shorter is an error', async (t) => {
  const directory = temporaryDirectory(t);
  const writer = new JournalWriter(directory, { ...replay(directory), progress: new JournalProgress() });
  append(writer, [put('a', 'first'), put('b', 'last')]);
  const upTo = writer.roll();
  writer.close();
  const segments = new ClosedSegments(directory);
  t.after(() => segments.close());
  const { plan } = await segments.survey(upTo, 0, new CheckpointPlan());
  const [first, last] = ['a', 'b'].map((path) => plan.files.get(path)?.put);
  assert.ok(first !== undefined && last !== undefined);
  const path = segmentPath(directory, upTo);
  const tooShort = { code: 'EIO', message: /became shorter/ };

  fs.truncateSync(path, last.position + last.length - 1);
  assert.equal(String(await segments.read(first)), 'first');
  await assert.rejects(segments.read(last), tooShort);
  await segments.close();

  fs.truncateSync(path, HUGE_BYTES);
  assert.equal(String(await segments.read(first)), 'first');
  await assert.rejects(segments.read({ ...last, position: HUGE_BYTES - 1 }), tooShort);
});
