/** A daemon that stands still for a while, as on a host that swaps or is suspended. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { workloadSucceeds } from '../support/run-workload.ts';
import { Application } from './support/application.ts';
import { count, randomMs } from './support/counts.ts';

const FROZEN_MS = count(2_000, 10_000);
const MESSAGES = 60;
/** Of each account: it still pairs when the daemon is stopped. */
const PRE_KEYS = count(300, 812);
/** While it pairs. */
const AFTER_MS = [50, 300] as const;

test('an application only waits for a daemon that is stopped and continued, and finishes without an error', async (t) => {
  const mounted = await mountSessionfs(t);
  const directory = join(mounted.mountPoint, 'd');
  mkdirSync(directory);
  const daemon = await mounted.daemonPid();
  const application = new Application(t, directory, MESSAGES, PRE_KEYS);
  await application.pairing();
  await sleep(randomMs(...AFTER_MS));
  process.kill(daemon, 'SIGSTOP');
  await sleep(FROZEN_MS);
  assert.ok(application.isRunning, 'it had ended before the daemon was continued');
  process.kill(daemon, 'SIGCONT');
  assert.equal(await application.ended(), 0);
  await workloadSucceeds(directory, '--mode', 'resume');
  await workloadSucceeds(directory, '--mode', 'check');
  assert.equal(await mounted.daemonPid(), daemon, 'the daemon was replaced');
  t.diagnostic(`stopped for ${FROZEN_MS} ms: 0 errors`);
  await mounted.unmount();
});
