/** fio writes blocks with checksums in many ways and reads them back: while daemons are killed, and after a remount. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DaemonKiller } from '../crash/support/daemon-killer.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';

const HANG_MS = 240_000;

const COMMON = [
  '--size=2m',
  '--verify=crc32c',
  '--verify_fatal=1',
  '--verify_state_save=0',
  '--allrandrepeat=1',
  '--randseed=16',
  '--group_reporting',
  '--output-format=terse',
];

/** Each covers its file once, in blocks of its own. */
const JOBS: readonly (readonly string[])[] = [
  ['--name=blocks', '--ioengine=psync', '--rw=randwrite', '--bs=4k', '--fsync=16'],
  ['--name=odd', '--ioengine=psync', '--rw=randwrite', '--bsrange=512-64k', '--bs_unaligned=1'],
  ['--name=sequence', '--ioengine=sync', '--rw=write', '--bs=128k', '--fdatasync=4'],
  ['--name=direct', '--ioengine=psync', '--rw=randwrite', '--bs=16k', '--direct=1'],
  ['--name=mapped', '--ioengine=mmap', '--rw=randwrite', '--bs=4k'],
];

function fio(directory: string, ...args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { env: cleanEnvironment(), cwd: directory, timeout: HANG_MS };
    execFile('fio', [`--directory=${directory}`, ...COMMON, ...args], options, (error, stdout, stderr) => {
      if (error === null) resolve();
      else reject(new Error(`fio ${args.join(' ')}: ${error.message}\n${stdout}${stderr}`));
    });
  });
}

function requireFio(t: TestContext): void {
  const { error, stdout } = spawnSync('fio', ['--version'], { encoding: 'utf8' });
  assert.equal(error, undefined, 'fio is not installed (Debian, Ubuntu: apt-get install fio)');
  t.diagnostic(stdout.trim());
}

test('what fio writes it reads back, with daemons killed meanwhile, and after a remount', async (t) => {
  requireFio(t);
  const mounted = await mountSessionfs(t);
  const directory = join(mounted.mountPoint, 'user1-+15550001');
  mkdirSync(directory);
  const killer = new DaemonKiller(mounted);
  await killer.during(async () => {
    for (const job of JOBS) await fio(directory, ...job);
  });
  t.diagnostic(`${killer.kills} daemons killed`);
  assert.ok(killer.kills > 0);
  await mounted.unmount();
  const again = await mountSessionfs(t, { mountPoint: mounted.mountPoint });
  for (const job of JOBS) await fio(directory, ...job, '--verify_only');
  const [first = []] = JOBS;
  const fd = openSync(join(directory, 'blocks.0.0'), 'r+');
  writeSync(fd, 'damaged', 1_000_000);
  closeSync(fd);
  await assert.rejects(fio(directory, ...first, '--verify_only'), /verify/, 'it would notice');
  await again.unmount();
});
