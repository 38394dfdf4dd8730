/** A session that only the bucket has, and a bucket that does not answer: a caller that touches it waits, and gets it in the end. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { nextDaemonOf } from '../crash/support/processes.ts';
import { sessionTree, type Tree } from '../mounted/session-files.ts';
import { directTest, isNative } from '../support/driver.ts';
import type { Mounted } from '../support/mount-sessionfs.ts';
import { mountAt } from '../support/mounts.ts';
import { until } from '../support/until.ts';
import { Cloud, filesBelow, flushAll } from './support/cloud.ts';
import { Reader } from './support/reader.ts';
import { logged, logLines, type Machine, statusOf, writeFiles } from './support.ts';

const REMOTE = 'user1-+15550001';
const LOCAL = 'user2-+15550002';
const remoteTree = filesOf(REMOTE);
const WAITS = 'Cannot restore the session yet; its callers wait';
const BEHIND_MS = 200;
const options = { timeout: 90_000 };

function filesOf(session: string): Tree {
  return Object.fromEntries(Object.entries(sessionTree(session)).filter(([path]) => !path.endsWith('/')));
}

interface Rig {
  cloud: Cloud;
  machine: Machine;
  mounted: Mounted;
}

/** A machine of its own that has a session, and a bucket that has another one besides. */
async function rig(t: TestContext, env: Readonly<Record<string, string>> = {}): Promise<Rig> {
  const cloud = await Cloud.start(t);
  const elsewhere = await cloud.mount();
  writeFiles(elsewhere.mountPoint, remoteTree);
  await flushAll(elsewhere);
  await elsewhere.kill();
  const machine = cloud.machine();
  const mounted = await cloud.mount(env, machine);
  writeFiles(mounted.mountPoint, filesOf(LOCAL));
  await flushAll(mounted);
  return { cloud, machine, mounted };
}

async function stateOf(mounted: Mounted, session: string): Promise<string | undefined> {
  return (await statusOf(mounted)).backups.find((backup) => backup.session === session)?.state;
}

async function assertServed({ mountPoint }: Mounted): Promise<void> {
  assert.deepEqual(await filesBelow(join(mountPoint, LOCAL), `${LOCAL}/`), filesOf(LOCAL));
  const path = join(mountPoint, LOCAL, 'pre-key-2.json');
  await writeFile(path, '{"key":2}');
  assert.equal(await readFile(path, 'utf8'), '{"key":2}');
}

function reader(t: TestContext, { mountPoint }: Mounted, file: string): Reader {
  return new Reader(t, join(mountPoint, REMOTE, file));
}

async function assertReads(reading: Reader, file: string): Promise<void> {
  const text = remoteTree[`${REMOTE}/${file}`];
  assert.deepEqual(await reading.ended(), { text, error: '', code: 0, signal: null });
}

test(
  'out of reach: readers of a remote session wait, others are served, and it comes in the end',
  options,
  async (t) => {
    const { cloud, mounted } = await rig(t);
    assert.equal(await stateOf(mounted, REMOTE), 'remote');
    cloud.proxy.outage(true);
    const patient = reader(t, mounted, 'creds.json');
    const killed = reader(t, mounted, 'pre-key-1.json');
    await Promise.all([patient.waits(), killed.waits()]);
    await until(async () => (await stateOf(mounted, REMOTE)) === 'restoring');
    const killing = killed.kill();
    // libfuse 2 does not tell that a caller is to die: there it does when it is answered.
    if (!isNative) await killing;
    await assertServed(mounted);
    await logged(mounted, WAITS);
    assert.ok(patient.isRunning);
    cloud.proxy.outage(false);
    await assertReads(patient, 'creds.json');
    await killing;
    assert.equal((await killed.ended()).signal, 'SIGKILL');
    assert.deepEqual(await filesBelow(join(mounted.mountPoint, REMOTE), `${REMOTE}/`), remoteTree);
    const waited = logLines(mounted).filter(({ msg }) => msg === WAITS);
    assert.deepEqual([waited.length, waited[0]?.session, waited[0]?.reason], [1, REMOTE, 'unreachable']);
    await mounted.unmount();
  },
);

test(
  'out of reach since before the mount: what is here is served, what may be there is waited for',
  options,
  async (t) => {
    const { cloud, machine, mounted: before } = await rig(t);
    await before.unmount();
    cloud.proxy.outage(true);
    const mounted = await cloud.mount({}, machine);
    assert.equal((await statusOf(mounted)).bucket.listed, false);
    await assertServed(mounted);
    const known = reader(t, mounted, 'creds.json');
    const unknown = new Reader(t, join(mounted.mountPoint, 'user3-+15550003/creds.json'));
    await Promise.all([known.waits(), unknown.waits()]);
    cloud.proxy.outage(false);
    await assertReads(known, 'creds.json');
    assert.match((await unknown.ended()).error, /No such file or directory/);
    await mounted.unmount();
  },
);

directTest(
  'a caller that waits behind another one for the same name goes on when that one is killed',
  options,
  async (t) => {
    const { cloud, mounted } = await rig(t);
    cloud.proxy.outage(true);
    const first = reader(t, mounted, 'creds.json');
    await first.waits();
    const second = reader(t, mounted, 'creds.json');
    // The kernel soon has it wait for the first one's lookup, not for the mount; if not yet, nothing is shown, and nothing fails.
    await sleep(BEHIND_MS);
    await first.kill();
    await second.waits();
    cloud.proxy.outage(false);
    await assertReads(second, 'creds.json');
    await mounted.unmount();
  },
);

for (const [kernel, env] of [
  ['', {}],
  [', on a kernel that sends nothing again', { SESSIONFS_TEST_NO_RESEND: '1' }],
] as const) {
  directTest(
    `daemons are killed while callers wait for a restore: they get it all the same${kernel}`,
    options,
    async (t) => {
      const { cloud, mounted } = await rig(t, env);
      const hold = cloud.proxy.hold(({ kind }) => kind === 'get');
      const files = Object.keys(remoteTree).map((path) => path.slice(REMOTE.length + 1));
      const readers = files.map((file) => ({ file, reading: reader(t, mounted, file) }));
      await Promise.all(readers.map(({ reading }) => reading.waits()));
      let daemon = await nextDaemonOf(mounted.pid, undefined);
      let asked = 0;
      for (let kill = 0; kill < 3; kill++) {
        // What the dead one had sent may still arrive: the next one has to serve, and to have asked.
        if (kill > 0) await logged(mounted, 'Took the mount over', kill);
        await until(() => kill === 0 || cloud.proxy.count('get') > asked);
        asked = cloud.proxy.count('get');
        process.kill(daemon, 'SIGKILL');
        daemon = await nextDaemonOf(mounted.pid, daemon);
      }
      await assertServed(mounted);
      hold.release();
      for (const { file, reading } of readers) await assertReads(reading, file);
      assert.deepEqual(await filesBelow(join(mounted.mountPoint, REMOTE), `${REMOTE}/`), remoteTree);
      await mounted.unmount();
    },
  );
}

test(
  'an unmount while callers wait ends within its deadline, and leaves nothing behind',
  options,
  async (t) => {
    const { cloud, machine, mounted } = await rig(t, { SESSION_SHUTDOWN_TIMEOUT: '3000' });
    cloud.proxy.outage(true);
    const readers = [reader(t, mounted, 'creds.json'), reader(t, mounted, 'pre-key-1.json')];
    await Promise.all(readers.map((reading) => reading.waits()));
    const startedMs = performance.now();
    mounted.signal('SIGTERM');
    assert.deepEqual(await mounted.exited(), { code: 0, signal: null }, mounted.log());
    t.diagnostic(`ended after ${Math.round(performance.now() - startedMs)} ms`);
    for (const reading of readers) {
      const { text, error, code } = await reading.ended();
      assert.deepEqual([text, code], ['', 1], error);
      assert.doesNotMatch(error, /No such file/);
      t.diagnostic(error.trim());
    }
    assert.equal(mountAt(mounted.mountPoint), undefined);
    assert.deepEqual(readdirSync(mounted.mountPoint), []);
    assert.equal(existsSync(join(machine.cachePath, 'journal')), true);
    cloud.proxy.outage(false);
    const again = await cloud.mount({}, machine);
    assert.deepEqual(await filesBelow(join(again.mountPoint, REMOTE), `${REMOTE}/`), remoteTree);
    await assertServed(again);
    await again.unmount();
  },
);
