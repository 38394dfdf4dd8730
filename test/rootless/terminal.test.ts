/** Standard input, the terminal and its Ctrl-C, through the chain of processes of a `sessionfs run` without root. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { untilLogged } from '../mounted/log-lines.ts';
import { cleanUp } from '../support/cleanup.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { checkout } from '../support/ordinary-user.ts';
import { userWithFuse } from './support/rootless-run.ts';

const CTRL_C = '\x03';

async function started(t: TestContext, wrap: (command: string) => string[], script: string) {
  const user = await userWithFuse(t);
  const directory = user.directory('sessions');
  const command = `${checkout}/bin/sessionfs run ${directory} -- sh -c '${script}'`;
  const [file = '', ...args] = user.as(wrap(command));
  const child = spawn(file, args, { stdio: 'pipe', detached: true, env: cleanEnvironment() });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (more: string) => {
      text += more.replaceAll('\r\n', '\n');
    });
  const closed = once(child, 'close').then(([code]) => code as number | null);
  cleanUp(t, async () => {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    await closed;
  });
  return { child, closed, log: () => text };
}

test('standard input reaches the command, to its end', async (t) => {
  const run = await started(t, (command) => ['sh', '-c', command], 'cat; echo end');
  run.child.stdin.end('first\nsecond\n');
  assert.equal(await run.closed, 0, run.log());
  assert.match(run.log(), /^first\nsecond\nend$/m);
});

test('in a terminal the command is in the foreground, and Ctrl-C reaches it once', async (t) => {
  const script =
    'trap "echo got INT; exit 4" INT; tty; read -r line; echo $line; while :; do sleep 0.05; done';
  // script(1) runs a shell, of SHELL: one that stayed beside the command would answer Ctrl-C with a status of its own.
  const record = (command: string) => ['script', '-q', '-e', '-c', `exec ${command}`, join('/dev', 'null')];
  const run = await started(t, record, script);
  await untilLogged(run, /^\/dev\/pts\/\d+$/m);
  run.child.stdin.write('typed\n');
  await untilLogged(run, /^typed\ntyped$/m);
  run.child.stdin.write(CTRL_C);
  assert.equal(await run.closed, 4, run.log());
  assert.equal(run.log().match(/got INT/g)?.length, 1, run.log());
});
