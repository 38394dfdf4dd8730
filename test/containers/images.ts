/** The images under test, built by the Dockerfiles that users build. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { version } from '../../src/lib/version.ts';
import type { Scope } from '../support/cleanup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { containersFolder, podman } from './podman.ts';

export const SESSIONFS = 'localhost/sessionfs:latest';
export const BOT = 'localhost/sessionfs-example-bot:latest';
export const BOT_ALONE = 'localhost/sessionfs-example-bot-alone:latest';

/** What scripts/containers.sh makes in place of the one that the Dockerfiles pin by digest. */
const NODE_IMAGE = 'docker.io/library/node:24-bookworm-slim';

const IMAGES = ['--build-arg', `BUILD_IMAGE=${NODE_IMAGE}`, '--build-arg', `NODE_IMAGE=${NODE_IMAGE}`];

/** Certificates that this machine trusts beside the usual ones; npm in a build needs them too. */
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

/** scripts/test names its run here, in which the images are built once for all files. */
const RUN = process.env.SESSIONFS_TEST_RUN;
const builtInRun = join(containersFolder, 'images-built-in-run');

/** Waits for another test file that builds them. */
export async function buildImages(scope: Scope): Promise<void> {
  await underLock(join(containersFolder, 'images.lock'), async () => {
    if (RUN !== undefined && existsSync(builtInRun) && readFileSync(builtInRun, 'utf8') === RUN) return;
    await buildAll(scope);
    writeFileSync(builtInRun, RUN ?? '');
  });
}

async function buildAll(scope: Scope): Promise<void> {
  const common = [...(await buildFlags(scope)), '--format', 'docker', '--pull=never', '--quiet'];
  const labels = ['--build-arg', `VERSION=${version}`, '--build-arg', 'REVISION=a-test'];
  await podman('build', ...common, ...labels, '--tag', SESSIONFS, '.');
  for (const [target, tag] of [
    ['bot', BOT],
    ['bot-on-sessionfs', BOT_ALONE],
  ] as const) {
    await podman('build', ...common, '--target', target, '--tag', tag, 'examples/bot');
  }
}

/** The lock is held by `cat`, which ends with its stdin, a pipe from this process: however this one ends. */
async function underLock(path: string, work: () => Promise<void>): Promise<void> {
  const holder = spawn('flock', [path, 'sh', '-c', 'echo mine; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const closed = once(holder, 'close');
  const [first] = await Promise.race([once(holder.stdout, 'data'), closed]);
  if (String(first) !== 'mine\n') throw new Error(`flock did not give the lock on ${path}: ${first}`);
  try {
    await work();
  } finally {
    holder.stdin.end();
    await closed;
  }
}

/** The network of this machine, and its trust. None of it gets into an image. */
async function buildFlags(scope: Scope): Promise<string[]> {
  const flags = ['--network', 'host', '--isolation', 'oci', ...IMAGES];
  const { NODE_EXTRA_CA_CERTS, npm_config_cafile } = process.env;
  if ((NODE_EXTRA_CA_CERTS ?? npm_config_cafile) === undefined || !existsSync(CERTIFICATES)) return flags;
  const npmrc = join(temporaryDirectory(scope), 'npmrc');
  writeFileSync(npmrc, `cafile=${CERTIFICATES}\n`);
  return [...flags, '-v', '/etc/ssl/certs:/etc/ssl/certs:ro', '-v', `${npmrc}:/root/.npmrc:ro`];
}
