/** A mount that was taken for dead and wakes up: it overwrites and deletes nothing, and keeps what it had. */
import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { filesBelow, flushAll } from '../hybrid/support/cloud.ts';
import { logged, logLines, SESSION, statusOf } from '../hybrid/support.ts';
import type { ProxiedRequest } from '../support/store-proxy.ts';
import { until } from '../support/until.ts';
import {
  type Instance,
  Instances,
  LONGER_THAN_ALL_MS,
  metric,
  processesOf,
  signalAll,
  stateOf,
  TAKE_OVER_MS,
} from './support/instances.ts';

const options = { timeout: 180_000 };
const byHand = { SESSION_BACKUP_INTERVAL: '0' };
/** The uploads that are under way must not be over before their mount is paused. */
const slower = {
  SESSION_LEASE_LOOK_INTERVAL: '1000',
  SESSION_LEASE_PERMISSION: '3000',
  SESSION_LEASE_TAKEOVER: '4000',
};
const LOST = 'Another mount took the session over; this mount uploads nothing of it any more';
const CONFLICT = /^A session changed here and in the bucket: the version in the bucket is taken/;
const FIRST = { 'creds.json': '{"v":1}', 'key-1.json': '{"k":1}', 'key-2.json': '{"k":2}' };

interface Rig {
  all: Instances;
  old: Instance;
  folder: string;
}

/** A mount with a session, all of which is in the bucket. */
async function rig(t: TestContext, env: Record<string, string> = byHand): Promise<Rig> {
  const all = await Instances.start(t);
  const old = await all.mount(env);
  const folder = join(old.mounted.mountPoint, SESSION);
  await mkdir(folder);
  await writeAll(folder, FIRST);
  await flushAll(old.mounted);
  return { all, old, folder };
}

async function writeAll(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
}

async function sessionOf({ mounted }: Instance): Promise<Record<string, string>> {
  return filesBelow(join(mounted.mountPoint, SESSION));
}

function isContent({ kind, object }: ProxiedRequest): boolean {
  return (kind === 'put' || kind === 'delete') && object.startsWith('sessions/');
}

/** Changes of the session's files that the bucket took from this mount. */
function taken({ proxy }: Instance): string[] {
  return proxy.changes
    .filter(({ request, status }) => isContent(request) && status < 300)
    .map(({ request }) => `${request.kind} ${request.object.split('/').at(-1)}`);
}

function refused({ proxy }: Instance): number {
  return proxy.changes.filter(({ request, status }) => isContent(request) && status === 412).length;
}

/** The dirty files of the old holder are kept, and the session goes on as the new one left it. */
async function setAsideAtNextStart(
  { all, old }: Rig,
  names: string[],
  expected: Readonly<Record<string, string>>,
): Promise<void> {
  await old.mounted.unmount();
  const again = await all.mount(byHand, old.machine);
  assert.deepEqual(await sessionOf(again), expected);
  const line = await logged(again.mounted, CONFLICT);
  const kept = await readdir(join(old.machine.cachePath, 'set-aside'));
  assert.deepEqual([line.session, line.files], [SESSION, kept.length]);
  assert.deepEqual(kept.map((name) => name.replace(/^.*%2F(.*)\.\d+$/, '$1')).sort(), names);
  assert.equal(await metric(again.mounted, 'sessionfs_conflicts_total'), 1);
  assert.equal(await metric(again.mounted, 'sessionfs_set_aside_files_total'), kept.length);
  await writeFile(join(again.mounted.mountPoint, SESSION, 'creds.json'), '{"v":9}');
  await flushAll(again.mounted);
  assert.equal((await stateOf(again.mounted, SESSION))?.state, 'local');
  await again.mounted.unmount();
}

/** What it did when it noticed that it had lost the session, while its application goes on. */
async function tells({ old, folder }: Rig): Promise<void> {
  const line = await logged(old.mounted, LOST);
  assert.deepEqual([line.level, line.session], ['warn', SESSION]);
  assert.equal((await stateOf(old.mounted, SESSION))?.state, 'conflict');
  assert.equal(await metric(old.mounted, 'sessionfs_leases_lost_total'), 1);
  assert.equal(await metric(old.mounted, 'sessionfs_conflicts_total'), 1);
  await assert.rejects(flushAll(old.mounted), { code: 'EIO' });
  await writeFile(join(folder, 'late.json'), '{"late":true}');
  assert.equal(await readFile(join(folder, 'creds.json'), 'utf8'), '{"v":"old"}');
}

test('SIGSTOP in mid-flush, take-over, SIGCONT: nothing of the new holder changes', options, async (t) => {
  const made = await rig(t, { ...byHand, ...slower });
  const { all, old, folder } = made;
  await writeAll(folder, {
    'creds.json': '{"v":"old"}',
    'key-1.json': '{"k":"old"}',
    'key-3.json': '{"k":3}',
  });
  await unlink(join(folder, 'key-2.json'));
  const processes = processesOf(old.mounted);
  // The keys are on their way, credentials and deletions are to follow.
  const hold = old.proxy.hold((request) => isContent(request) && request.object.endsWith('key-1.json'));
  let isOver = false;
  const flushed = flushAll(old.mounted)
    .then(
      () => 'flushed',
      () => 'failed',
    )
    .finally(() => {
      isOver = true;
    });
  await until(() => isOver || (hold.count > 0 && taken(old).includes('put key-3.json')));
  assert.ok(!isOver, old.mounted.log());
  const before = taken(old);
  signalAll(processes, 'SIGSTOP');
  const next = await all.mount(byHand);
  assert.deepEqual(await sessionOf(next), { ...FIRST, 'key-3.json': '{"k":3}' });
  const second = { 'creds.json': '{"v":2}', 'key-2.json': '{"k":"new"}' };
  await writeAll(join(next.mounted.mountPoint, SESSION), second);
  await flushAll(next.mounted);
  await sleep(LONGER_THAN_ALL_MS);
  signalAll(processes, 'SIGCONT');
  hold.release();
  assert.equal(await flushed, 'failed');
  await tells(made);
  await sleep(TAKE_OVER_MS);
  assert.equal(refused(old), 1);
  assert.deepEqual(taken(old), before, 'the old holder changed something after it was taken for dead');
  const expected = { ...FIRST, 'key-3.json': '{"k":3}', ...second };
  assert.deepEqual(await sessionOf(next), expected);
  await next.mounted.unmount();
  await setAsideAtNextStart(made, ['creds.json', 'key-1.json', 'late.json'], expected);
});

test('an upload that is held back until after the take-over is refused', options, async (t) => {
  const made = await rig(t);
  const { all, old, folder } = made;
  await writeAll(folder, { 'creds.json': '{"v":"old"}' });
  const hold = old.proxy.hold(isContent);
  const flushed = flushAll(old.mounted).catch(() => {});
  await until(() => hold.count > 0);
  const before = taken(old);
  old.mounted.crash();
  await flushed;
  const next = await all.mount(byHand);
  assert.deepEqual(await sessionOf(next), FIRST);
  await flushAll(next.mounted);
  await sleep(LONGER_THAN_ALL_MS);
  hold.release();
  await until(() => old.proxy.underWay === 0);
  assert.deepEqual([taken(old), refused(old)], [before, 1]);
  assert.deepEqual(await sessionOf(next), FIRST);
  await next.mounted.unmount();
});

test(
  'a new object that arrives after the take-over is not the session’s, and is deleted',
  options,
  async (t) => {
    const made = await rig(t);
    const { all, old, folder } = made;
    await writeAll(folder, { 'late.json': '{"late":true}', 'other.json': '{"late":true}' });
    const hold = old.proxy.hold(isContent);
    const flushed = flushAll(old.mounted).catch(() => {});
    await until(() => hold.count === 2);
    old.mounted.crash();
    await flushed;
    const next = await all.mount(byHand);
    assert.deepEqual(await sessionOf(next), FIRST);
    await flushAll(next.mounted);
    hold.release();
    await until(() => taken(old).includes('put late.json') && taken(old).includes('put other.json'));
    // The new holder can use the name all the same.
    await writeAll(join(next.mounted.mountPoint, SESSION), { 'other.json': '{"mine":true}' });
    await flushAll(next.mounted);
    await next.mounted.unmount();
    const third = await all.mount(byHand);
    assert.deepEqual(await sessionOf(third), { ...FIRST, 'other.json': '{"mine":true}' });
    const line = await logged(third.mounted, /^Late writes of a mount that had lost the session/);
    assert.deepEqual([line.session, line.objects], [SESSION, 1]);
    assert.match(String(line.moved), /^\.sessionfs\/set-aside\/sessions\/.*\/late\.json\.\d+$/);
    await third.mounted.unmount();
  },
);

test('a holder that is cut off stops flushing, goes on serving, and tells', options, async (t) => {
  const made = await rig(t);
  const { all, old, folder } = made;
  const before = taken(old);
  old.proxy.outage(true);
  await writeAll(folder, { 'creds.json': '{"v":"old"}' });
  await assert.rejects(flushAll(old.mounted), { code: 'EIO' });
  const told = await logged(old.mounted, /^Lease renewal failed/);
  assert.equal(told.level, 'warn');
  assert.equal(await readFile(join(folder, 'creds.json'), 'utf8'), '{"v":"old"}');
  const next = await all.mount(byHand);
  assert.deepEqual(await sessionOf(next), FIRST);
  const second = { 'creds.json': '{"v":2}' };
  await writeAll(join(next.mounted.mountPoint, SESSION), second);
  await flushAll(next.mounted);
  assert.deepEqual(await statusOf(old.mounted).then(({ dirty }) => dirty), 1);
  old.proxy.outage(false);
  await tells(made);
  assert.deepEqual(taken(old), before);
  await next.mounted.unmount();
  await setAsideAtNextStart(made, ['creds.json', 'late.json'], { ...FIRST, ...second });
});

test('a copy of the cache elsewhere fences the process that runs on the older one', options, async (t) => {
  const { all, old, folder } = await rig(t);
  await writeAll(folder, { 'creds.json': '{"v":2}' });
  const copy = all.machine();
  await cp(old.machine.cachePath, copy.cachePath, { recursive: true });
  const younger = await all.mount(byHand, copy);
  const line = await logged(old.mounted, /^Another process runs as this mount, from a copy of its cache/);
  assert.equal(line.level, 'error');
  assert.ok(String(line.other).endsWith(`:${copy.mountPoint}`), String(line.other));
  await until(async () => (await stateOf(old.mounted, SESSION))?.state === 'conflict');
  const before = taken(old);
  await assert.rejects(flushAll(old.mounted), { code: 'EIO' });
  assert.equal(await readFile(join(folder, 'creds.json'), 'utf8'), '{"v":2}');
  await writeAll(join(younger.mounted.mountPoint, SESSION), { 'creds.json': '{"v":3}' });
  await flushAll(younger.mounted);
  assert.deepEqual(taken(old), before);
  await old.mounted.unmount();
  await younger.mounted.unmount();
  assert.ok(!logLines(younger.mounted).some(({ level }) => level === 'error'), younger.mounted.log());
});
