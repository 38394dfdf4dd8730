/** `sessionfs reload`: a new daemon, of whatever version is installed now, goes on with a mount. No call is lost. */
import { setTimeout as sleep } from 'node:timers/promises';
import { locateMount, notAnswering, statusOf } from '../api/locate.ts';
import { type MountStatus, readMountStatus } from '../api/mount-status.ts';
import { supervises } from '../api/process-watch.ts';
import { loadMountPoint } from '../config/load.ts';
import { systemClock } from '../lib/clock.ts';
import { SessionfsError } from '../lib/errors.ts';
import { findMount, type MountRecord } from '../mount/mountinfo.ts';
import { type Invocation, printEither } from './command.ts';

const POLL_MS = 50;
const TIMEOUT_MS = 60_000;

export async function run(invocation: Invocation): Promise<number> {
  const path = await locateMount(loadMountPoint(invocation.env, invocation.directory));
  const { status: before } = await statusOf(path, 'for its processes');
  requestReload(path, before.pids, await findMount(path));
  const after = await waitForNewDaemon(path, before.pids.daemon);
  const { version, pids } = after;
  printEither(
    invocation,
    { mountPoint: path, daemon: pids.daemon, version },
    `sessionfs: ${path} is served by daemon ${pids.daemon}, version ${version}`,
  );
  return 0;
}

function requestReload(
  path: string,
  { supervisor, daemon }: MountStatus['pids'],
  mount: MountRecord | undefined,
): void {
  if (mount === undefined || !supervises(supervisor, daemon, mount)) {
    throw new SessionfsError(
      'NOT_SUPERVISED',
      `the supervisor of ${path}, process ${supervisor}, is not running here`,
      {
        hint: `Only a supervisor can replace a daemon. In another container, run the command there; else unmount ${path} and mount it again.`,
      },
    );
  }
  process.kill(supervisor, 'SIGUSR2');
}

async function waitForNewDaemon(path: string, old: number): Promise<MountStatus> {
  const deadlineMs = systemClock.monotonicMs() + TIMEOUT_MS;
  for (;;) {
    const reading = await readMountStatus(path);
    if (reading.kind === 'answered' && reading.status.pids.daemon !== old) return reading.status;
    if (systemClock.monotonicMs() > deadlineMs) throw await notAnswering(path, TIMEOUT_MS);
    await sleep(POLL_MS);
  }
}
