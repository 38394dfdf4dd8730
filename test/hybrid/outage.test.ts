/** The bucket is out of reach while applications work: they do not notice, and what they wrote goes out by itself afterwards. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { count } from '../crash/support/counts.ts';
import { difference } from '../mounted/session-files.ts';
import type { Mounted } from '../support/mount-sessionfs.ts';
import { workloadSucceeds } from '../support/run-workload.ts';
import { backedUp, Cloud, filesBelow } from './support/cloud.ts';
import { type LogLine, logLines } from './support.ts';

const OUTAGE_MS = count(10_000, 60_000);
const INTERVAL_MS = 3_000;
const FAILED = 'Failed to backup to Cloud Storage, continuing with local storage';
const BACKED_UP = 'Session backed up to Cloud Storage';
const ACCOUNTS = 2;
const MESSAGES = count(50, 200);
const INIT =
  `--mode init --k ${ACCOUNTS} --m ${MESSAGES} --prekeys ${count(50, 200)} --contacts ${count(10, 50)}`.split(
    ' ',
  );
/** Its applications are at work all the time, and leave the processor to what runs beside it. */
const RESUME = `--mode resume --rounds 40 --pace-ms ${count(100, 0)}`.split(' ');
const env = { SESSION_BACKUP_INTERVAL: String(INTERVAL_MS) };
const options = { timeout: 240_000 };

/** Pairs and talks; reports how fast. */
async function init(t: TestContext, { mountPoint }: Mounted, when: string): Promise<void> {
  const { init: done, msgsPerSec } = await workloadSucceeds(mountPoint, ...INIT);
  assert.deepEqual(done, { direct: MESSAGES, group: MESSAGES / 10, errors: [] });
  t.diagnostic(`${when}: ${msgsPerSec?.direct} direct and ${msgsPerSec?.group} group messages/s`);
}

/** pino's time, in ms since the epoch. */
function timeOf(line: LogLine): number {
  return typeof line.time === 'number' ? line.time : Date.parse(String(line.time));
}

/** Of n lines in as many intervals, all but the first and the last interval lie between the first and the last line. */
function assertOneLineAnInterval(failures: readonly LogLine[]): void {
  const times = failures.map(timeOf);
  const spanMs = (times.at(-1) ?? 0) - (times[0] ?? 0);
  assert.ok(times.every(Number.isFinite), 'the lines have no time');
  assert.ok(failures.length <= spanMs / INTERVAL_MS + 2, `${failures.length} lines within ${spanMs} ms`);
}

function assertLog(t: TestContext, mounted: Mounted): void {
  const lines = logLines(mounted);
  const sessions = new Set(lines.filter(({ msg }) => msg === FAILED).map(({ session }) => session));
  assert.equal(sessions.size, ACCOUNTS, mounted.log());
  for (const session of sessions) {
    const own = lines.filter((line) => line.session === session);
    const failures = own.filter(({ msg }) => msg === FAILED);
    assertOneLineAnInterval(failures);
    const lastFailure = own.findLastIndex(({ msg }) => msg === FAILED);
    const after = own.slice(lastFailure).filter(({ msg }) => msg === BACKED_UP);
    assert.ok(after.length > 0, `no backup after the outage:\n${mounted.log()}`);
    const [failure, backup] = [failures[0], after[0]];
    t.diagnostic(
      `${session}: ${failures.length} failure lines (${failure?.reason}: ${failure?.error}), then ${backup?.files} files in ${backup?.ms} ms`,
    );
  }
  const errors = lines.filter(({ level }) => level === 'error' || level === 'fatal');
  assert.deepEqual(errors, []);
}

test('an outage loses, fails and slows nothing, and ends by itself', options, async (t) => {
  const reachable = await (await Cloud.start(t)).mount(env);
  await init(t, reachable, 'with the bucket in reach');
  await reachable.kill();

  const cloud = await Cloud.start(t);
  const first = await cloud.mount(env);
  cloud.proxy.outage(true);
  const startedMs = performance.now();
  await init(t, first, 'out of reach');
  let resumed = 0;
  for (; performance.now() - startedMs < OUTAGE_MS; resumed++) {
    const { resume } = await workloadSucceeds(first.mountPoint, ...RESUME);
    assert.deepEqual([resume?.accounts, resume?.errors], [ACCOUNTS, []]);
  }
  const outageMs = performance.now() - startedMs;
  assert.equal(logLines(first).filter(({ msg }) => msg === BACKED_UP).length, 0);
  cloud.proxy.outage(false);
  await backedUp(first);
  t.diagnostic(`${Math.round(outageMs)} ms of outage, ${resumed} resumes`);
  assertLog(t, first);
  const before = await filesBelow(first.mountPoint);
  await first.kill();

  const second = await cloud.mount();
  assert.deepEqual(difference(await filesBelow(second.mountPoint), before), []);
  await workloadSucceeds(second.mountPoint, '--mode', 'resume');
  await workloadSucceeds(second.mountPoint, '--mode', 'check');
  await second.unmount();
});
