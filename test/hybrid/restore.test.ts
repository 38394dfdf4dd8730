/** A session that only the bucket has, and a bucket that does not answer: a caller that touches it waits, and gets it in the end. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { nextDaemonOf } from '../crash/support/processes.ts';
import { sessionTree, type Tree } from '../mounted/session-files.ts';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { directTest, isNative } from '../support/driver.ts';
import { fileScope } from '../support/file-scope.ts';
import type { Mounted } from '../support/mount-sessionfs.ts';
import { mountAt } from '../support/mounts.ts';
import { until } from '../support/until.ts';
import { Cloud, filesBelow, flushAll } from './support/cloud.ts';
import { Reader } from './support/reader.ts';
import { logged, logLines, type Machine, statusOf, writeFiles } from './support.ts';

/** A session that only the bucket has, for each test; the machine has a local one besides. */
const REMOTE = Array.from({ length: 7 }, (_, index) => `user${index}-+1555000${index}`);
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
  local: string;
  remote: string;
  remoteTree: Tree;
}

const file = fileScope();
const unused = [...REMOTE];

/** Made by the first test that asks. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

const bucket = once(async () => {
  const cloud = await Cloud.start(file);
  const elsewhere = await cloud.mount();
  for (const session of REMOTE) writeFiles(elsewhere.mountPoint, filesOf(session));
  await flushAll(elsewhere);
  await elsewhere.kill();
  return cloud;
});

/** A machine of its own that has a session, and the bucket, which has others besides. */
async function rig(scope: Scope, env: Readonly<Record<string, string>> = {}): Promise<Rig> {
  const cloud = await (await bucket()).shared(scope);
  const machine = cloud.machine();
  const mounted = await cloud.mount(env, machine);
  const given = another({ cloud, machine, mounted });
  writeFiles(mounted.mountPoint, filesOf(given.local));
  await flushAll(mounted);
  return given;
}

function another(mount: Omit<Rig, 'local' | 'remote' | 'remoteTree'>, local?: string): Rig {
  const remote = unused.pop() ?? assert.fail('no session is left for this test');
  return { ...mount, local: local ?? remote.replace('user', 'local'), remote, remoteTree: filesOf(remote) };
}

const sharedMount = once(async () => {
  const given = await rig(file);
  cleanUp(file, () => given.mounted.unmount());
  return given;
});

/** A mount for the tests that change nothing but whether the bucket is there. */
async function sharedRig(scope: Scope): Promise<Rig> {
  const { cloud, machine, mounted, local } = await sharedMount();
  cleanUp(scope, () => cloud.proxy.outage(false));
  return another({ cloud, machine, mounted }, local);
}

async function stateOf(mounted: Mounted, session: string): Promise<string | undefined> {
  return (await statusOf(mounted)).backups.find((backup) => backup.session === session)?.state;
}

async function assertServed({ machine, local }: Rig): Promise<void> {
  assert.deepEqual(await filesBelow(machine.path(local), `${local}/`), filesOf(local));
  const path = machine.path(local, 'pre-key-2.json');
  await writeFile(path, '{"key":2}');
  assert.equal(await readFile(path, 'utf8'), '{"key":2}');
}

function reader(scope: Scope, { machine, remote }: Rig, name: string): Reader {
  return new Reader(scope, machine.path(remote, name));
}

async function assertReads(reading: Reader, { remote, remoteTree }: Rig, name: string): Promise<void> {
  const text = remoteTree[`${remote}/${name}`];
  assert.deepEqual(await reading.ended(), { text, error: '', code: 0, signal: null });
}

test(
  'out of reach: readers of a remote session wait, others are served, and it comes in the end',
  options,
  async (t) => {
    const given = await sharedRig(t);
    const { cloud, mounted, remote, remoteTree } = given;
    assert.equal(await stateOf(mounted, remote), 'remote');
    cloud.proxy.outage(true);
    const patient = reader(t, given, 'creds.json');
    const killed = reader(t, given, 'pre-key-1.json');
    await Promise.all([patient.waits(), killed.waits()]);
    await until(async () => (await stateOf(mounted, remote)) === 'restoring');
    const killing = killed.kill();
    // libfuse 2 does not tell that a caller is to die: there it does when it is answered.
    if (!isNative) await killing;
    await assertServed(given);
    await until(() => logLines(mounted).some(({ msg, session }) => msg === WAITS && session === remote));
    assert.ok(patient.isRunning);
    cloud.proxy.outage(false);
    await assertReads(patient, given, 'creds.json');
    await killing;
    assert.equal((await killed.ended()).signal, 'SIGKILL');
    assert.deepEqual(await filesBelow(join(mounted.mountPoint, remote), `${remote}/`), remoteTree);
    const waited = logLines(mounted).filter(({ msg, session }) => msg === WAITS && session === remote);
    assert.deepEqual([waited.length, waited[0]?.reason], [1, 'unreachable']);
  },
);

test(
  'out of reach since before the mount: what is here is served, what may be there is waited for',
  options,
  async (t) => {
    const given = await rig(t);
    const { cloud, machine, mounted: before } = given;
    await before.unmount();
    cloud.proxy.outage(true);
    const mounted = await cloud.mount({}, machine);
    assert.equal((await statusOf(mounted)).bucket.listed, false);
    await assertServed(given);
    const known = reader(t, given, 'creds.json');
    const unknown = new Reader(t, machine.path('unknown-+15559999', 'creds.json'));
    await Promise.all([known.waits(), unknown.waits()]);
    cloud.proxy.outage(false);
    await assertReads(known, given, 'creds.json');
    assert.match((await unknown.ended()).error, /No such file or directory/);
    await mounted.unmount();
  },
);

directTest(
  'a caller that waits behind another one for the same name goes on when that one is killed',
  options,
  async (t) => {
    const given = await sharedRig(t);
    const { cloud } = given;
    cloud.proxy.outage(true);
    const first = reader(t, given, 'creds.json');
    await first.waits();
    const second = reader(t, given, 'creds.json');
    // The kernel soon has it wait for the first one's lookup, not for the mount; if not yet, nothing is shown, and nothing fails.
    await sleep(BEHIND_MS);
    await first.kill();
    await second.waits();
    cloud.proxy.outage(false);
    await assertReads(second, given, 'creds.json');
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
      const given = await rig(t, env);
      const { cloud, mounted, remote, remoteTree } = given;
      const hold = cloud.proxy.hold(({ kind }) => kind === 'get');
      const files = Object.keys(remoteTree).map((path) => path.slice(remote.length + 1));
      const readers = files.map((file) => ({ file, reading: reader(t, given, file) }));
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
      await assertServed(given);
      hold.release();
      for (const { file, reading } of readers) await assertReads(reading, given, file);
      assert.deepEqual(await filesBelow(join(mounted.mountPoint, remote), `${remote}/`), remoteTree);
      await mounted.unmount();
    },
  );
}

test(
  'an unmount while callers wait ends within its deadline, and leaves nothing behind',
  options,
  async (t) => {
    const given = await rig(t, { SESSION_SHUTDOWN_TIMEOUT: '3000' });
    const { cloud, machine, mounted, remote, remoteTree } = given;
    cloud.proxy.outage(true);
    const readers = [reader(t, given, 'creds.json'), reader(t, given, 'pre-key-1.json')];
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
    assert.deepEqual(await filesBelow(join(again.mountPoint, remote), `${remote}/`), remoteTree);
    await assertServed(given);
    await again.unmount();
  },
);
