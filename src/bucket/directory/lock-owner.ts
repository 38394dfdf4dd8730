/** The process that owns a lock, and whether it still lives. */

import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseProcessStat } from '../../lib/process-stat.ts';
import { codeOf } from '../../lib/system-error.ts';

interface LockOwner {
  /** Where the number of a process means the same: a boot of a machine, and a PID namespace of it. */
  readonly machine: string;
  readonly pid: number;
  /** When the process started, in the kernel's ticks: process numbers are used again. Empty where the system does not say. */
  readonly started: string;
}

let ownMachine: string | undefined;

export function self(): LockOwner {
  ownMachine ??= machine();
  return { machine: ownMachine, pid: process.pid, started: startOf(process.pid) ?? '' };
}

/** Whether the owner that the text of a lock names is dead; undefined: it cannot be seen from here. */
export function isDead(text: string): boolean | undefined {
  const owner = parse(text);
  if (owner?.machine !== self().machine || typeof owner.pid !== 'number') return undefined;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return true;
  }
  const started = startOf(owner.pid);
  return started !== undefined && started !== owner.started;
}

/** A power cut may have left anything. */
function parse(text: string): Partial<LockOwner> | undefined {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}

function machine(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}

function startOf(pid: number): string | undefined {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.startTime;
  } catch {
    return undefined;
  }
}
