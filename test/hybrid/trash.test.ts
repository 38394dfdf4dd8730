/** A logout that was a mistake: the session comes back, here and on a machine with nothing but the bucket. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { cliMain } from '../support/cli-main.ts';
import { cleanEnvironment } from '../support/environment.ts';
import type { Mounted } from '../support/mount-sessionfs.ts';
import { Cloud, filesBelow, flushAll } from './support/cloud.ts';
import { logged, SESSION, writeFiles } from './support.ts';

const FILES = 60;
const STORED = 'A removed session is in the trash of the bucket, too';
const options = { timeout: 180_000 };

/** Not synchronous: the proxy lives in this process. */
async function restore(cloud: Cloud, mounted: Mounted, ...args: string[]): Promise<string> {
  const env = cleanEnvironment(cloud.settings);
  const given = [cliMain, 'restore', ...args, join(mounted.mountPoint, SESSION)];
  return (await promisify(execFile)(process.execPath, given, { env })).stdout;
}

test('a removed session costs one upload, and comes back whole here and elsewhere', options, async (t) => {
  const cloud = await Cloud.start(t);
  const first = await cloud.mount({ SESSION_BACKUP_INTERVAL: '0' });
  const tree = Object.fromEntries([
    [`${SESSION}/creds.json`, '{"me":{"id":"49"},"registered":true}'],
    ...Array.from({ length: FILES }, (_, n) => [`${SESSION}/pre-key-${n}.json`, `{"key":${n}}`]),
  ]);
  writeFiles(first.mountPoint, tree);
  await flushAll(first);
  const puts = () =>
    cloud.proxy.requests
      .filter(
        ({ kind, object }) => kind === 'put' && /^(sessions|\.sessionfs\/(trash|set-aside))\//.test(object),
      )
      .map(({ object }) => object);
  const before = puts().length;
  await writeFile(join(first.mountPoint, SESSION, 'pre-key-0.json'), '{"key":"newest"}');
  await rm(join(first.mountPoint, SESSION), { recursive: true });
  await flushAll(first);
  await logged(first, STORED);
  assert.deepEqual(
    puts()
      .slice(before)
      .map((object) => object.replace(/\d{13}$/, 'MS')),
    ['.sessionfs/trash/sessions/user/+4915100000.MS'],
  );
  const all = { ...tree, [`${SESSION}/pre-key-0.json`]: '{"key":"newest"}' };
  assert.match(await restore(cloud, first), /^Restored 61 files of /);
  assert.deepEqual(await filesBelow(first.mountPoint), all);
  await rm(join(first.mountPoint, SESSION), { recursive: true });
  await flushAll(first);
  await first.kill();
  await cloud.settled();

  const second = await cloud.mount();
  assert.deepEqual(await filesBelow(second.mountPoint), {});
  await restore(cloud, second);
  assert.deepEqual(await filesBelow(second.mountPoint), all);
  await second.unmount();
});
