/**
 * syncfs(2), which Node does not have: sync(1) calls it. A shell that is started once runs it, for a daemon's sake: fork(2) takes
 * the pages of the process that calls it away until they are written to, and the kernel fails a request with EIO that it would
 * have to fetch pages for while the daemon is being killed (native-notes/01-kernel-interface.md).
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { kernelIsAtLeast } from './kernel-version.ts';
import { toolEnvironment } from './system-tools.ts';

/** A path a line; says the status of each sync. */
const SCRIPT = 'while IFS= read -r path; do sync -f "$path" >/dev/null 2>&1; echo $?; done';

type Shell = ChildProcessByStdio<Writable, Readable, null>;

class SyncShell {
  #shell: Shell | undefined;
  #said = '';
  /** In the order of their paths. */
  readonly #waiting: ((isDone: boolean) => void)[] = [];

  /** Undefined: none can be started now. */
  prepare(): Shell | undefined {
    this.#shell ??= this.#start();
    return this.#shell;
  }

  sync(path: string): Promise<boolean> {
    const shell = path.includes('\n') ? undefined : this.prepare();
    if (shell === undefined) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      // Its end, too, is waited for: then what it said ends first.
      shell.ref();
      (shell.stdout as Socket).ref();
      shell.stdin.write(`${path}\n`);
    });
  }

  /** It keeps no process alive, and ends with it. */
  #start(): Shell | undefined {
    const shell = spawnShell();
    shell?.on('error', () => this.#lost(shell));
    // Without its pipes it was not started.
    if (shell?.stdout === undefined) return undefined;
    // All that it said comes before.
    shell.on('close', () => this.#lost(shell));
    shell.stdin.on('error', () => {});
    shell.stdout.setEncoding('latin1').on('data', (text: string) => this.#hear(text));
    shell.unref();
    for (const pipe of [shell.stdin, shell.stdout]) (pipe as Socket).unref();
    return shell;
  }

  #hear(text: string): void {
    const lines = `${this.#said}${text}`.split('\n');
    this.#said = lines.pop() ?? '';
    for (const status of lines) this.#waiting.shift()?.(status === '0');
    if (this.#waiting.length > 0) return;
    this.#shell?.unref();
    (this.#shell?.stdout as Socket | undefined)?.unref();
  }

  /** What it was still to do is not done. */
  #lost(shell: Shell): void {
    if (this.#shell !== shell) return;
    this.#shell = undefined;
    this.#said = '';
    for (const resolve of this.#waiting.splice(0)) resolve(false);
  }
}

/** Undefined where the system refuses to start it. */
function spawnShell(): Shell | undefined {
  const options = { cwd: '/', env: toolEnvironment() };
  try {
    return spawn('sh', ['-c', SCRIPT], { stdio: ['pipe', 'pipe', 'ignore'], ...options });
  } catch {
    return undefined;
  }
}

const shell = new SyncShell();

/** Before 5.8 the kernel's syncfs(2) reports no write that failed. */
function reportsFailedWrites(): boolean {
  return process.platform === 'linux' && kernelIsAtLeast(5, 8);
}

/** Starts the process that `syncFilesystem` needs. */
export function prepareFilesystemSync(): void {
  if (reportsFailedWrites()) shell.prepare();
}

/** See FileOperations.syncFilesystem. */
export async function syncFilesystem(path: string): Promise<boolean> {
  return reportsFailedWrites() && (await shell.sync(path));
}
