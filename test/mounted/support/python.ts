import { spawnSync } from 'node:child_process';
import { cleanEnvironment } from '../../support/environment.ts';

const HANG_MS = 60_000;

/** Node has no call for mmap(2), renameat2(2) or extended attributes. Where python3 is missing, a test asks the core instead. */
export const hasPython = spawnSync('python3', ['-c', 'pass'], { env: cleanEnvironment() }).status === 0;

const prelude = `
import ctypes, errno, mmap, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def attempt(call):
    try:
        call()
        return 'ok'
    except OSError as error:
        return errno.errorcode[error.errno]
def renameat2(old, new, flags):
    if libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags) != 0:
        raise OSError(ctypes.get_errno(), 'renameat2')
`;

/** What the script prints, without the last line's end. It has `attempt(call)` and `renameat2(old, new, flags)`. */
export function python(script: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('python3', ['-c', prelude + script, ...args], {
    encoding: 'utf8',
    env: cleanEnvironment(),
    timeout: HANG_MS,
  });
  if (status !== 0) throw new Error(`python3 exited with ${status}: ${stderr}`);
  return stdout.trimEnd();
}
