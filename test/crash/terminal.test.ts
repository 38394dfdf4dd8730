/**
 * Standard input, the terminal and its signals in a `sessionfs run`: as process 1 of a container with `-i` and with `-it`, and
 * below another process 1 (`--init`, or no container at all).
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { untilLogged } from '../mounted/log-lines.ts';
import { cleanUp } from '../support/cleanup.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { unmountBelow } from '../support/mounts.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { childrenOf } from './support/processes.ts';

const CTRL_C = '\x03';
/** Longer than a second signal takes, should there be one. */
const SECOND_SIGNAL_MS = 1000;
const options = { timeout: 120_000 };
const PROCESS_ONE = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
const TALK = `
trap 'echo got INT' INT
trap 'echo got TERM; exit 4' TERM
if [ -t 0 ]; then echo on a terminal; else echo on a pipe; fi
read -r line
echo "read $line"
while :; do sleep 0.05; done
`;

interface Place {
  processOne: boolean;
  terminal: boolean;
}

const places: readonly Place[] = [
  { processOne: true, terminal: true },
  { processOne: false, terminal: true },
  { processOne: true, terminal: false },
  { processOne: false, terminal: false },
];

function nameOf({ processOne, terminal }: Place): string {
  return `${processOne ? 'as process 1' : 'below another process 1'}, ${terminal ? 'on a terminal' : 'on a pipe'}`;
}

function started(t: TestContext, { processOne, terminal }: Place) {
  const directory = temporaryDirectory(t);
  const mountPoint = join(directory, 'sessions');
  mkdirSync(mountPoint);
  const script = join(directory, 'talk.sh');
  writeFileSync(script, TALK);
  const run = [join(repository, 'bin/sessionfs'), 'run', mountPoint, '--', 'sh', script];
  const command = processOne ? [...PROCESS_ONE, ...run] : run;
  const [file = '', ...args] = terminal
    ? ['script', '-q', '-e', '-c', `exec ${command.join(' ')}`, '/dev/null']
    : command;
  const child = spawn(file, args, { stdio: 'pipe', detached: true, env: cleanEnvironment() });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (more: string) => {
      text += more.replaceAll('\r\n', '\n');
    });
  const closed = once(child, 'close').then(([code]) => code as number | null);
  const sessionfs = () => findSessionfs(child.pid ?? 0);
  cleanUp(t, async () => {
    const pid = sessionfs();
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    await closed;
    unmountBelow(mountPoint);
  });
  return { child, closed, log: () => text, sessionfs };
}

/** The first process of the command: what a container's runtime signals. */
function findSessionfs(root: number): number | undefined {
  const commandLine = readCommandLine(root);
  if (/^(sh|\/bin\/sh|node)\0(?:--[^\0]*\0)*[^\0]*(bin\/sessionfs|cli\/main\.js)\0run\0/.test(commandLine))
    return root;
  for (const child of childrenOf(root)) {
    const found = findSessionfs(child);
    if (found !== undefined) return found;
  }
  return undefined;
}

function readCommandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

type Started = ReturnType<typeof started>;

async function talk(run: Started, terminal: boolean): Promise<void> {
  await untilLogged(run, terminal ? /^on a terminal$/m : /^on a pipe$/m);
  run.child.stdin.write('+4915112345678\n');
  await untilLogged(run, /^read \+4915112345678$/m);
}

async function endsWithOneInterrupt(run: Started): Promise<void> {
  await untilLogged(run, /got INT/);
  await sleep(SECOND_SIGNAL_MS);
  process.kill(run.sessionfs() ?? 0, 'SIGTERM');
  assert.equal(await run.closed, 4, run.log());
  assert.equal(run.log().match(/got INT/g)?.length, 1, run.log());
  assert.equal(run.log().match(/got TERM/g)?.length, 1, run.log());
}

for (const place of places) {
  test(
    `${nameOf(place)}: the command reads what is typed, and a SIGINT from outside reaches it once`,
    options,
    async (t) => {
      const run = started(t, place);
      await talk(run, place.terminal);
      process.kill(run.sessionfs() ?? 0, 'SIGINT');
      await endsWithOneInterrupt(run);
    },
  );
}

for (const place of places.filter(({ terminal }) => terminal)) {
  test(`${nameOf(place)}: Ctrl-C reaches the command once`, options, async (t) => {
    const run = started(t, place);
    await talk(run, true);
    run.child.stdin.write(CTRL_C);
    await endsWithOneInterrupt(run);
  });
}

test('as process 1, on a pipe: the end of standard input reaches the command', options, async (t) => {
  const run = started(t, { processOne: true, terminal: false });
  await untilLogged(run, /^on a pipe$/m);
  run.child.stdin.end('last');
  await untilLogged(run, /^read last$/m);
  process.kill(run.sessionfs() ?? 0, 'SIGTERM');
  assert.equal(await run.closed, 4, run.log());
});
