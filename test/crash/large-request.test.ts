/**
 * SIGKILL while the kernel hands a daemon the first large request of its life: the next daemon gets it. The kernel fails a
 * request with EIO for which it would have to fetch pages of a process that is being killed.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { count, randomMs } from './support/counts.ts';
import { childrenOf, nextDaemonOf } from './support/processes.ts';

const KILLS = count(15, 200);
/** By then it has started what it starts: fork(2) takes pages away as well. */
const SETTLED_MS = 800;
/** Within which the request is handed over. */
const AFTER_MS = [0.05, 0.95] as const;
/** So many that a checkpoint syncs them together. */
const FILES = 80;
/** In /proc/PID/stat, behind the name. */
const CHILDRENS_FAULTS = 8;
const script = join(import.meta.dirname, 'support/large-writer.js');

test('a daemon that is killed while it is handed a large write costs its caller no error', async (t) => {
  const bucket = join(temporaryDirectory(t), 'bucket');
  mkdirSync(bucket);
  const mounted = await mountSessionfs(t, {
    env: {
      SESSION_STORAGE_TYPE: 'hybrid',
      STORAGE_BUCKET: `file://${bucket}`,
      SESSION_ENCRYPTION_KEY: 'ab'.repeat(32),
      SESSION_BACKUP_INTERVAL: '0',
    },
  });
  const session = join(mounted.mountPoint, 'user-+1');
  const file = join(session, 'large.bin');
  mkdirSync(session);
  writeFileSync(file, '');
  await startsNoProcess(await mounted.daemonPid(), () => {
    for (let i = 0; i < FILES; i++) writeFileSync(join(session, `${i}.json`), '{}');
    // Its checkpoint comes first.
    writeFileSync(join(mounted.mountPoint, '.sessionfs/flush'), 'all\n');
  });
  const answers: string[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    const daemon = await mounted.daemonPid();
    await sleep(SETTLED_MS);
    const us = 1000 * randomMs(...AFTER_MS);
    const { stdout } = await promisify(execFile)(process.execPath, [
      script,
      file,
      String(daemon),
      String(us),
    ]);
    answers.push(stdout);
    await nextDaemonOf(mounted.pid, daemon);
  }
  assert.deepEqual(answers, new Array(KILLS).fill('written'));
  assert.ok(readFileSync(file).equals(Buffer.alloc(1_000_000, 'x')));
  await mounted.unmount();
});

/** fork(2) takes the pages of the daemon's buffer away. */
async function startsNoProcess(daemon: number, work: () => void): Promise<void> {
  const processes = () => ({ children: childrenOf(daemon), faults: faultsOfEnded(daemon) });
  await sleep(SETTLED_MS);
  const before = processes();
  work();
  assert.deepEqual(processes(), before);
}

/** The page faults of its children that have ended. */
function faultsOfEnded(pid: number): number {
  const behindName = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1] ?? '';
  return Number(behindName.split(' ')[CHILDRENS_FAULTS]);
}
