import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { StatusFeed } from '../../../src/observe/status-page/feed.ts';
import type { StatusReport } from '../../../src/observe/status-page/report.ts';
import { until } from '../../support/until.ts';
import { reportOf } from './support/reports.ts';

test('the last browser leaves while a report is made: it is the last one', async () => {
  const asked: ((report: StatusReport) => void)[] = [];
  const feed = new StatusFeed({
    read: () => new Promise((resolve) => asked.push(resolve)),
    failed: (error) => assert.fail(String(error)),
    wallMs: Date.now,
    intervalMs: 1,
  });
  const sent: string[] = [];
  const end = feed.add({ names: 'short', send: (data) => void sent.push(data), beat: () => {} });
  await until(() => asked.length === 1);
  asked[0]?.(reportOf());
  await until(() => asked.length === 2);
  end();
  asked[1]?.(reportOf());
  // Far more than the interval.
  await sleep(50);
  assert.deepEqual([asked.length, sent.length, feed.size], [2, 1, 0]);
});
