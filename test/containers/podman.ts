/** podman with the images of the user that runs the tests, and apart from their containers: see scripts/containers.sh. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { repository } from '../support/repository.ts';

export const containersFolder = join(repository, '.cache/containers');
export const pythonTools = join(containersFolder, 'venv/bin');
export const CONFIGURATION = {
  CONTAINERS_CONF: join(containersFolder, 'containers.conf'),
  CONTAINERS_STORAGE_CONF: join(containersFolder, 'storage.conf'),
};
/** For one command; a guard against a hang. */
export const HANG_MS = 400_000;

export interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Never rejects because of what the command answers. */
export function run(
  command: string,
  args: readonly string[],
  { env = {}, stdin = '' }: { env?: Readonly<Record<string, string>>; stdin?: string } = {},
): Promise<Finished> {
  assert.ok(
    existsSync(CONFIGURATION.CONTAINERS_CONF),
    'run `scripts/test containers` once: it prepares this machine',
  );
  return new Promise((resolve) => {
    const options = {
      cwd: repository,
      env: cleanEnvironment({ ...CONFIGURATION, ...env }),
      timeout: HANG_MS,
      maxBuffer: 1 << 26,
    };
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      const status = error === null ? 0 : Number(error.code ?? -1);
      resolve({ status, stdout, stderr });
    });
    // A command that ended before it read its stdin is judged by its status.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(stdin);
  });
}

/** What it printed, without the blanks around. Rejects with what it complained of. */
export async function podman(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await run('podman', args);
  if (status !== 0) throw new Error(`podman ${args.join(' ')}: status ${status}\n${stderr}\n${stdout}`);
  return stdout.trim();
}

/** What the container wrote to stdout and stderr, whatever became of it. */
export async function logOf(container: string): Promise<string> {
  const { stdout, stderr } = await run('podman', ['logs', container]);
  return stdout + stderr;
}

/** The container's, when it has ended. */
export async function exitStatusOf(container: string): Promise<number> {
  return Number(await podman('wait', container));
}

let named = 0;

/** A name that is no other test's, for a container or pod that is gone after the test. */
export function containerName(scope: Scope, what: string): string {
  const name = `sessionfs-test-${process.pid}-${++named}-${what}`;
  cleanUp(scope, async () => {
    await podman('rm', '--force', '--ignore', '--time', '0', name);
  });
  return name;
}

export function volumeName(scope: Scope, what: string): string {
  const name = `sessionfs-test-${process.pid}-${++named}-${what}`;
  cleanUp(scope, async () => {
    await podman('volume', 'rm', '--force', name);
  });
  return name;
}

const UNTIL_MS = 180_000;
/** Each look at a container is a process or more. */
const POLL_MS = 300;

/** Lets the last backup end on a machine that is busy with other tests: as SESSION_SHUTDOWN_TIMEOUT, and above it for podman. */
export const PATIENT_SHUTDOWN_MS = 150_000;
const STOP_SECONDS = 180;

/** SIGTERM, and SIGKILL long after any final backup should have ended. */
export async function stopContainer(container: string): Promise<void> {
  await podman('stop', '--time', String(STOP_SECONDS), container);
}

/** Asks again until the answer is true; rejects after three minutes, with what `describe` says then. */
export async function until(
  what: string,
  ask: () => Promise<boolean>,
  describe: () => Promise<string>,
): Promise<void> {
  for (const endMs = performance.now() + UNTIL_MS; performance.now() < endMs; await sleep(POLL_MS)) {
    if (await ask()) return;
  }
  assert.fail(`not within ${UNTIL_MS / 1000} s: ${what}\n${await describe()}`);
}

/** Of a container that mounts. */
export async function untilHealthy(container: string): Promise<void> {
  await untilMounted(container);
  await untilProbed(container);
}

/** podman lets systemd run the health check; without systemd the test runs it. */
export function untilProbed(container: string): Promise<void> {
  return until(
    `${container} is healthy`,
    async () => (await run('podman', ['healthcheck', 'run', container])).status === 0,
    () => logOf(container),
  );
}

/** By its log's file: a probe in the container costs processes each time. */
export async function untilMounted(container: string): Promise<void> {
  const file = await podman('inspect', '--format', '{{.HostConfig.LogConfig.Path}}', container);
  const hasMounted = async () => {
    const log = await readFile(file, 'utf8');
    return log.lastIndexOf('"msg":"Mounted"') > log.lastIndexOf('"msg":"Mount stopped"');
  };
  await until(`${container} says that it has mounted`, hasMounted, () => logOf(container));
}
