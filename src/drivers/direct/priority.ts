import { setPriority } from 'node:os';

const NICENESS = -10;

/**
 * For a thread that calls on the mount wait for, and that has little to do: on a machine whose cores are all busy it is to run at
 * once. Only where that is permitted (root, CAP_SYS_NICE).
 */
export function runAtOnce(): void {
  try {
    // 0: the calling thread.
    setPriority(0, NICENESS);
  } catch {}
}
