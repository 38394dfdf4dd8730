import type { Scope } from '../support/cleanup.ts';
import { freePort } from '../support/free-port.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import type { SubjectName } from './measurement.ts';
import { openPassthrough } from './passthrough/mount.ts';
import { type Opened, openPeer, withChildren } from './peers/filesystems.ts';
import { requestsSoFar } from './requests.ts';

/** What is measured by default: the others are slow. */
export const USUAL_SUBJECTS: readonly SubjectName[] = [
  'ext4',
  'passthrough',
  'sessionfs',
  'fuse-native',
  'gocryptfs',
];

interface OpenOptions {
  /** Whether sessionfs is to count its requests, which takes an HTTP server; no other subject does. */
  readonly counts?: boolean;
}

/** A new, empty place to keep sessions in; gone with its scope. */
export async function open(
  scope: Scope,
  name: SubjectName,
  { counts = false }: OpenOptions = {},
): Promise<Opened> {
  switch (name) {
    case 'ext4':
      return { directory: temporaryDirectory(scope), processes: () => [] };
    case 'passthrough':
      return openPassthrough(scope);
    case 'sessionfs':
      return counts ? openCounting(scope) : openSessionfs(scope);
    case 'fuse-native':
      return openSessionfs(scope, { SESSION_FUSE_DRIVER: 'fuse-native' });
    default:
      return openPeer(scope, name);
  }
}

async function openSessionfs(scope: Scope, env: Record<string, string> = {}): Promise<Opened> {
  const { mountPoint, pid } = await mountSessionfs(scope, { env });
  return { directory: mountPoint, processes: () => withChildren(pid) };
}

async function openCounting(scope: Scope): Promise<Opened> {
  const address = `127.0.0.1:${await freePort()}`;
  const opened = await openSessionfs(scope, { SESSION_HTTP_ADDRESS: address });
  return { ...opened, requests: () => requestsSoFar(`http://${address}/metrics`) };
}

export async function openDirectory(scope: Scope, name: SubjectName): Promise<string> {
  return (await open(scope, name)).directory;
}

/** A subject that cannot be measured here, and why. */
export interface Unusable {
  readonly name: SubjectName;
  readonly reason: string;
}

const REASON_LENGTH = 120;

/** Opens each subject once: one that is not installed, or cannot mount here, must not end the measurement of the others. */
export async function unusableSubjects(names: readonly SubjectName[]): Promise<Unusable[]> {
  const unusable: Unusable[] = [];
  for (const name of names.filter(isOther)) {
    try {
      await withScope((scope) => open(scope, name));
    } catch (error) {
      unusable.push({ name, reason: shortened(error) });
    }
  }
  return unusable;
}

function isOther(name: SubjectName): boolean {
  return name !== 'ext4' && name !== 'sessionfs';
}

/** The last line of a log says why a program ended. */
function shortened(error: unknown): string {
  const lines = String((error as Error).message)
    .split('\n')
    .filter((line) => line.trim() !== '');
  return (lines.at(-1) ?? 'no reason is known').trim().slice(0, REASON_LENGTH);
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
