/** What is open or being listed while daemons follow one another: a number means one file, a listing shows each name once. */
import assert from 'node:assert/strict';
import {
  closeSync,
  mkdirSync,
  opendirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Errno } from '../../src/lib/errno.ts';
import { type Mounted, mountSessionfs } from '../support/mount-sessionfs.ts';
import { nextDaemonOf } from './support/processes.ts';

const HANG_MS = 90_000;
const POLL_MS = 50;
const NAMES = 3_000;
const SHOWN_BEFORE = 600;

/** The kernel may have its pages still. */
function readAt(fd: number): string {
  const out = Buffer.alloc(100);
  try {
    return out.toString('utf8', 0, readSync(fd, out, 0, out.length, 0));
  } catch (error) {
    return `errno ${(error as NodeJS.ErrnoException).errno}`;
  }
}

/** A checkpoint has moved the first segment of the journal into the cache. */
async function checkpointed({ mountPoint, log }: Mounted): Promise<void> {
  const journal = join(`${mountPoint}.sealed`, 'journal');
  const deadlineMs = performance.now() + HANG_MS;
  while (readdirSync(journal).includes('0000000001.log')) {
    assert.ok(performance.now() < deadlineMs, log());
    await sleep(POLL_MS);
  }
}

async function killDaemon(mounted: Mounted): Promise<void> {
  const daemon = await mounted.daemonPid();
  process.kill(daemon, 'SIGKILL');
  await nextDaemonOf(mounted.pid, daemon);
}

test('an open file that was removed is never another one, although a checkpoint has forgotten it', async (t) => {
  const mounted = await mountSessionfs(t);
  const session = join(mounted.mountPoint, 'user-+1555');
  mkdirSync(session);
  const old = join(session, 'old.json');
  writeFileSync(old, '{"old":true}');
  const fd = openSync(old, 'r+');
  unlinkSync(old);
  await checkpointed(mounted);
  await killDaemon(mounted);
  const creds = join(session, 'creds.json');
  writeFileSync(creds, '{"me":{"id":"1"}}');
  assert.match(readAt(fd), /^(\{"old":true\}|errno -116)$/);
  assert.throws(() => writeSync(fd, '{"old":"written"}', 0), { errno: Errno.ESTALE });
  closeSync(fd);
  assert.equal(readFileSync(creds, 'utf8'), '{"me":{"id":"1"}}');
  await mounted.unmount();
});

test('a listing goes on with the next daemon, and shows each name once', async (t) => {
  const mounted = await mountSessionfs(t);
  const folder = join(mounted.mountPoint, 'user-+1555');
  mkdirSync(folder);
  const names = Array.from({ length: NAMES }, (_, i) => `pre-key-${(i * 1_009) % NAMES}.json`);
  for (const name of names) writeFileSync(join(folder, name), '{"keyPair":1}');
  // From then on the next daemon finds them in another order.
  await checkpointed(mounted);
  const listing = opendirSync(folder);
  const shown: string[] = [];
  for (let entry = listing.readSync(); entry !== null; entry = listing.readSync()) {
    shown.push(entry.name);
    if (shown.length !== SHOWN_BEFORE) continue;
    await killDaemon(mounted);
  }
  listing.closeSync();
  assert.deepEqual(shown.sort(), names.sort());
  await mounted.unmount();
});
