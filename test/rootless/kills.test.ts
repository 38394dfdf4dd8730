/** SIGKILL of any process of a `sessionfs run` without root: nothing that was written is lost, and nothing stays. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DaemonKiller } from '../crash/support/daemon-killer.ts';
import { logLines, untilLogged } from '../mounted/log-lines.ts';
import { untilSlow } from '../support/until.ts';
import { type RootlessRun, startRootless, startRootlessShell, userWithFuse } from './support/rootless-run.ts';

const KILLS = 5;
const POLL_MS = 20;

/** Writes versions of a few files until `stop` appears, reads each back, and says how many there were. */
const WRITER = `
  const fs = require('node:fs');
  const directory = process.env.DIR + '/u-+1';
  fs.mkdirSync(directory);
  console.log('writing');
  let steps = 0;
  for (; !fs.existsSync(process.env.DIR + '/../stop'); steps++) {
    const path = directory + '/key-' + (steps % 7) + '.json';
    fs.writeFileSync(path, JSON.stringify({ steps, filler: 'x'.repeat(steps % 5000) }));
    const read = JSON.parse(fs.readFileSync(path, 'utf8'));
    if (read.steps !== steps) throw new Error('wrote ' + steps + ', read ' + read.steps);
  }
  console.log('steps: ' + steps);`;

test('SIGKILL of the daemon while the command writes is not noticed', async (t) => {
  const run = await startRootless(t, ['node', '-e', WRITER]);
  await untilLogged(run.process, /^writing$/m);
  const killer = new DaemonKiller({ pid: run.supervisor(), log: () => run.process.log() });
  await killer.during(() => untilSlow(() => killer.kills >= KILLS || run.process.exit !== undefined));
  writeFileSync(join(run.user.home, 'stop'), '');
  assert.equal((await run.ended()).code, 0, run.process.log());
  const steps = Number(/^steps: (\d+)$/m.exec(run.process.log())?.[1]);
  const takeOvers = logLines(run.process.log()).filter(({ msg }) => msg === 'Took the mount over').length;
  t.diagnostic(`${killer.kills} kills, ${takeOvers} take-overs: ${steps} versions written and read back`);
  assert.ok(takeOvers > 0);
  assert.ok(steps > KILLS);
});

const TRAPPED = `
  trap 'echo "{\\"last\\":1}" >"$DIR/last.json"; echo ended well; exit 3' TERM
  echo '{"first":1}' >"$DIR/first.json"; echo waiting
  while :; do sleep 0.05; done`;

for (const [who, pidOf, code] of [
  ['the process that the user started', ({ outside }: RootlessRun) => outside, null],
  ['the supervisor', (run: RootlessRun) => run.supervisor(), 137],
] as const) {
  test(`SIGKILL of ${who} ends the command by SIGTERM, and all it wrote is kept`, async (t) => {
    const user = await userWithFuse(t);
    const run = await startRootlessShell(t, TRAPPED, { user });
    await untilLogged(run.process, /^waiting$/m);
    process.kill(pidOf(run), 'SIGKILL');
    assert.equal((await run.ended()).code, code, run.process.log());
    assert.match(run.process.log(), /^ended well$/m);
    await gone(run);
    const again = await startRootlessShell(t, 'cd "$DIR" && cat first.json last.json', { user });
    assert.equal((await again.ended()).code, 0, again.process.log());
    assert.match(again.process.log(), /^\{"first":1\}\n\{"last":1\}$/m);
  });
}

test('a command that outlives its supervisor is served to its end', async (t) => {
  const user = await userWithFuse(t);
  const script = `
    trap '' TERM; echo waiting; while [ ! -e "$DIR/../stop" ]; do sleep 0.05; done
    echo '{"late":1}' >"$DIR/late.json"; cat "$DIR/late.json"`;
  const run = await startRootlessShell(t, script, { user });
  await untilLogged(run.process, /^waiting$/m);
  process.kill(run.supervisor(), 'SIGKILL');
  await untilLogged(run.process, /the mount goes on without one/);
  writeFileSync(join(user.home, 'stop'), '');
  assert.equal((await run.ended()).code, 137, run.process.log());
  assert.match(run.process.log(), /^\{"late":1\}$/m);
  assert.match(run.process.log(), /"reason":"no process is left in its namespace"/);
  await gone(run);
  const again = await startRootlessShell(t, 'cat "$DIR/late.json"', { user });
  assert.equal((await again.ended()).code, 0, again.process.log());
});

test('SIGKILL of the command: its status is 137, and the mount is ended', async (t) => {
  const run = await startRootlessShell(t, 'echo "{}" >"$DIR/creds.json"; echo waiting; exec sleep 60');
  await untilLogged(run.process, /^waiting$/m);
  process.kill(run.command(), 'SIGKILL');
  assert.equal((await run.ended()).code, 137, run.process.log());
  assert.match(run.process.log(), /"dirty":0,"lazy":false/);
  await gone(run);
});

/** A process that has closed its output may need a moment more. */
async function gone(run: RootlessRun): Promise<void> {
  for (let look = 0; look < 100 && run.process.processes().length > 0; look++) await sleep(POLL_MS);
  assert.deepEqual(run.process.processes(), [], run.process.log());
}
