/**
 * As on a kernel older than 6.9, which sends nothing again: the next daemon answers what the one before it left. Killed only
 * while no caller waits, or while a caller waits in fsync: native-notes/01-kernel-interface.md says what can be lost otherwise.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readTree, sessionTree, writeTree } from '../mounted/session-files.ts';
import { cleanUp } from '../support/cleanup.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { randomMs } from './support/counts.ts';
import { block } from './support/fsync-block.ts';
import { nextDaemonOf } from './support/processes.ts';

const env = { SESSIONFS_TEST_NO_RESEND: '1' };
const KILLS = 3;
const SETTLED_MS = 700;
/** After fsync was called, and long before its data is on the disk. */
const IN_FSYNC_MS = [3, 25] as const;

async function kill(daemon: number, supervisor: number): Promise<void> {
  process.kill(daemon, 'SIGKILL');
  await nextDaemonOf(supervisor, daemon);
}

test('without requests sent again, a daemon killed while the mount is idle is replaced', async (t) => {
  const mounted = await mountSessionfs(t, { env });
  const tree = {};
  for (let round = 0; round < KILLS; round++) {
    const session = sessionTree(`user${round}-+155500${round}`);
    writeTree(mounted.mountPoint, session);
    Object.assign(tree, session);
    const daemon = await mounted.daemonPid();
    await sleep(SETTLED_MS);
    await kill(daemon, mounted.pid);
    assert.deepEqual(readTree(mounted.mountPoint), tree);
  }
  t.diagnostic(`${KILLS} kills while the mount was idle`);
  await mounted.unmount();
});

/** Its lines, one by one. */
function startWriter(t: TestContext, file: string): { child: ChildProcess; next(): Promise<string> } {
  const script = join(import.meta.dirname, 'support/fsync-writer.js');
  const child = spawn(process.execPath, [script, file], { stdio: ['pipe', 'pipe', 'inherit'] });
  cleanUp(t, () => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { child, next: async () => (await lines.next()).value ?? 'ended' };
}

test('without requests sent again, an fsync that a daemon was killed in returns when the data is safe', async (t) => {
  const mounted = await mountSessionfs(t, { env });
  mkdirSync(join(mounted.mountPoint, 'd'));
  const file = join(mounted.mountPoint, 'd/large.bin');
  const { child, next } = startWriter(t, file);
  let killedWithin = 0;
  for (let round = 0; round < KILLS; round++) {
    const daemon = await mounted.daemonPid();
    child.stdin?.write('\n');
    assert.equal(await next(), 'syncing');
    await sleep(randomMs(...IN_FSYNC_MS));
    const synced = next();
    const early = await Promise.race([synced, sleep(0, 'waits')]);
    await kill(daemon, mounted.pid);
    if (early === 'waits') killedWithin++;
    assert.equal(await synced, 'synced');
  }
  t.diagnostic(`${killedWithin} of ${KILLS} kills while fsync waited`);
  assert.ok(killedWithin > 0);
  const expected = Buffer.concat(Array.from({ length: KILLS }, (_, number) => block(number)));
  assert.ok(readFileSync(file).equals(expected), 'what fsync returned for is not there');
  await mounted.unmount();
});
