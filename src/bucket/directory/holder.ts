/** Who holds a lock, and whether they still can. */

import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseProcessStat } from '../../lib/process-stat.ts';
import { codeOf } from '../../lib/system-error.ts';

interface Holder {
  /** Where the number of a process means the same: a boot of a machine, and a PID namespace of it. */
  readonly machine: string;
  readonly pid: number;
  /** Numbers are used again: when the process started, in the kernel's ticks; empty where nobody says. */
  readonly started: string;
}

let ownMachine: string | undefined;

export function self(): Holder {
  ownMachine ??= machine();
  return { machine: ownMachine, pid: process.pid, started: startOf(process.pid) ?? '' };
}

/** Of the holder that the text of a lock names; undefined: it cannot be seen from here. */
export function isDead(text: string): boolean | undefined {
  const holder = parse(text);
  if (holder?.machine !== self().machine || typeof holder.pid !== 'number') return undefined;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return true;
  }
  const started = startOf(holder.pid);
  return started !== undefined && started !== holder.started;
}

/** A power cut may have left anything. */
function parse(text: string): Partial<Holder> | undefined {
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
