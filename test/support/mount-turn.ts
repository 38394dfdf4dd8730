import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { repository } from './repository.ts';

let turn: Promise<void> | undefined;

/**
 * Resolves when no other test file of this checkout mounts, and keeps it so until this process ends, however it ends.
 * scripts/test runs two files at a time; two daemons and two workloads on two cores would only measure one another.
 */
export function mountTurn(): Promise<void> {
  turn ??= takeTurn();
  return turn;
}

/** The lock is held by `cat`, which lives until its stdin, a pipe from this process, ends. */
async function takeTurn(): Promise<void> {
  const lockFile = join(repository, 'dist/.mount-turn');
  const holder = spawn('flock', [lockFile, 'sh', '-c', 'echo mine; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [first] = await Promise.race([
    once(holder.stdout, 'data'),
    once(holder, 'error'),
    once(holder, 'exit'),
  ]);
  if (String(first) !== 'mine\n') throw new Error(`flock did not give the lock on ${lockFile}: ${first}`);
  outliveNothing(holder);
}

/** The holder must not keep this process from ending. */
function outliveNothing(holder: ChildProcess): void {
  holder.unref();
  for (const stream of [holder.stdin, holder.stdout])
    (stream as unknown as { unref?(): void } | null)?.unref?.();
}
