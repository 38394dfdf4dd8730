/**
 * Tells a Ctrl-C from a `kill -INT`. The terminal sends its signals to every process of the group in its foreground, so the
 * command has them already; one that was sent to this process alone must be passed on. Who sent a signal is not told to Node:
 * a shell that does nothing else sits in the same group and says what it was sent.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { toolEnvironment } from '../lib/system-tools.ts';

export type TerminalSignal = 'SIGINT' | 'SIGQUIT';
export const terminalSignals: readonly TerminalSignal[] = ['SIGINT', 'SIGQUIT'];

/** A group is sent a signal at once; the shell needs a moment to say so, and so does a shell that passes it on to us as well. */
const WINDOW_MS = 250;

/** It ends with its standard input, that is, with this process. A shell that waits carries a trap out at once. */
const SCRIPT = `
  trap 'echo SIGINT' INT; trap 'echo SIGQUIT' QUIT; trap '' TERM HUP USR1 USR2 TSTP
  exec 3<&0
  cat <&3 >/dev/null 3<&- &
  echo ready
  while kill -0 $! 2>/dev/null; do wait $!; done`;

export class TerminalSignals {
  readonly #passOn: (signal: TerminalSignal) => void;
  readonly #windowMs: number;
  readonly #sentToGroup = new Map<TerminalSignal, number>();
  readonly #pending = new Set<TerminalSignal>();
  #witness: ChildProcess | undefined;
  #isWatching = false;

  /** `passOn`: this signal was sent to this process alone. */
  constructor(passOn: (signal: TerminalSignal) => void, windowMs = WINDOW_MS) {
    this.#passOn = passOn;
    this.#windowMs = windowMs;
  }

  /** Starts the shell; resolves when it listens, or cannot: then every signal counts as the terminal's. */
  async start(): Promise<void> {
    const witness = spawn('sh', ['-c', SCRIPT], {
      stdio: ['pipe', 'pipe', 'ignore'],
      cwd: '/',
      env: toolEnvironment(),
    });
    this.#witness = witness;
    witness.unref();
    witness.stdin.on('error', () => {});
    await new Promise<void>((resolve) => {
      for (const end of ['error', 'exit'] as const)
        witness.on(end, () => {
          this.#isWatching = false;
          resolve();
        });
      witness.stdout.setEncoding('utf8').on('data', (text: string) => {
        this.#hear(text);
        resolve();
      });
    });
    for (const stream of [witness.stdin, witness.stdout]) (stream as unknown as { unref(): void }).unref();
  }

  /** This process was sent the signal. Several within one window are one. */
  received(signal: TerminalSignal): void {
    if (!this.#isWatching || this.#pending.has(signal)) return;
    this.#pending.add(signal);
    const sinceMs = performance.now() - this.#windowMs;
    setTimeout(() => {
      this.#pending.delete(signal);
      if ((this.#sentToGroup.get(signal) ?? Number.NEGATIVE_INFINITY) < sinceMs) this.#passOn(signal);
    }, this.#windowMs);
  }

  stop(): void {
    this.#witness?.stdin?.end();
  }

  #hear(text: string): void {
    for (const line of text.split('\n')) {
      if (line === 'ready') this.#isWatching = true;
      else if (line === 'SIGINT' || line === 'SIGQUIT') this.#sentToGroup.set(line, performance.now());
    }
  }
}
