/** A session goes from one mount to another while both live: a caller that touches it waits, and loses nothing. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Reader } from '../hybrid/support/reader.ts';
import { logged, logLines, SESSION } from '../hybrid/support.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';
import { type Instance, Instances, metric, stateOf, TAKE_OVER_MS } from './support/instances.ts';
import { writing } from './support/writers.ts';

const options = { timeout: 120_000 };
const CREDS = '{"me":{"id":"49"},"n":1}';
const WAITS = 'Another mount holds the session; its callers wait';

/** A mount that holds SESSION, and has not flushed all of it. */
async function holderOf(
  t: TestContext,
  mode: 'hybrid' | 'cloud' = 'hybrid',
): Promise<{ all: Instances; holder: Instance }> {
  const all = await Instances.start(t, mode);
  const holder = await all.mount({ SESSION_BACKUP_INTERVAL: '60000' });
  const folder = join(holder.mounted.mountPoint, SESSION);
  await mkdir(folder);
  await writeFile(join(folder, 'creds.json'), '{"n":0}');
  await writeFile(join(holder.mounted.mountPoint, '.sessionfs/flush'), SESSION);
  await writeFile(join(folder, 'key-1.json'), '{"k":1}');
  await writeFile(join(folder, 'creds.json'), CREDS);
  return { all, holder };
}

function isThere({ mounted }: Instance): Promise<boolean> {
  return stat(join(mounted.mountPoint, SESSION)).then(
    () => true,
    () => false,
  );
}

for (const mode of ['hybrid', 'cloud'] as const) {
  test(
    `${mode}: what touches a session of a live mount waits; it has all of it once that one has stopped`,
    options,
    async (t) => {
      const { all, holder } = await holderOf(t, mode);
      const port = await freePort();
      const other = await all.mount({ SESSION_HTTP_ADDRESS: `127.0.0.1:${port}` });
      const { mountPoint } = other.mounted;
      const reader = new Reader(t, join(mountPoint, SESSION, 'creds.json'));
      await reader.waits();
      const line = await logged(other.mounted, WAITS);
      assert.deepEqual([line.level, line.session], ['warn', SESSION]);
      assert.ok(String(line.holder).endsWith(`:${holder.mounted.mountPoint}`), String(line.holder));
      // Longer than a mount that does not answer would be waited for.
      await sleep(2 * TAKE_OVER_MS);
      assert.ok(reader.isRunning, 'a live holder was not waited for');
      assert.deepEqual(await readdir(mountPoint), [SESSION]);
      assert.ok((await stat(join(mountPoint, SESSION))).isDirectory());
      assert.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200);
      const state = await stateOf(other.mounted, SESSION);
      assert.deepEqual([state?.state, state?.holder], ['waiting', line.holder]);
      assert.ok((state?.waitedMs ?? 0) >= 2 * TAKE_OVER_MS);
      assert.equal(await metric(other.mounted, 'sessionfs_lease_waiting'), 1);

      await holder.mounted.unmount();
      assert.equal((await reader.ended()).text, CREDS);
      const folder = join(mountPoint, SESSION);
      assert.deepEqual((await readdir(folder)).sort(), ['creds.json', 'key-1.json']);
      await until(async () => (await metric(other.mounted, 'sessionfs_lease_waiting')) === 0);
      assert.equal(await metric(other.mounted, 'sessionfs_leases_total{how="released"}'), 1);
      assert.ok(
        (await metric(other.mounted, 'sessionfs_lease_wait_seconds_total')) >= (2 * TAKE_OVER_MS) / 1000,
      );
      await writeFile(join(folder, 'creds.json'), '{"n":2}');
      await other.mounted.unmount();
      const { faults, changes, turns } = writing(all.proxies);
      assert.deepEqual(faults, []);
      assert.deepEqual([turns, changes >= 4], [2, true]);
    },
  );
}

test('a caller that waits can be killed, and another one goes on waiting', options, async (t) => {
  const { all, holder } = await holderOf(t);
  const other = await all.mount();
  const path = join(other.mounted.mountPoint, SESSION, 'creds.json');
  const first = new Reader(t, path);
  await first.waits();
  await first.kill();
  const second = new Reader(t, path);
  await second.waits();
  await holder.mounted.unmount();
  assert.equal((await second.ended()).text, CREDS);
  await other.mounted.unmount();
});

test(
  'a mount without waiting callers does not get the session; its next caller waits for it anew',
  options,
  async (t) => {
    const { all, holder } = await holderOf(t);
    const looker = await all.mount();
    const path = join(SESSION, 'creds.json');
    const two = [
      new Reader(t, join(looker.mounted.mountPoint, path)),
      new Reader(t, join(looker.mounted.mountPoint, SESSION), 'ls'),
    ];
    for (const reader of two) await reader.waits();
    await logged(looker.mounted, WAITS);
    for (const reader of two) await reader.kill();
    await logged(looker.mounted, 'No caller waits for the session any more; this mount stops asking for it');
    await until(async () => (await metric(looker.mounted, 'sessionfs_lease_waiting')) === 0);
    await holder.mounted.unmount();
    const next = await all.mount();
    assert.equal(await readFile(join(next.mounted.mountPoint, path), 'utf8'), CREDS);
    const third = new Reader(t, join(looker.mounted.mountPoint, path));
    await third.waits();
    assert.equal((await stateOf(looker.mounted, SESSION))?.state, 'waiting');
    await next.mounted.unmount();
    assert.equal((await third.ended()).text, CREDS);
    await looker.mounted.unmount();
  },
);

test(
  'a listing of a session that is waited for, and stat of what is in it, wait as well',
  options,
  async (t) => {
    const { all, holder } = await holderOf(t);
    const other = await all.mount();
    const folder = join(other.mounted.mountPoint, SESSION);
    const listing = new Reader(t, folder, 'ls');
    const stat = new Reader(t, join(folder, 'creds.json'), 'stat');
    await listing.waits();
    await stat.waits();
    await holder.mounted.unmount();
    assert.deepEqual((await listing.ended()).text, 'creds.json\nkey-1.json\n');
    assert.match((await stat.ended()).text, new RegExp(`Size: ${CREDS.length}\\s`));
    await other.mounted.unmount();
  },
);

test(
  'with SESSION_LEASE_WAIT_LIMIT the wait ends with EBUSY, and the next one begins anew',
  options,
  async (t) => {
    const { all, holder } = await holderOf(t);
    const other = await all.mount({ SESSION_LEASE_WAIT_LIMIT: '700' });
    const path = join(other.mounted.mountPoint, SESSION, 'creds.json');
    const startedMs = performance.now();
    await assert.rejects(readFile(path), { code: 'EBUSY' });
    assert.ok(performance.now() - startedMs >= 700);
    await assert.rejects(readdir(join(other.mounted.mountPoint, SESSION)), { code: 'EBUSY' });
    await assert.rejects(writeFile(join(other.mounted.mountPoint, SESSION, 'new.json'), '{}'), {
      code: 'EBUSY',
    });
    const reading = new Reader(t, path);
    await reading.waits();
    await holder.mounted.unmount();
    let ended = await reading.ended();
    // On a busy machine the session takes longer to come than one wait lasts.
    while (/resource busy/.test(ended.error)) ended = await new Reader(t, path).ended();
    assert.equal(ended.text, CREDS);
    await other.mounted.unmount();
  },
);

test('a session that another mount made after our start is found by its name', options, async (t) => {
  const all = await Instances.start(t);
  const early = await all.mount();
  await assert.rejects(stat(join(early.mounted.mountPoint, SESSION)), { code: 'ENOENT' });
  const maker = await all.mount();
  const made = join(maker.mounted.mountPoint, SESSION);
  await mkdir(made);
  await writeFile(join(made, 'creds.json'), CREDS);
  await logged(maker.mounted, 'Session backed up to Cloud Storage');
  // That there was none is believed for some seconds.
  await until(() => isThere(early));
  const reader = new Reader(t, join(early.mounted.mountPoint, SESSION, 'creds.json'));
  await until(async () => (await stateOf(early.mounted, SESSION))?.state === 'waiting');
  await maker.mounted.unmount();
  assert.equal((await reader.ended()).text, CREDS);
  await early.mounted.unmount();
  assert.ok(!logLines(early.mounted).some(({ level }) => level === 'error'), early.mounted.log());
});

for (const mode of ['hybrid', 'cloud'] as const)
  test(`${mode}: a session that one mount deleted is made anew by another one`, options, async (t) => {
    const { all, holder } = await holderOf(t, mode);
    await rm(join(holder.mounted.mountPoint, SESSION), { recursive: true });
    await writeFile(join(holder.mounted.mountPoint, '.sessionfs/flush'), 'all');
    const maker = await all.mount();
    const made = join(maker.mounted.mountPoint, SESSION);
    await mkdir(made);
    await writeFile(join(made, 'creds.json'), CREDS);
    await writeFile(join(maker.mounted.mountPoint, '.sessionfs/flush'), SESSION);
    await until(() => isThere(holder));
    await maker.mounted.unmount();
    assert.equal(await readFile(join(holder.mounted.mountPoint, SESSION, 'creds.json'), 'utf8'), CREDS);
    await holder.mounted.unmount();
  });
