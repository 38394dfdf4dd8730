/** What a daemon says about its mount in `.sessionfs/status.json`, read so that a mount that hangs does not hang the reader. */
import { spawn } from 'node:child_process';
import { programFile } from '../lib/own-files.ts';
import { nodeArguments } from '../lib/process-protection.ts';
import type { MountStatus } from './contract.ts';

export type { MountStatus };

export type StatusReading =
  | { readonly kind: 'answered'; readonly status: MountStatus; readonly raw: string }
  /** Nothing mounted there, or not by sessionfs. */
  | { readonly kind: 'absent' }
  /** The mount of a daemon that died. */
  | { readonly kind: 'stale' }
  | { readonly kind: 'denied' }
  | { readonly kind: 'hung' };

/** Folder and file. */
export const STATUS_FILE = ['.sessionfs', 'status.json'] as const;
export const ANSWER_TIMEOUT_MS = 5000;

const PROBE = programFile('api/status-probe');

/**
 * A process of its own reads the file: a thread that is stuck in a system call cannot be left behind, not even by
 * process.exit, while a process can.
 */
export async function readMountStatus(
  directory: string,
  timeoutMs = ANSWER_TIMEOUT_MS,
): Promise<StatusReading> {
  const output = await probe(directory, timeoutMs);
  if (output === undefined) return { kind: 'hung' };
  const { text, code } = output;
  if (code === 'ENOTCONN' || code === 'ECONNABORTED') return { kind: 'stale' };
  if (code === 'EACCES' || code === 'EPERM') return { kind: 'denied' };
  const status = text === undefined ? undefined : parseStatus(text);
  return status === undefined || text === undefined
    ? { kind: 'absent' }
    : { kind: 'answered', status, raw: text };
}

/** Undefined for what no daemon of ours wrote. */
export function parseStatus(text: string): MountStatus | undefined {
  try {
    const status = JSON.parse(text) as MountStatus;
    const { supervisor, daemon } = status.pids;
    const counts = [status.sessions, status.files, status.dirty, status.restarts];
    const names = [status.version, status.mountPoint, status.mode, status.driver];
    const areProcesses = [supervisor, daemon].every((pid) => Number.isSafeInteger(pid) && pid > 0);
    const valid = areProcesses && counts.every(Number.isSafeInteger);
    return valid && names.every((name) => typeof name === 'string') ? status : undefined;
  } catch {
    return undefined;
  }
}

interface ProbeOutput {
  readonly text?: string;
  readonly code?: string;
}

function probe(directory: string, timeoutMs: number): Promise<ProbeOutput | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...nodeArguments(), PROBE, directory, ...STATUS_FILE], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const chunks: Buffer[] = [];
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      child.stdout.destroy();
      child.unref();
      resolve(undefined);
    }, timeoutMs);
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (status) => {
      clearTimeout(timer);
      if (status === 0) resolve(JSON.parse(Buffer.concat(chunks).toString()) as ProbeOutput);
      else reject(new Error(`the status probe ended with status ${status}`));
    });
  });
}
