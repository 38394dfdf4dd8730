import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { DaemonProcess } from '../support/daemon-process.ts';
import { mountAnswers } from '../support/mount-answers.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { unmountBelow } from '../support/mounts.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import type { SubjectName } from './measurement.ts';

/** A new, empty place of one kind to keep sessions in; gone with its scope. */
type Open = (scope: Scope) => Promise<string>;

export const subjects: Record<SubjectName, Open> = {
  ext4: async (scope) => temporaryDirectory(scope),
  sessionfs: async (scope) => (await mountSessionfs(scope)).mountPoint,
  'fuse-native': async (scope) =>
    (await mountSessionfs(scope, { env: { SESSION_FUSE_DRIVER: 'fuse-native' } })).mountPoint,
  gocryptfs: openGocryptfs,
};

export function isInstalled(command: string): boolean {
  return spawnSync(command, ['-version'], { stdio: 'ignore' }).error === undefined;
}

async function openGocryptfs(scope: Scope): Promise<string> {
  const directory = temporaryDirectory(scope);
  const [sealed, plain] = [join(directory, 'sealed'), join(directory, 'plain')];
  for (const made of [sealed, plain]) mkdirSync(made);
  const password = ['-extpass', 'echo benchmark'];
  const init = spawnSync('gocryptfs', ['-q', '-init', '-scryptn', '10', ...password, sealed], {
    encoding: 'utf8',
  });
  if (init.status !== 0) throw new Error(`gocryptfs -init failed: ${init.stderr}`);
  const args = ['-q', '-fg', '-nosyslog', ...password, sealed, plain];
  const daemon = new DaemonProcess('gocryptfs', args, process.env, directory);
  cleanUp(scope, async () => {
    daemon.killAll();
    await daemon.waitForExit(10_000);
    unmountBelow(plain);
  });
  await mountAnswers(daemon, plain, 'fuse.gocryptfs');
  return plain;
}

/** Runs `work` with a scope of its own, and cleans up what it opened. */
export async function withScope<T>(work: (scope: Scope) => Promise<T>): Promise<T> {
  const cleanups: (() => Promise<void>)[] = [];
  try {
    return await work({ after: (cleanup) => cleanups.push(cleanup) });
  } finally {
    for (const cleanup of cleanups) await cleanup();
  }
}
