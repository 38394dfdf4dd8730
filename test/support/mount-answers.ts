import { statfs } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DaemonProcess } from './daemon-process.ts';
import { mountAt } from './mounts.ts';
import { pause } from './until.ts';

/** Guards against a hang; no mount of sessionfs takes nearly as long. */
const HANG_MS = 20_000;
/** What statfs(2) calls every FUSE filesystem (FUSE_SUPER_MAGIC). */
const FUSE_SUPER_MAGIC = 0x65735546;

/** Resolves when a FUSE mount of `type` at `mountPoint` answers a statfs, which no cache does. Rejects, with the daemon's log, if it does not come to that. */
export async function mountAnswers(
  daemon: DaemonProcess,
  mountPoint: string,
  type: string,
  hangMs = HANG_MS,
): Promise<void> {
  const sinceMs = performance.now();
  while (!(await answers(mountPoint, type))) {
    if (daemon.exit) throw new Error(`the daemon exited with ${daemon.exit.code}; its log:\n${daemon.log()}`);
    if (performance.now() > sinceMs + hangMs)
      throw new Error(`no answer at ${mountPoint}; the log:\n${daemon.log()}`);
    await pause(sinceMs);
  }
}

/**
 * False for a mount that hangs, for the one of a dead daemon, which a new daemon may be about to replace, and for the folder
 * below, where the mount is taken away between the two looks.
 */
async function answers(mountPoint: string, type: string): Promise<boolean> {
  if (mountAt(mountPoint)?.type !== type) return false;
  const answered = statfs(mountPoint).then(
    ({ type: magic }) => magic === FUSE_SUPER_MAGIC,
    () => false,
  );
  return Promise.race([answered, sleep(HANG_MS, false, { ref: false })]);
}
