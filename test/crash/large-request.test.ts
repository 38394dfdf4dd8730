/**
 * SIGKILL while the kernel hands a daemon the first large request of its life: the next daemon gets it. The kernel fails a
 * request with EIO for which it would have to fetch pages of a process that is being killed.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { count, randomMs } from './support/counts.ts';
import { nextDaemonOf } from './support/processes.ts';

const KILLS = count(15, 200);
/** By then it has started what it starts: fork(2) takes pages away as well. */
const SETTLED_MS = 800;
/** Within which the request is handed over. */
const AFTER_MS = [0.05, 0.95] as const;
const script = join(import.meta.dirname, 'support/large-writer.js');

test('a daemon that is killed while it is handed a large write costs its caller no error', async (t) => {
  const mounted = await mountSessionfs(t);
  const file = join(mounted.mountPoint, 'large.bin');
  writeFileSync(file, '');
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
