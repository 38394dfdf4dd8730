/** The end of a mount that libfuse serves: libfuse notices it and says nothing. */
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMounted } from '../../mount/mountinfo.ts';

const POLL_MS = 500;
const CONNECTIONS = '/sys/fs/fuse/connections';

/** Resolves when the device is mounted nowhere and no longer in use, as far as can be seen, or `isOver` says so. */
export async function untilUnmounted(device: string, isOver: () => boolean): Promise<void> {
  do await sleep(POLL_MS);
  while (!isOver() && ((await isMounted(device).catch(() => true)) || (await isConnected(device))));
}

/** A mount that was taken away lazily lives as long as a process is in it; that can be seen only where fusectl is mounted. */
async function isConnected(device: string): Promise<boolean> {
  const minor = device.slice(device.indexOf(':') + 1);
  const connections = await readdir(CONNECTIONS).catch((): string[] => []);
  return connections.includes(minor);
}
