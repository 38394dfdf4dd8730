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

/** A peer that cannot be measured here, and why. */
export interface Unusable {
  readonly name: SubjectName;
  readonly reason: string;
}

const REASON_LENGTH = 120;

/** Opens each peer once: one that is not installed, or cannot mount here, must not end the measurement of the others. */
export async function unusablePeers(names: readonly SubjectName[]): Promise<Unusable[]> {
  const unusable: Unusable[] = [];
  for (const name of names.filter(isPeer)) {
    try {
      await withScope((scope) => subjects[name](scope));
    } catch (error) {
      unusable.push({ name, reason: shortened(error) });
    }
  }
  return unusable;
}

function isPeer(name: SubjectName): boolean {
  return name !== 'ext4' && name !== 'sessionfs';
}

/** The last line of a log says why a program ended. */
function shortened(error: unknown): string {
  const lines = String((error as Error).message)
    .split('\n')
    .filter((line) => line.trim() !== '');
  return (lines.at(-1) ?? 'no reason is known').trim().slice(0, REASON_LENGTH);
}

function isInstalled(command: string): boolean {
  return spawnSync(command, ['-version'], { stdio: 'ignore' }).error === undefined;
}

async function openGocryptfs(scope: Scope): Promise<string> {
  if (!isInstalled('gocryptfs'))
    throw new Error('not installed (Debian, Ubuntu: apt-get install gocryptfs fuse3)');
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
