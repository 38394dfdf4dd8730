/** Keeps what a process of sessionfs knows out of debuggers and core files. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { toolEnvironment } from './system-tools.ts';

/** No machine has this address (RFC 1112, class E): a debugger that is asked for cannot listen there. */
const NO_DEBUGGER = '--inspect-port=240.0.0.1:9229';
const NEWER_NODE = '--disable-sigusr1';
/** A tool that is asked for one system call takes milliseconds. */
const TOOL_TIMEOUT_MS = 10_000;

/** The variable in which bin/sessionfs says what the limit on core files was, in the units of ulimit(1), before it became 0. */
export const CORE_LIMIT = 'SESSIONFS_CORE_LIMIT';
const ULIMIT_UNIT_BYTES = 512;

/**
 * Arguments for a node that sessionfs starts: a SIGUSR1 that comes before its code runs opens no debugger either. A developer who
 * asks for one in NODE_OPTIONS gets it.
 */
export function nodeArguments(inherited: readonly string[] = []): string[] {
  const kept = inherited.filter((argument) => argument !== NO_DEBUGGER && argument !== NEWER_NODE);
  if (process.env.NODE_OPTIONS?.includes('--inspect') === true) return kept;
  const isNewer = process.allowedNodeEnvironmentFlags.has(NEWER_NODE);
  return [...kept, NO_DEBUGGER, ...(isNewer ? [NEWER_NODE] : [])];
}

/** Node opens a debugger on SIGUSR1 where nothing else listens to that signal. */
export function ignoreDebugSignal(): void {
  process.on('SIGUSR1', () => {});
}

/**
 * Makes the process one that dumps no core and that only CAP_SYS_PTRACE may trace: the kernel does so to each process whose
 * effective ids change (prctl(2), PR_SET_DUMPABLE). Only root may change them and back; for others nothing happens.
 */
export function forbidTracing(): void {
  const { getegid, setegid } = process;
  if (process.platform !== 'linux' || getegid === undefined || setegid === undefined) return;
  const own = getegid.call(process);
  try {
    setegid.call(process, own === 0 ? 1 : 0);
  } catch {
    return;
  }
  setegid.call(process, own);
}

/** The limit on core files becomes 0 for this process and its children. Returns the one before, for `withCoreLimit`. */
export function forbidCoreFiles(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const told = env[CORE_LIMIT];
  delete env[CORE_LIMIT];
  const current = softCoreLimit();
  if (current === undefined || current === '0') return told;
  const { pid } = process;
  // The hard limit stays, so that the one before can be had again.
  spawnSync('prlimit', [`--pid=${pid}`, '--core=0:'], {
    stdio: 'ignore',
    env: toolEnvironment(),
    timeout: TOOL_TIMEOUT_MS,
  });
  return current;
}

/** As ulimit(1) says it; undefined where the system has no such file. */
function softCoreLimit(): string | undefined {
  let text: string;
  try {
    text = readFileSync('/proc/self/limits', 'latin1');
  } catch {
    return undefined;
  }
  const bytes = /^Max core file size\s+(\S+)/m.exec(text)?.[1];
  if (bytes === undefined || bytes === 'unlimited') return bytes;
  return String(Math.floor(Number(bytes) / ULIMIT_UNIT_BYTES));
}

/** The command line that runs `command` with this limit on core files. */
export function withCoreLimit(limit: string | undefined, command: readonly string[]): string[] {
  if (limit === undefined || limit === '0') return [...command];
  return ['/bin/sh', '-c', 'ulimit -S -c "$0" 2>/dev/null; exec "$@"', limit, ...command];
}
