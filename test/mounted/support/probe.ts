/** Small questions that many tests of the mount ask. */
import { closeSync, openSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isNative } from '../../support/driver.ts';

const HANG_MS = 60_000;
const POLL_MS = 20;

/** 'ok', or the code of the error that `call` throws. */
export function outcome(call: () => unknown): string {
  try {
    call();
    return 'ok';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

/** For a reader; fuse-native's stat tells of more than can be opened: see docs/semantics.md. */
export function exists(path: string): boolean {
  if (!isNative) return statSync(path, { throwIfNoEntry: false }) !== undefined;
  try {
    closeSync(openSync(path, 'r'));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

export function permissionsOf(path: string): string {
  return (statSync(path).mode & 0o7777).toString(8);
}

/** Rejects when it has not come true for so long that it never will. */
export async function until(isTrue: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + HANG_MS;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`it never came to this: ${what}`);
    await sleep(POLL_MS);
  }
}

/** As `until`, for what takes a while to find out. */
export async function untilAsync(isTrue: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + HANG_MS;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`it never came to this: ${what}`);
    await sleep(POLL_MS);
  }
}

export interface LogLine {
  level: string;
  msg: string;
  file?: string;
  reason?: string;
}

/** The lines of a daemon's log that name `file`, a path below the mount. */
export function linesAbout(log: string, file: string): LogLine[] {
  const lines = log.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line) as LogLine).filter((line) => line.file === file);
}
