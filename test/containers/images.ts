/** The images under test, built by the Dockerfiles that users build. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scope } from '../support/cleanup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { podman } from './podman.ts';

export const SESSIONFS = 'localhost/sessionfs:latest';
export const BOT = 'localhost/sessionfs-example-bot:latest';
export const BOT_ALONE = 'localhost/sessionfs-example-bot-alone:latest';

/** Certificates that this machine trusts beside the usual ones; npm in a build needs them too. */
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

export async function buildImages(scope: Scope): Promise<void> {
  const common = [...(await buildFlags(scope)), '--format', 'docker', '--pull=never', '--quiet'];
  await podman('build', ...common, '--tag', SESSIONFS, '.');
  for (const [target, tag] of [
    ['bot', BOT],
    ['bot-on-sessionfs', BOT_ALONE],
  ] as const) {
    await podman('build', ...common, '--target', target, '--tag', tag, 'examples/bot');
  }
}

/** The network of this machine, and its trust. None of it gets into an image. */
async function buildFlags(scope: Scope): Promise<string[]> {
  const flags = ['--network', 'host', '--isolation', 'oci'];
  if (process.env.NODE_EXTRA_CA_CERTS === undefined || !existsSync(CERTIFICATES)) return flags;
  const npmrc = join(temporaryDirectory(scope), 'npmrc');
  writeFileSync(npmrc, `cafile=${CERTIFICATES}\n`);
  return [...flags, '-v', '/etc/ssl/certs:/etc/ssl/certs:ro', '-v', `${npmrc}:/root/.npmrc:ro`];
}
