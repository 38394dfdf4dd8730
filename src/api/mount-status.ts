/** What a daemon says about its mount in `.sessionfs/status.json`, read so that a mount that hangs does not hang the reader. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { programFile } from '../lib/own-files.ts';
import { nodeArguments } from '../lib/process-protection.ts';

/** At least this; a daemon may say more, and `raw` has it. */
export interface MountStatus {
  readonly version: string;
  readonly mountPoint: string;
  readonly mode: string;
  readonly driver: string;
  /** `supervisor`: whom to signal. */
  readonly pids: { readonly supervisor: number; readonly daemon: number };
  /** How often a daemon of this mount died and was replaced. */
  readonly restarts: number;
  readonly sessions: number;
  readonly files: number;
  readonly dirty: number;
  /** Incomplete JSON that readers do not see; absent in versions before. */
  readonly heldBack?: {
    readonly files: number;
    /** Not all of them. */
    readonly longest: readonly { readonly file: string; readonly bytes: number; readonly since: string }[];
  };
  /** Incomplete JSON that did not become a version, the last ones; absent in versions before. */
  readonly incomplete?: readonly {
    readonly outcome: 'given-up' | 'rename-refused';
    readonly file: string;
    readonly from?: string;
    readonly bytes: number;
    readonly at: string;
  }[];
  /** Sessions whose registered credentials were removed and that have other files; absent in versions before. */
  readonly lostCredentials?: readonly { readonly session: string; readonly keptAs: string }[];
  /** Sessions that two living processes write in turns; absent in versions before. */
  readonly sharedSessions?: readonly {
    readonly session: string;
    readonly processes: readonly { readonly pid: number; readonly command: string }[];
    readonly since: string;
  }[];
  /** Absent in local mode. */
  readonly backups?: readonly {
    readonly session: string;
    readonly dirty: number;
    readonly state?: string;
    readonly files?: number;
    readonly lastBackupAt?: string;
    readonly lastError?: string;
    /** Of the lease, where this mount holds it. */
    readonly epoch?: number;
    /** The mount that holds it, where a call waits for that. */
    readonly holder?: string;
    readonly trouble?: {
      readonly error: string;
      readonly hint?: string;
      readonly since: string;
      readonly waits: 'calls' | 'backup';
    };
  }[];
  /** Absent in local mode. */
  readonly bucket?: {
    readonly trouble?: { readonly summary: string; readonly error: string; readonly hint?: string };
  };
  /** Where the sealed files lie; `memory` in cloud mode. */
  readonly cachePath?: string;
}

export type StatusReading =
  | { readonly kind: 'answered'; readonly status: MountStatus; readonly raw: string }
  /** Nothing mounted there, or not by sessionfs. */
  | { readonly kind: 'absent' }
  /** The mount of a daemon that died. */
  | { readonly kind: 'stale' }
  | { readonly kind: 'denied' }
  | { readonly kind: 'hung' };

export const STATUS_FILE = join('.sessionfs', 'status.json');
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
  const output = await probe(join(directory, STATUS_FILE), timeoutMs);
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

function probe(path: string, timeoutMs: number): Promise<ProbeOutput | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...nodeArguments(), PROBE, path], {
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
