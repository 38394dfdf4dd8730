import { execFileSync, type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Scope } from '../support/cleanup.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** What the scripts use of the real checkout; the rest is a stub, so that a build takes a moment. */
const COPIED = [
  'bin/sessionfs',
  'scripts',
  'src/observe/status-page/web',
  'tsconfig.json',
  'tsconfig.types.json',
  'package-lock.json',
  'test/support/repository.ts',
  'test/support/run-files.ts',
];

const OTHER_PROGRAMS = [
  'api/index',
  'api/status-probe',
  'cli/program',
  'daemon/main',
  'drivers/direct/kernel-thread',
  'drivers/direct/sync-thread',
  'lib/bulk-thread',
].map((name) => `src/${name}.ts`);

/** Says what it was started with, in place of mounting. */
export const STUB_MAIN = 'console.log(JSON.stringify(process.argv.slice(2)));\n';

const ALONE = '/usr/bin/mount -t tmpfs none /dev/shm && exec "$0" "$@"';

/** The stubs use no bucket, so scripts/test shall not build an emulator for them. */
const NO_EMULATOR = {
  SESSIONFS_TEST_GCS_EMULATOR: 'http://127.0.0.1:9',
  SESSIONFS_TEST_S3_GATEWAY: 'http://127.0.0.1:9',
  SESSIONFS_TEST_MOTO_SERVER: 'http://127.0.0.1:9',
};

/** A small checkout with the real scripts, in a temporary directory, or a copy of another one with what that has built; `files` are added. */
export class Checkout {
  readonly directory: string;
  readonly temporary: string;

  constructor(scope: Scope, files: Readonly<Record<string, string>> = {}, original?: Checkout) {
    const parent = temporaryDirectory(scope);
    this.directory = join(parent, 'checkout');
    this.temporary = join(parent, 'tmp');
    mkdirSync(this.temporary);
    if (original === undefined) this.#makeStub();
    // Times and all, by which a build judges what is out of date.
    else execFileSync('cp', ['-a', original.directory, this.directory]);
    for (const [path, text] of Object.entries(files)) this.write(path, text);
  }

  #makeStub(): void {
    mkdirSync(this.directory);
    for (const path of COPIED) {
      const options = { recursive: true, preserveTimestamps: true };
      cpSync(join(repository, path), join(this.directory, path), options);
    }
    this.write('package.json', JSON.stringify({ type: 'module', scripts: { lint: 'true' } }));
    for (const path of OTHER_PROGRAMS) this.write(path, 'export {};\n');
    this.write('src/cli/main.ts', STUB_MAIN);
  }

  /**
   * The real one's dependencies, as if `npm ci` had just run. A script must never find them out of date: it would run
   * `npm ci` through the link, which empties the real folder.
   */
  install(): this {
    const real = join(repository, 'node_modules');
    if (!existsSync(join(real, '.package-lock.json'))) throw new Error(`${real} is not what npm ci leaves`);
    utimesSync(join(this.directory, 'package-lock.json'), 0, 0);
    symlinkSync(real, join(this.directory, 'node_modules'));
    return this;
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.directory, path)), { recursive: true });
    writeFileSync(join(this.directory, path), text);
  }

  /**
   * Runs a script of the checkout from its directory, or another one. Without a terminal and without stdin, as CI does; in a
   * mount namespace of its own, in which no mount and no /dev/shm of another test appear: scripts/test would count them as left
   * behind.
   */
  run(
    script: string,
    args: readonly string[] = [],
    { env = {}, cwd = this.directory } = {},
  ): SpawnSyncReturns<string> {
    return spawnSync(
      '/usr/bin/unshare',
      ['--mount', '/bin/sh', '-c', ALONE, join(this.directory, script), ...args],
      {
        cwd,
        env: cleanEnvironment({ TMPDIR: this.temporary, ...NO_EMULATOR, ...env }),
        stdio: ['ignore', 'pipe', 'pipe'],
        encoding: 'utf8',
      },
    );
  }
}
