/** One compiled test file in a process of its own, and what it says of the code that it runs on. */
import { spawn } from 'node:child_process';
import { cleanEnvironment } from '../support/environment.ts';

export type Verdict =
  | { kind: 'passed' }
  /** `said`: the first test that failed and its error; without one, how the process ended. */
  | { kind: 'failed'; said: string }
  /** The limit ended it, and no test had failed: it says nothing of the code. */
  | { kind: 'hung' };

export interface TestRunOptions {
  readonly cwd: string;
  /** Added to the environment: where temporary files go. A test that is stopped leaves them behind; the caller removes them. */
  readonly env: Readonly<Record<string, string>>;
  readonly limitMs: number;
}

/** From SIGTERM, upon which a test ends what it has started, to SIGKILL. */
const END_MS = 5_000;
const FAILURE = /^ *not ok \d+ - (.*)\n(?:.*\n)*? *error: (?:\|-\n *)?(.*)\n/m;
const ERROR_LINE = /^\w*Error\b.*$/m;

/** Stops the file as soon as its first test has failed. */
export function runTestFile(compiled: string, { cwd, env, limitMs }: TestRunOptions): Promise<Verdict> {
  // Not below `node --test`, which has one limit for the whole file and stops it without a word on the test that hangs.
  const child = spawn(process.execPath, ['--test-reporter=tap', compiled], {
    cwd,
    env: cleanEnvironment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const end = () => {
    kill(child.pid, 'SIGTERM');
    setTimeout(() => kill(child.pid, 'SIGKILL'), END_MS).unref();
  };
  let isHung = false;
  const guard = setTimeout(() => {
    isHung = true;
    end();
  }, limitMs);
  let [out, errors] = ['', ''];
  let failure: string | undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    if (failure !== undefined) return;
    failure = failureIn(out);
    if (failure !== undefined) end();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(guard);
      kill(child.pid, 'SIGKILL');
      if (failure !== undefined) resolve({ kind: 'failed', said: failure });
      else if (isHung) resolve({ kind: 'hung' });
      else if (code === 0 && /^# pass [1-9]/m.test(out)) resolve({ kind: 'passed' });
      else resolve({ kind: 'failed', said: endOf(code ?? signal, errors) });
    });
  });
}

function endOf(status: number | NodeJS.Signals | null, errors: string): string {
  return status === 0 ? 'no test passed' : (ERROR_LINE.exec(errors)?.[0] ?? `ended with ${status}`);
}

function failureIn(tap: string): string | undefined {
  const [, name, error] = FAILURE.exec(tap) ?? [];
  return name === undefined ? undefined : `${name.replaceAll('\\', '')}: ${error}`;
}

function kill(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // It has ended.
  }
}
