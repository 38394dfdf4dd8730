/** `sessionfs status`: what the daemon says about its mount. A mount that hangs is an error, not a wait. */
import { loadMountPoint } from '../config/load.ts';
import { parseArguments } from './arguments.ts';
import { type Command, print } from './command.ts';
import { deadMount, locateMount, notAnswering, notMounted, notPermitted } from './locate.ts';
import { ANSWER_TIMEOUT_MS, type MountStatus, readMountStatus } from './mount-status.ts';

export const status: Command = {
  name: 'status',
  summary: 'print what is mounted on DIR (default ./sessions) and what is not stored yet',
  synopsis: '[DIR] [--json]',
  flags: [{ flag: '--json', meaning: 'print the whole status as JSON' }],
  run,
};

async function run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const { given, directory } = parseArguments(args, status.flags);
  const path = await locateMount(loadMountPoint(env, directory));
  const reading = await readMountStatus(path);
  switch (reading.kind) {
    case 'answered':
      print(given.has('--json') ? reading.raw.trimEnd() : table(reading.status));
      return 0;
    case 'hung':
      throw notAnswering(path, ANSWER_TIMEOUT_MS);
    case 'denied':
      throw notPermitted(`ask the mount on ${path} for its status`);
    case 'stale':
      throw deadMount(path);
    case 'absent':
      throw notMounted(path);
  }
}

export function table(shown: MountStatus): string {
  const rows: [label: string, value: string | number][] = [
    ['mount point', shown.mountPoint],
    ['mode', shown.mode],
    ['driver', shown.driver],
    ['version', shown.version],
    ['supervisor', shown.pids.supervisor],
    ['daemon', shown.pids.daemon],
    ['restarts', shown.restarts],
    ['sessions', shown.sessions],
    ['files', shown.files],
    ['not stored yet', shown.dirty],
  ];
  return rows.map(([label, value]) => `${label.padEnd(16)}${value}`).join('\n');
}
