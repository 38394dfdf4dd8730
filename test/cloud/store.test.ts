/** Cloud mode: what a call that returned has changed is in the bucket, and nothing is on any disk. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cloud, filesBelow } from '../hybrid/support/cloud.ts';
import { logged, SESSION } from '../hybrid/support.ts';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { directTest } from '../support/driver.ts';
import { fileScope } from '../support/file-scope.ts';
import type { Mounted } from '../support/mount-sessionfs.ts';
import { workloadSucceeds } from '../support/run-workload.ts';
import { until } from '../support/until.ts';
import { mountCloud, script, uploads } from './support.ts';

interface Rig {
  cloud: Cloud;
  mounted: Mounted;
  directory: string;
}

async function rig(t: Scope, env: Readonly<Record<string, string>> = {}): Promise<Rig> {
  const cloud = await Cloud.start(t);
  const mounted = await mountCloud(cloud, env);
  const directory = join(mounted.mountPoint, SESSION);
  // The limit of a test counts for this call, too.
  if ('SESSION_STORE_TIMEOUT' in env) await until(() => storedInTime(mkdir(directory, { recursive: true })));
  else await mkdir(directory);
  return { cloud, mounted, directory };
}

const file = fileScope();
let shared: Promise<Rig> | undefined;

/** A session in a mount that is there for the tests which leave it as it is. */
async function sharedRig(t: Scope, session: string): Promise<Rig> {
  shared ??= rig(file).then((made) => {
    cleanUp(file, () => made.mounted.unmount());
    return made;
  });
  const { cloud, mounted } = await shared;
  cleanUp(t, () => cloud.proxy.outage(false));
  const directory = join(mounted.mountPoint, session);
  await mkdir(directory);
  return { cloud, mounted, directory };
}

const storedInTime = (call: Promise<unknown>) =>
  call.then(
    () => true,
    (error) => {
      assert.equal(error.code, 'EIO');
      return false;
    },
  );

/** Each file is an upload of its own, which the application waits for. */
const INIT = '--mode init --k 2 --m 2 --prekeys 20 --contacts 5'.split(' ');
const CREDS = '{"me":{"id":"49"},"registered":true}';

/** What another machine finds after the first was killed without a warning. */
async function afterKill({ cloud, mounted }: Rig): Promise<Record<string, string>> {
  await mounted.kill();
  await cloud.settled();
  const other = await mountCloud(cloud);
  const files = await filesBelow(other.mountPoint);
  await other.unmount();
  return files;
}

test('a write, a rename and an unlink that returned survive SIGKILL of everything, with no disk', async (t) => {
  const made = await rig(t);
  const { directory, mounted } = made;
  await writeFile(join(directory, 'pre-key-1.json'), '{"key":1}');
  await writeFile(join(directory, 'pre-key-2.json'), '{"key":2}');
  await writeFile(join(directory, 'creds.json'), CREDS);
  await unlink(join(directory, 'pre-key-1.json'));
  await writeFile(join(directory, 'session-1.json.tmp'), '{"s":1}');
  await rename(join(directory, 'session-1.json.tmp'), join(directory, 'session-1.json'));
  assert.deepEqual((await readdir(join(mounted.mountPoint, '..'))).sort(), ['sessions']);
  assert.ok(!existsSync(`${mounted.mountPoint}.sealed`));
  assert.deepEqual(await afterKill(made), {
    [`${SESSION}/creds.json`]: CREDS,
    [`${SESSION}/pre-key-2.json`]: '{"key":2}',
    [`${SESSION}/session-1.json`]: '{"s":1}',
  });
});

test('a write does not return before its object is stored', async (t) => {
  const { cloud, directory } = await sharedRig(t, 'user-+2');
  const before = uploads(cloud).length;
  const hold = cloud.proxy.hold(({ kind, object }) => kind === 'put' && object.endsWith('creds.json'));
  let returned = false;
  const written = writeFile(join(directory, 'creds.json'), CREDS).then(() => {
    returned = true;
  });
  await until(() => hold.count > 0);
  await sleep(300);
  assert.ok(!returned, 'the write returned while its upload was held back');
  hold.release();
  await written;
  assert.equal(
    uploads(cloud)
      .slice(before)
      .filter((name) => name.endsWith('creds.json')).length,
    1,
  );
});

directTest(
  'writes that wait when the daemon is killed are stored once and answered by the next one',
  async (t) => {
    const { cloud, directory, mounted } = await rig(t);
    await writeFile(join(directory, 'gone.json'), '{}');
    await writeFile(join(directory, 'a.json.tmp'), '{"a":1}');
    const hold = cloud.proxy.hold(
      ({ kind, object }) => (kind === 'put' || kind === 'delete') && object.startsWith('sessions/'),
    );
    const calls = [
      script(`fs.writeFileSync(${JSON.stringify(join(directory, 'creds.json'))}, ${JSON.stringify(CREDS)})`),
      script(`fs.unlinkSync(${JSON.stringify(join(directory, 'gone.json'))})`),
      script(
        `fs.renameSync(${JSON.stringify(join(directory, 'a.json.tmp'))}, ${JSON.stringify(join(directory, 'a.json'))})`,
      ),
      script(`fs.mkdirSync(${JSON.stringify(join(mounted.mountPoint, 'other-+1'))})`),
    ];
    await until(() => hold.count > 0);
    await sleep(200);
    process.kill(await mounted.daemonPid(), 'SIGKILL');
    hold.release();
    for (const { done } of calls) assert.deepEqual(await done, { code: 0, stdout: '', stderr: '' });
    assert.deepEqual(await filesBelow(mounted.mountPoint), {
      [`${SESSION}/creds.json`]: CREDS,
      [`${SESSION}/a.json`]: '{"a":1}',
    });
    await mounted.unmount();
  },
);

directTest('an outage makes calls wait; they can be killed, and go on when it ends', async (t) => {
  const { cloud, directory } = await sharedRig(t, 'user-+3');
  await writeFile(join(directory, 'creds.json'), CREDS);
  await writeFile(join(directory, 'known.json'), '{"k":1}');
  cloud.proxy.outage(true);
  const killed = script(`fs.writeFileSync(${JSON.stringify(join(directory, 'killed.json'))}, '{}')`);
  const waiting = writeFile(join(directory, 'creds.json'), '{"new":1}');
  await until(async () => (await readdir(directory)).includes('killed.json'));
  assert.deepEqual((await readdir(directory)).sort(), ['creds.json', 'killed.json', 'known.json']);
  assert.equal((await stat(join(directory, 'creds.json'))).size, CREDS.length);
  assert.equal(await readFile(join(directory, 'known.json'), 'utf8'), '{"k":1}');
  process.kill(killed.pid, 'SIGKILL');
  await killed.done;
  cloud.proxy.outage(false);
  await waiting;
});

test('beyond the limit a change gets EIO and one clear line; creds.json never does', async (t) => {
  const { cloud, directory, mounted } = await rig(t, { SESSION_STORE_TIMEOUT: '400' });
  cloud.proxy.outage(true);
  let credsReturned = false;
  const creds = writeFile(join(directory, 'creds.json'), CREDS).then(() => {
    credsReturned = true;
  });
  await assert.rejects(writeFile(join(directory, 'pre-key-1.json'), '{}'), { code: 'EIO' });
  const line = await logged(mounted, /could not be stored in time/);
  assert.deepEqual([line.level, line.sessions], ['error', [SESSION]]);
  await sleep(600);
  assert.ok(!credsReturned);
  cloud.proxy.outage(false);
  await creds;
  await mounted.unmount();
  assert.ok(
    uploads(cloud).some((name) => name.endsWith('pre-key-1.json')),
    'what got EIO is tried again',
  );
});

test('what is longest unused leaves the memory, and is fetched again unchanged', async (t) => {
  const cloud = await Cloud.start(t);
  const mounted = await mountCloud(cloud, { SESSION_CLOUD_MEMORY_LIMIT: String(1024 * 1024) });
  const content = JSON.stringify({ text: 'x'.repeat(200_000) });
  for (let n = 0; n < 8; n++) {
    await mkdir(join(mounted.mountPoint, `u-+${n}`));
    await writeFile(join(mounted.mountPoint, `u-+${n}`, 'creds.json'), content);
  }
  const states = async () => {
    const status = JSON.parse(await readFile(join(mounted.mountPoint, '.sessionfs/status.json'), 'utf8'));
    return (status.backups as { session: string; state: string }[])
      .filter(({ state }) => state === 'remote')
      .map(({ session }) => session);
  };
  await until(async () => (await states()).length >= 3);
  const gone = await states();
  assert.ok(gone.includes('u-+0') && !gone.includes('u-+7'), `gone: ${gone}`);
  for (let n = 0; n < 8; n++) {
    await writeFile(join(mounted.mountPoint, `u-+${n}`, 'next.json'), `{"n":${n}}`);
    assert.equal(await readFile(join(mounted.mountPoint, `u-+${n}`, 'creds.json'), 'utf8'), content);
  }
  await mounted.unmount();
});

test('Baileys pairs in cloud mode and resumes on another machine', { timeout: 240_000 }, async (t) => {
  const cloud = await Cloud.start(t);
  const first = await mountCloud(cloud);
  await workloadSucceeds(first.mountPoint, ...INIT);
  await first.unmount();
  const second = await mountCloud(cloud);
  const { resume } = await workloadSucceeds(second.mountPoint, '--mode', 'resume', '--rounds', '1');
  assert.deepEqual(resume?.errors, []);
  await workloadSucceeds(second.mountPoint, '--mode', 'check');
  await second.unmount();
});

test('a change by .tmp, .bak and rename is one upload, and a machine that dies at it loses nothing', async (t) => {
  const made = await rig(t);
  const { cloud, directory } = made;
  const file = join(directory, 'session-1.json');
  const replace = async (text: string) => {
    await writeFile(`${file}.tmp`, text);
    await rename(file, `${file}.bak`).catch(() => {});
    await rename(`${file}.tmp`, file);
  };
  await writeFile(join(directory, 'creds.json'), CREDS);
  await replace('{"s":1}');
  const before = cloud.proxy.changes.length;
  for (const text of ['{"s":2}', '{"s":3}']) await replace(text);
  const changes = cloud.proxy.changes.slice(before).map(({ request }) => request);
  assert.deepEqual(
    changes.filter(({ object }) => object.startsWith('sessions/')).map(({ kind, object }) => [kind, object]),
    Array(2).fill(['put', 'sessions/user/+4915100000/session-1.json']),
  );
  assert.equal(await readFile(`${file}.bak`, 'utf8'), '{"s":2}');
  await rename(file, `${file}.bak`);
  const { [`${SESSION}/session-1.json`]: main, [`${SESSION}/session-1.json.bak`]: backup } =
    await afterKill(made);
  assert.equal(main ?? backup, '{"s":3}');
});
