/**
 * Wakes the kernel thread, which is blocked in read(2) on /dev/fuse: only a request of the kernel ends that. A shell asks
 * for the mount's statistics, which takes no lock: a mkdir in the root that is parked holds the lock that a lookup there
 * waits for. Where stat(1) is missing it looks a name up that is never there and never cached.
 *
 * It is a process of its own for a reason: a thread that waits for an answer cannot be killed before it comes, so one of the
 * daemon that waits for its own daemon would keep that from dying, and from being replaced.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { WAKE_PATH } from '../../fs/operations/control-files.ts';
import { toolEnvironment } from '../../lib/system-tools.ts';

const RETRY_MS = 100;

/** `w PATH`: make the mount at PATH answer something. `c PATH`: go there, from where the mount can be reached after a lazy unmount. */
const SCRIPT = `
  while read -r order path; do
    case $order in c) cd "$path"; echo ;; *) stat -f "$path" >/dev/null 2>&1 || [ -e "$path/${WAKE_PATH}" ] ;; esac
  done`;

export class Waker {
  readonly #isStillWanted: () => boolean;
  #path: string;
  #shell: ChildProcessByStdio<Writable, Readable, null> | undefined;
  #closed = false;

  /** `isStillWanted`: whether the thread has not looked at its messages yet, should the shell die before it did its work. */
  constructor(mountPoint: string, isStillWanted: () => boolean) {
    this.#path = mountPoint;
    this.#isStillWanted = isStillWanted;
  }

  wake(): void {
    this.#order(`w ${this.#path}`);
  }

  /** Before a lazy unmount: from now on the mount is reached from inside, and in use until `close`. */
  async enter(directory: string): Promise<void> {
    this.#order(`c ${directory}`);
    const shell = this.#shell;
    if (shell !== undefined) await Promise.race([once(shell.stdout, 'data'), once(shell, 'exit')]);
    this.#path = '.';
  }

  close(): void {
    this.#closed = true;
    this.#shell?.stdin.end();
  }

  /** Starts the process, once. */
  prepare(): void {
    if (!this.#closed) this.#shell ??= this.#start();
  }

  #order(line: string): void {
    this.prepare();
    if (!this.#closed) this.#shell?.stdin.write(`${line}\n`);
  }

  #start(): ChildProcessByStdio<Writable, Readable, null> {
    const shell = spawn('sh', ['-c', SCRIPT], {
      stdio: ['pipe', 'pipe', 'ignore'],
      cwd: '/',
      env: toolEnvironment(),
    });
    shell.on('exit', () => this.#lost(shell));
    shell.on('error', () => this.#lost(shell));
    shell.stdin.on('error', () => {});
    shell.unref();
    return shell;
  }

  #lost(shell: ChildProcessByStdio<Writable, Readable, null>): void {
    if (this.#shell !== shell) return;
    this.#shell = undefined;
    if (!this.#closed && this.#isStillWanted()) setTimeout(() => this.wake(), RETRY_MS).unref();
  }
}
