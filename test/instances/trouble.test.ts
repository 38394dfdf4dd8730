/** What can happen while one mount waits for another one. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { filesBelow, flushAll, flushUntilStored } from '../hybrid/support/cloud.ts';
import { Reader } from '../hybrid/support/reader.ts';
import { logged, logLines, SESSION } from '../hybrid/support.ts';
import { until } from '../support/until.ts';
import { type Instance, Instances, stateOf, TAKE_OVER_MS } from './support/instances.ts';
import { writing } from './support/writers.ts';

const options = { timeout: 120_000 };
/** A daemon is replaced in a second or two, on a machine that has much to do. */
const patient = { SESSION_LEASE_TAKEOVER: '30000' };

interface Rig {
  all: Instances;
  holder: Instance;
  other: Instance;
  /** Of `other`, which waits for the session. */
  reader: Reader;
}

async function rig(
  t: TestContext,
  env: Record<string, string> = {},
  mode: 'hybrid' | 'cloud' = 'hybrid',
): Promise<Rig> {
  const all = await Instances.start(t, mode);
  const holder = await all.mount(env);
  await mkdir(join(holder.mounted.mountPoint, SESSION));
  await writeFile(join(holder.mounted.mountPoint, SESSION, 'creds.json'), '{"v":1}');
  await flushUntilStored(holder.mounted);
  const other = await all.mount(env);
  const reader = new Reader(t, join(other.mounted.mountPoint, SESSION, 'creds.json'));
  await reader.waits();
  await until(async () => (await stateOf(other.mounted, SESSION))?.state === 'waiting');
  return { all, holder, other, reader };
}

async function nextDaemon({ mounted }: Instance, how: 'SIGKILL' | 'reload'): Promise<void> {
  const before = await mounted.daemonPid();
  if (how === 'reload') mounted.signal('SIGUSR2');
  else process.kill(before, how);
  await until(async () => (await mounted.daemonPid()) !== before);
}

for (const mode of ['hybrid', 'cloud'] as const) {
  test(
    `${mode}: daemons that are replaced, on both sides, change nothing about who has the session`,
    options,
    async (t) => {
      const { all, holder, other, reader } = await rig(t, patient, mode);
      for (const how of ['SIGKILL', 'reload'] as const)
        for (const instance of [holder, other]) await nextDaemon(instance, how);
      await until(async () => (await stateOf(other.mounted, SESSION))?.state === 'waiting');
      assert.ok(reader.isRunning);
      await writeFile(join(holder.mounted.mountPoint, SESSION, 'creds.json'), '{"v":2}');
      await flushAll(holder.mounted);
      await holder.mounted.unmount();
      assert.equal((await reader.ended()).text, '{"v":2}');
      await other.mounted.unmount();
      assert.deepEqual(writing(all.proxies).faults, []);
    },
  );
}

test('a mount that waits can be stopped, and takes nothing with it', options, async (t) => {
  const { all, holder, other, reader } = await rig(t);
  await other.mounted.unmount();
  assert.notEqual((await reader.ended()).code, 0);
  await sleep(2 * TAKE_OVER_MS);
  await writeFile(join(holder.mounted.mountPoint, SESSION, 'creds.json'), '{"v":2}');
  await flushAll(holder.mounted);
  await holder.mounted.unmount();
  const { faults, turns } = writing(all.proxies);
  assert.deepEqual([faults, turns], [[], 1]);
});

test(
  'a holder that gets SIGTERM and cannot store everything keeps the session until it is taken for dead',
  options,
  async (t) => {
    const { holder, other, reader } = await rig(t, { SESSION_SHUTDOWN_TIMEOUT: '1500' });
    await writeFile(join(holder.mounted.mountPoint, SESSION, 'late.json'), '{"late":1}');
    holder.proxy.inject({
      fault: { status: 503 },
      match: ({ kind, object }) => kind === 'put' && object.startsWith('sessions/'),
    });
    await holder.mounted.unmount();
    assert.equal((await logged(holder.mounted, /^Not everything is in the bucket/)).files, 1);
    assert.equal((await reader.ended()).text, '{"v":1}');
    assert.deepEqual(await readdir(join(other.mounted.mountPoint, SESSION)), ['creds.json']);
    const line = logLines(other.mounted).find(({ msg }) => msg.startsWith('Another mount holds the session'));
    assert.equal(line?.session, SESSION);
    await other.mounted.unmount();
  },
);

test(
  'the same new session on two mounts: one of them is backed up, the other one’s is kept',
  options,
  async (t) => {
    const all = await Instances.start(t);
    const both = await Promise.all([all.mount(), all.mount()]);
    await Promise.all(
      both.map(async ({ mounted }, index) => {
        await mkdir(join(mounted.mountPoint, SESSION)).catch(() => {});
        await writeFile(join(mounted.mountPoint, SESSION, 'creds.json'), `{"by":${index}}`);
      }),
    );
    await until(async () => (await states(both)).includes('conflict'));
    const [first, second] = await states(both);
    const winner = first === 'conflict' ? 1 : 0;
    assert.deepEqual([first, second].filter((state) => state === 'conflict').length, 1);
    const loser = both[1 - winner];
    assert.ok(loser !== undefined);
    // Each application goes on with what it wrote.
    assert.equal(
      await readFile(join(loser.mounted.mountPoint, SESSION, 'creds.json'), 'utf8'),
      `{"by":${1 - winner}}`,
    );
    for (const { mounted } of both) await mounted.unmount();
    const again = await all.mount({}, loser.machine);
    assert.deepEqual(await filesBelow(join(again.mounted.mountPoint, SESSION)), {
      'creds.json': `{"by":${winner}}`,
    });
    assert.equal((await readdir(join(loser.machine.cachePath, 'set-aside'))).length, 1);
    await again.mounted.unmount();
    assert.deepEqual(writing(all.proxies).faults, []);
  },
);

for (const mode of ['hybrid', 'cloud'] as const) {
  test(`${mode}: a new session while the bucket does not answer`, options, async (t) => {
    const all = await Instances.start(t, mode);
    const { mounted, proxy } = await all.mount();
    proxy.outage(true);
    const folder = join(mounted.mountPoint, SESSION);
    const made = new Reader(t, folder, 'mkdir');
    await made.waits();
    if (mode === 'cloud') {
      await sleep(4_000);
      assert.ok(made.isRunning, 'another mount may have it');
      proxy.outage(false);
    }
    assert.equal((await made.ended()).code, 0);
    const written = writeFile(join(folder, 'creds.json'), '{"v":1}');
    if (mode === 'hybrid') {
      await written;
      await logged(mounted, /^The bucket does not say whether another mount has made this session/);
      proxy.outage(false);
    }
    await written;
    await mounted.unmount();
    const next = await all.mount();
    assert.deepEqual(await filesBelow(next.mounted.mountPoint), { [`${SESSION}/creds.json`]: '{"v":1}' });
    await next.mounted.unmount();
  });
}

function states(both: readonly Instance[]): Promise<(string | undefined)[]> {
  return Promise.all(both.map(async ({ mounted }) => (await stateOf(mounted, SESSION))?.state));
}
