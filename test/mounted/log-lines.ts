import { setTimeout as sleep } from 'node:timers/promises';

/** A line that the daemon logged, with whatever else it says. */
export interface LogLine extends Record<string, unknown> {
  level: string;
  msg: string;
}

/** What is not JSON, as the last words of a command, is left out. */
export function logLines(log: string): LogLine[] {
  const lines = log.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line) as LogLine);
}

const HANG_MS = 20_000;
const POLL_MS = 5;

/** Waits until the daemon has logged it: what it writes comes through a pipe, a little after the fact. */
export async function untilLogged(daemon: { log(): string }, pattern: RegExp): Promise<void> {
  const deadline = performance.now() + HANG_MS;
  while (!pattern.test(daemon.log())) {
    if (performance.now() > deadline) throw new Error(`${pattern} was not logged, but:\n${daemon.log()}`);
    await sleep(POLL_MS);
  }
}

/** The mount answers a little before its start is over: afterwards all that belongs to the start is done and logged. */
export function untilStarted(daemon: { log(): string }): Promise<void> {
  return untilLogged(daemon, /"msg":"Mounted"/);
}
