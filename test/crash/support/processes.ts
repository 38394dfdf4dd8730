/** Finds a supervisor's daemon without asking the mount, which answers only when a daemon is ready. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const HANG_MS = 30_000;
const POLL_MS = 10;

/** Undefined between the end of one daemon and the start of the next. Its standby is younger. */
export function daemonOf(supervisor: number): number | undefined {
  return childrenOf(supervisor).find(isDaemon);
}

/** One that waits for its turn included. */
export function isDaemon(pid: number): boolean {
  return read(`/proc/${pid}/cmdline`).includes('daemon/main.js');
}

/** Resolves when the supervisor has a daemon other than `old`, which need not be ready yet. */
export async function nextDaemonOf(supervisor: number, old: number | undefined): Promise<number> {
  const deadline = performance.now() + HANG_MS;
  for (;;) {
    const pid = daemonOf(supervisor);
    if (pid !== undefined && pid !== old) return pid;
    if (performance.now() > deadline) throw new Error(`supervisor ${supervisor} started no daemon`);
    await sleep(POLL_MS);
  }
}

export function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
