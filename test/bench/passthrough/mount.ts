/** What FUSE itself costs: a filesystem in C that does nothing but hand on, compiled when it is measured. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Scope } from '../../support/cleanup.ts';
import { repository } from '../../support/repository.ts';
import { type Opened, serve } from '../peers/filesystems.ts';

const SOURCE = join(repository, 'test/bench/passthrough/passthrough.c');
const INSTALL = 'Debian, Ubuntu: apt-get install gcc pkg-config libfuse3-dev';

export function openPassthrough(scope: Scope): Promise<Opened> {
  return serve(scope, {
    type: 'fuse.passthrough',
    command(directory, mountPoint) {
      const behind = join(directory, 'behind');
      mkdirSync(behind);
      return { args: [compile(directory), behind, mountPoint] };
    },
  });
}

/** Throws, with what to install, where it cannot be compiled. */
function compile(directory: string): string {
  const program = join(directory, 'passthrough');
  const flags = output('pkg-config', ['--cflags', '--libs', 'fuse3']).trim().split(/\s+/);
  output('cc', ['-O2', '-Wall', '-Wextra', '-o', program, SOURCE, ...flags]);
  return program;
}

function output(command: string, args: readonly string[]): string {
  const { error, status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (error !== undefined) throw new Error(`${command} is not installed (${INSTALL})`);
  if (status !== 0) throw new Error(`it does not compile (${INSTALL}): ${stderr.split('\n')[0]}`);
  return stdout;
}
