import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isRunning } from '../../src/api/process-watch.ts';
import { cliMain } from '../support/cli-main.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

/** As the package exports it. */
type Api = typeof import('../../src/api/index.ts');
const { attach, mount, SessionfsError } = (await import(
  cliMain.replace('cli/main.js', 'api/index.mjs')
)) as Api;

const KEY = '0123456789abcdef'.repeat(4);
const SESSION = 'user-+15550001';

function place(t: TestContext) {
  const within = temporaryDirectory(t);
  const [folder, bucket] = [join(within, 'sessions'), join(within, 'bucket')];
  for (const made of [folder, bucket]) mkdirSync(made);
  return { within, folder, bucket: `file://${bucket}`, objects: join(bucket, 'sessions') };
}

test('a program mounts, asks, flushes, is given the mount that is there, and unmounts', {
  timeout: 180_000,
}, async (t) => {
  const { within, folder, bucket, objects } = place(t);
  const options = {
    folder,
    bucket,
    storageType: 'hybrid',
    encryptionKey: KEY,
    backupInterval: 0,
    logFile: join(within, 'own.log'),
  } as const;
  const mounted = await mount(options);
  assert.deepEqual([mounted.folder, mounted.attached, mounted.notices], [folder, false, []]);
  assert.ok(isRunning(mounted.pid));
  assert.ok(!readFileSync(`/proc/${mounted.pid}/environ`, 'utf8').includes(KEY));
  assert.match(readFileSync(options.logFile, 'utf8'), /"msg":"Mounted"/);

  mkdirSync(join(folder, SESSION));
  writeFileSync(join(folder, SESSION, 'creds.json'), '{"me":1}');
  const { mode, sessions } = await mounted.status();
  assert.deepEqual([mode, sessions], ['hybrid', 1]);
  assert.equal((await mounted.flush(SESSION)).dirty, 0);
  assert.deepEqual(readdirSync(objects), ['user']);
  await assert.rejects(mounted.flush('none-+0'), { code: 'SESSION_NOT_FOUND' });

  for (const same of [await mount(options), await attach(folder)])
    assert.deepEqual([same.folder, same.pid, same.attached], [folder, mounted.pid, true]);
  await assert.rejects(mount({ ...options, storageType: 'local' }), {
    code: 'MOUNT_POINT_BUSY',
    message: `sessionfs is mounted on ${folder} already, in mode hybrid`,
  });
  await assert.rejects(mount({ ...options, cachePath: join(within, 'other') }), {
    code: 'MOUNT_POINT_BUSY',
    message: `sessionfs is mounted on ${folder} already, with the cache ${folder}.sealed`,
  });

  await assert.rejects(mount({ ...options, readOnly: true }), { code: 'MOUNT_POINT_BUSY' });

  await mounted.unmount();
  assert.ok(!isRunning(mounted.pid));
  assert.ok(!existsSync(join(folder, SESSION)));
  await assert.rejects(mounted.status(), { code: 'NOT_MOUNTED' });
  await assert.rejects(attach(folder), (error) => error instanceof SessionfsError && error.exitStatus === 17);
  await mounted[Symbol.asyncDispose]();

  const copy = await mount({ ...options, readOnly: true });
  assert.equal((await copy.status()).readOnly?.source, options.bucket);
  assert.equal(readFileSync(join(folder, SESSION, 'creds.json'), 'utf8'), '{"me":1}');
  assert.throws(() => writeFileSync(join(folder, SESSION, 'creds.json'), '{}'), { code: 'EROFS' });
  await assert.rejects(mount(options), {
    code: 'MOUNT_POINT_BUSY',
    message: `sessionfs is mounted on ${folder} already, read-only`,
  });
  assert.deepEqual([(await mount({ ...options, readOnly: true })).pid, copy.attached], [copy.pid, false]);
  await copy.unmount();
});

test('a start that fails rejects with the code and the hint of the command, and one that is given up ends', {
  timeout: 60_000,
}, async (t) => {
  const { within, folder } = place(t);
  await assert.rejects(
    mount({ folder: join(within, 'none') }),
    (error) =>
      error instanceof SessionfsError && error.code === 'MOUNT_POINT_MISSING' && error.hint !== undefined,
  );
  assert.deepEqual(readdirSync(within).sort(), ['bucket', 'sessions']);
  const reason = new Error('no time');
  await assert.rejects(mount({ folder, signal: AbortSignal.abort(reason) }), reason);
  const stop = new AbortController();
  const logFile = join(within, 'given-up.log');
  const rejected = assert.rejects(mount({ folder, logFile, signal: stop.signal }), reason);
  await until(() => existsSync(logFile));
  stop.abort(reason);
  await rejected;
  await assert.rejects(attach(folder), { code: 'NOT_MOUNTED' });
});
