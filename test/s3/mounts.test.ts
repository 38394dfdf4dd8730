/** Hybrid and cloud mode on an S3 server: a few of what test/hybrid, test/cloud and test/instances try on Google's part. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { mkdir, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { backedUp, filesBelow, flushAll } from '../hybrid/support/cloud.ts';
import { logged, logLines, SESSION, writeFiles } from '../hybrid/support.ts';
import { workloadSucceeds } from '../support/run-workload.ts';
import { motoServer, s3Gateway } from '../support/s3-server.ts';
import { until } from '../support/until.ts';
import { S3Cloud } from './support.ts';

const options = { timeout: 240_000 };

test(
  'hybrid: what was flushed under faults is restored on an empty cache; a restart asks for no object again',
  options,
  async (t) => {
    const cloud = await S3Cloud.start(t, await s3Gateway());
    const first = await cloud.mount();
    // Those of leases would let a busy machine lose its session.
    const faults = [
      { status: 503, reason: 'SlowDown' },
      { status: 409, reason: 'ConditionalRequestConflict' },
      'lost-answer',
      'reset',
    ] as const;
    for (const fault of faults)
      cloud.proxy.inject({ fault, match: ({ object }) => object.startsWith('sessions/'), count: 2 });
    const files = Object.fromEntries(
      Array.from({ length: 30 }, (_, index) => [`${SESSION}/pre-key-${index}.json`, `{"key":${index}}`]),
    );
    writeFiles(first.mountPoint, { ...files, [`${SESSION}/creds.json`]: '{"v":1}' });
    await backedUp(first);
    writeFileSync(join(first.mountPoint, SESSION, 'creds.json'), '{"v":2}');
    rmSync(join(first.mountPoint, SESSION, 'pre-key-0.json'));
    await backedUp(first);
    cloud.proxy.clear();
    await flushAll(first);
    await first.unmount();

    const left: Record<string, string> = { ...files, [`${SESSION}/creds.json`]: '{"v":2}' };
    delete left[`${SESSION}/pre-key-0.json`];
    const other = cloud.machine();
    const second = await cloud.mount({}, other);
    assert.deepEqual(await filesBelow(second.mountPoint), left);
    await second.unmount();

    cloud.proxy.requests.length = 0;
    const again = await cloud.mount({}, other);
    assert.deepEqual(await filesBelow(again.mountPoint), left);
    // What was removed may have left a mark, against an upload that comes late: only a HEAD tells it from a file.
    const asked = cloud.proxy.requests.filter(
      ({ object }) => object.startsWith('sessions/') && !object.endsWith('/pre-key-0.json'),
    );
    assert.deepEqual(asked, []);
    await again.unmount();
  },
);

test('a killed mount is taken over; its late upload changes nothing', options, async (t) => {
  const cloud = await S3Cloud.start(t, await s3Gateway());
  const first = await cloud.mount();
  writeFiles(first.mountPoint, { [`${SESSION}/creds.json`]: '{"v":1}' });
  await backedUp(first);
  const hold = cloud.proxy.hold(({ kind, object }) => kind === 'put' && object.endsWith('creds.json'));
  writeFileSync(join(first.mountPoint, SESSION, 'creds.json'), '{"v":"late"}');
  const flushed = flushAll(first).catch(() => {});
  await until(() => hold.count > 0);
  first.crash();
  await flushed;

  const second = await cloud.mount();
  // The take-over stores every object again, which waits for nothing that is held back.
  assert.deepEqual(await filesBelow(second.mountPoint), { [`${SESSION}/creds.json`]: '{"v":1}' });
  hold.release();
  await cloud.settled();
  await backedUp(second);
  await second.unmount();
  const third = await cloud.mount();
  assert.deepEqual(await filesBelow(third.mountPoint), { [`${SESSION}/creds.json`]: '{"v":1}' });
  await third.unmount();
});

test(
  'cloud mode: what returned survives SIGKILL of everything; Baileys pairs and resumes elsewhere',
  options,
  async (t) => {
    const cloud = await S3Cloud.start(t, await s3Gateway());
    const cloudMode = { SESSION_STORAGE_TYPE: 'cloud' };
    const first = await cloud.mount(cloudMode);
    const directory = join(first.mountPoint, SESSION);
    await mkdir(directory);
    await writeFile(join(directory, 'creds.json'), '{"me":1}');
    await writeFile(join(directory, 'gone.json'), '{}');
    await unlink(join(directory, 'gone.json'));
    await writeFile(join(directory, 'session-1.json.tmp'), '{"s":1}');
    await rename(join(directory, 'session-1.json.tmp'), join(directory, 'session-1.json'));
    await first.kill();
    await cloud.settled();

    const second = await cloud.mount(cloudMode);
    assert.deepEqual(await filesBelow(second.mountPoint), {
      [`${SESSION}/creds.json`]: '{"me":1}',
      [`${SESSION}/session-1.json`]: '{"s":1}',
    });
    const init = '--mode init --k 2 --m 2 --prekeys 20 --contacts 5';
    await workloadSucceeds(second.mountPoint, ...init.split(' '));
    await second.unmount();
    const third = await cloud.mount(cloudMode);
    const { resume } = await workloadSucceeds(third.mountPoint, '--mode', 'resume', '--rounds', '1');
    assert.deepEqual(resume?.errors, []);
    await third.unmount();
  },
);

test(
  'a server that ignores conditions serves one mount, and refuses the start of a second one',
  options,
  async (t) => {
    const cloud = await S3Cloud.start(t, await motoServer(), ['delete']);
    const first = await cloud.mount();
    writeFiles(first.mountPoint, { [`${SESSION}/creds.json`]: '{"v":1}' });
    await backedUp(first);
    const line = await logged(first, /ignores conditions of changes/);
    assert.deepEqual([line.level, line.ignored], ['warn', ['delete']]);
    await assert.rejects(cloud.mount(), /BUCKET_UNCONDITIONAL|ignores conditions \(delete\)/);
    await first.unmount();
    const second = await cloud.mount();
    assert.deepEqual(await filesBelow(second.mountPoint), { [`${SESSION}/creds.json`]: '{"v":1}' });
    assert.ok(!logLines(second).some(({ msg }) => msg.includes('callers wait')));
    await second.unmount();
  },
);
