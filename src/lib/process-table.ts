/** The processes of this PID namespace, as /proc tells them. */
import fs from 'node:fs';
import { parseProcessStat } from './process-stat.ts';

interface KnownProcess {
  readonly pid: number;
  readonly startTime: string;
  readonly command: string;
}

const COMMAND_MAX = 200;
const CONTROL = /\p{Cc}/gu;
/** A process of another PID namespace has no number here. */
const UNSEEN: KnownProcess = {
  pid: 0,
  startTime: '',
  command: 'a process of another PID namespace',
};

/** Undefined: it is gone, or may not be looked at. */
export function processOfThread(thread: number, proc = '/proc'): KnownProcess | undefined {
  if (thread === 0) return UNSEEN;
  const pid = Number(/^Tgid:\s*(\d+)$/m.exec(read(`${proc}/${thread}/status`))?.[1] ?? 0);
  const startTime = startTimeOf(pid, proc);
  return startTime === undefined ? undefined : { pid, startTime, command: commandOf(pid, proc) };
}

export function isAlive({ pid, startTime }: KnownProcess, proc = '/proc'): boolean {
  return pid === 0 || startTimeOf(pid, proc) === startTime;
}

/** One that has ended, and was not collected, does nothing any more. */
function startTimeOf(pid: number, proc: string): string | undefined {
  const stat = parseProcessStat(read(`${proc}/${pid}/stat`));
  return stat === undefined || stat.state === 'Z' || stat.state === 'X' ? undefined : stat.startTime;
}

/** The program and, where it is no option, its first argument: what comes after that may be secret. */
function commandOf(pid: number, proc: string): string {
  const [program = '', first = ''] = read(`${proc}/${pid}/cmdline`).split('\0');
  const command = first === '' || first.startsWith('-') ? program : `${program} ${first}`;
  return (command || read(`${proc}/${pid}/comm`).trim()).slice(0, COMMAND_MAX).replace(CONTROL, '?');
}

function read(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
