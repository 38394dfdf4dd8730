import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { childrenOf, isDaemon } from '../crash/support/processes.ts';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { type Measurement, record } from './measurement.ts';
import { median } from './statistics.ts';

const CALLER = fileURLToPath(new URL('./gap-caller.js', import.meta.url));
const FILES = 1000;
/** For a standby that has just been started, until it has loaded its code. */
const LOAD_MS = 1500;

/** SIGKILL of the daemon to the first call that is answered after it, as a process sees it that looks names up all the time. */
export async function measureGap(scope: Scope, kills: number): Promise<Measurement[]> {
  const { mountPoint, pid } = await mountSessionfs(scope);
  const folder = join(mountPoint, 'user1-+15550001');
  mkdirSync(folder);
  for (let i = 0; i < FILES; i++) writeFileSync(join(folder, `pre-key-${i}.json`), `{"keyId":${i}}`);
  const caller = spawn(process.execPath, [CALLER, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  cleanUp(scope, () => end(caller));
  const answers = createInterface({ input: caller.stdout })[Symbol.asyncIterator]();

  const gaps: number[] = [];
  for (let kill = 0; kill < kills; kill++) {
    const daemon = await daemonWithStandby(pid);
    await sleep(LOAD_MS);
    const killed = process.hrtime.bigint();
    process.kill(daemon, 'SIGKILL');
    caller.stdin.write(`${killed}\n`);
    const { value, done } = await answers.next();
    if (done) throw new Error('the caller ended');
    gaps.push(Number(BigInt(value) - killed) / 1e6);
  }
  const [middle, longest] = ['median', 'longest'].map((name): Measurement => {
    return {
      name: `gap after SIGKILL of the daemon, ${name} of ${kills}`,
      unit: 'ms',
      target: undefined,
      rounds: {},
    };
  }) as [Measurement, Measurement];
  record(middle, 'sessionfs', median(gaps));
  record(longest, 'sessionfs', Math.max(...gaps));
  return [middle, longest];
}

async function end(caller: ChildProcess): Promise<void> {
  const exited = once(caller, 'exit');
  caller.stdin?.end();
  await exited;
}

async function daemonWithStandby(supervisor: number): Promise<number> {
  for (;;) {
    const [daemon, standby] = childrenOf(supervisor).filter(isDaemon);
    if (daemon !== undefined && standby !== undefined) return daemon;
    await sleep(50);
  }
}
