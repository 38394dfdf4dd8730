/** A mount that is dead is replaced within the limit; one that comes back in time stays what it was. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { filesBelow, flushAll } from '../hybrid/support/cloud.ts';
import { Reader } from '../hybrid/support/reader.ts';
import { logged, logLines, SESSION } from '../hybrid/support.ts';
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
import { writing } from './support/writers.ts';

const options = { timeout: 180_000 };
const byHand = { SESSION_BACKUP_INTERVAL: '0' };
/** Beyond the limit: to look, to take over, to restore. */
const GRACE_MS = 5_000;
const FLUSHED = '{"v":"flushed"}';

interface Rig {
  all: Instances;
  old: Instance;
  path: string;
}

async function rig(t: TestContext, mode: 'hybrid' | 'cloud', env: Record<string, string> = {}): Promise<Rig> {
  const all = await Instances.start(t, mode);
  const old = await all.mount({ ...byHand, ...env });
  await mkdir(join(old.mounted.mountPoint, SESSION));
  const path = join(old.mounted.mountPoint, SESSION, 'creds.json');
  await writeFile(path, FLUSHED);
  await flushAll(old.mounted);
  return { all, old, path };
}

function credentials({ mounted }: Instance): string {
  return join(mounted.mountPoint, SESSION, 'creds.json');
}

test(
  'hybrid: after SIGKILL of the holder a caller that waits has the last flush within the limit',
  options,
  async (t) => {
    const { all, old, path } = await rig(t, 'hybrid');
    const next = await all.mount(byHand);
    const reader = new Reader(t, credentials(next));
    await reader.waits();
    await writeFile(path, '{"v":"not flushed"}');
    const startedMs = performance.now();
    await old.mounted.kill();
    assert.equal((await reader.ended()).text, FLUSHED);
    const ms = performance.now() - startedMs;
    assert.ok(ms <= TAKE_OVER_MS + GRACE_MS, `taken over after ${ms} ms`);
    assert.equal(await metric(next.mounted, 'sessionfs_leases_total{how="taken-over"}'), 1);
    await writeFile(credentials(next), '{"v":"goes on"}');
    await flushAll(next.mounted);
    await next.mounted.unmount();

    const again = await all.mount(byHand, old.machine);
    assert.equal(await readFile(path, 'utf8'), '{"v":"goes on"}');
    assert.equal((await logged(again.mounted, /^A session changed here and in the bucket/)).files, 1);
    await again.mounted.unmount();
  },
);

test('cloud: after SIGKILL of the holder every change that returned is there', options, async (t) => {
  const { all, old, path } = await rig(t, 'cloud');
  const next = await all.mount();
  const reader = new Reader(t, credentials(next));
  await reader.waits();
  await writeFile(path, '{"v":"returned"}');
  await writeFile(join(path, '../key-1.json'), '{"k":1}');
  await writeFile(join(path, '../key-2.json'), '{"k":2}');
  await unlink(join(path, '../key-1.json'));
  const startedMs = performance.now();
  await old.mounted.kill();
  assert.equal((await reader.ended()).text, '{"v":"returned"}');
  const ms = performance.now() - startedMs;
  assert.ok(ms <= TAKE_OVER_MS + GRACE_MS, `taken over after ${ms} ms`);
  assert.deepEqual(Object.keys(await filesBelow(join(next.mounted.mountPoint, SESSION))).sort(), [
    'creds.json',
    'key-2.json',
  ]);
  await next.mounted.unmount();
});

test('cloud: changes of a session that was lost get EIO, and change nothing', options, async (t) => {
  const { all, old, path } = await rig(t, 'cloud');
  const processes = processesOf(old.mounted);
  signalAll(processes, 'SIGSTOP');
  const next = await all.mount();
  assert.equal(await readFile(credentials(next), 'utf8'), FLUSHED);
  await writeFile(credentials(next), '{"v":2}');
  await sleep(LONGER_THAN_ALL_MS);
  signalAll(processes, 'SIGCONT');
  await assert.rejects(writeFile(path, '{"v":"old"}'), { code: 'EIO' });
  await assert.rejects(writeFile(join(path, '../new.json'), '{}'), { code: 'EIO' });
  await assert.rejects(unlink(path), { code: 'EIO' });
  assert.equal((await stateOf(old.mounted, SESSION))?.state, 'conflict');
  assert.deepEqual(await filesBelow(join(next.mounted.mountPoint, SESSION)), { 'creds.json': '{"v":2}' });
  await next.mounted.unmount();
  const third = await all.mount();
  assert.deepEqual(await filesBelow(join(third.mounted.mountPoint, SESSION)), { 'creds.json': '{"v":2}' });
  await third.mounted.unmount();
  await old.mounted.unmount();
});

test(
  'a mount that starts again on its cache in time goes on as the holder, even if another mount waits',
  options,
  async (t) => {
    const patient = { SESSION_LEASE_TAKEOVER: '30000' };
    const { all, old, path } = await rig(t, 'hybrid', patient);
    const next = await all.mount({ ...byHand, ...patient });
    const reader = new Reader(t, credentials(next));
    await reader.waits();
    await writeFile(path, '{"v":"not flushed"}');
    await old.mounted.kill();
    // A challenge stands unanswered.
    await sleep(500);
    const again = await all.mount(byHand, old.machine);
    assert.equal(await readFile(path, 'utf8'), '{"v":"not flushed"}');
    assert.ok(reader.isRunning);
    assert.equal(await metric(again.mounted, 'sessionfs_leases_lost_total'), 0);
    await writeFile(path, '{"v":"again"}');
    await again.mounted.unmount();
    assert.equal((await reader.ended()).text, '{"v":"again"}');
    await next.mounted.unmount();
    assert.deepEqual(
      logLines(next.mounted).filter(({ level }) => level === 'error'),
      [],
    );
  },
);

test('a mount that starts again too late waits for the one that took over', options, async (t) => {
  const { all, old, path } = await rig(t, 'hybrid');
  await writeFile(join(path, '../only-here.json'), '{"here":1}');
  await old.mounted.kill();
  const next = await all.mount(byHand);
  assert.equal(await readFile(credentials(next), 'utf8'), FLUSHED);
  const again = await all.mount({}, old.machine);
  const reader = new Reader(t, path);
  await reader.waits();
  await until(async () => (await stateOf(again.mounted, SESSION))?.state === 'waiting');
  await writeFile(credentials(next), '{"v":"next"}');
  await next.mounted.unmount();
  assert.equal((await reader.ended()).text, '{"v":"next"}');
  // From here on it is backed up as any other one.
  await writeFile(path, '{"v":"again"}');
  await flushAll(again.mounted);
  assert.equal((await stateOf(again.mounted, SESSION))?.state, 'local');
  await again.mounted.unmount();
  const last = await all.mount();
  // What only it had is no part of the other one's session.
  const files = await filesBelow(join(last.mounted.mountPoint, SESSION));
  assert.deepEqual(files, { 'creds.json': '{"v":"again"}' });
  const kept = await readdir(join(old.machine.cachePath, 'set-aside'));
  assert.match(String(kept), /%2Fonly-here\.json\.\d+$/);
  await last.mounted.unmount();
  assert.deepEqual(writing(all.proxies).faults, []);
});
