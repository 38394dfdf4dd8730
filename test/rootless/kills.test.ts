/** SIGKILL of any process of a `sessionfs run` without root: nothing that was written is lost, and nothing stays. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DaemonKiller } from '../crash/support/daemon-killer.ts';
import { logLines, untilLogged } from '../mounted/log-lines.ts';
import { untilSlow } from '../support/until.ts';
import {
  gone,
  type RootlessRun,
  startRootless,
  startRootlessShell,
  userWithFuse,
} from './support/rootless-run.ts';

const KILLS = 5;

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
    // So that the daemons get a processor, too.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
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

const OUTLIVING = `
  trap '' TERM; echo waiting; while [ ! -e "$DIR/../stop" ]; do sleep 0.05; done
  echo '{"late":1}' >"$DIR/late.json"; cat "$DIR/late.json"`;

test('SIGKILL of one process after the other: each next run has what the one before wrote', async (t) => {
  const user = await userWithFuse(t);
  const start = async (script: string): Promise<RootlessRun> => {
    const run = await startRootlessShell(t, script, { user });
    await untilLogged(run.process, /^waiting$/m);
    return run;
  };
  const READ_TRAPPED = 'cd "$DIR" && cat first.json last.json && rm first.json last.json && cd /';
  const WRITTEN = /^\{"first":1\}\n\{"last":1\}$/m;

  await t.test(
    'of the process that the user started: it ends the command by SIGTERM, and all it wrote is kept',
    async () => {
      const run = await start(TRAPPED);
      process.kill(run.outside, 'SIGKILL');
      assert.equal((await run.ended()).code, null, run.process.log());
      assert.match(run.process.log(), /^ended well$/m);
      await gone(run);
    },
  );
  await t.test('of the supervisor: it ends the command by SIGTERM, and all it wrote is kept', async () => {
    const run = await start(`${READ_TRAPPED}; ${TRAPPED}`);
    assert.match(run.process.log(), WRITTEN);
    process.kill(run.supervisor(), 'SIGKILL');
    assert.equal((await run.ended()).code, 137, run.process.log());
    assert.match(run.process.log(), /^ended well$/m);
    await gone(run);
  });
  await t.test('a command that outlives its supervisor is served to its end', async () => {
    const run = await start(`${READ_TRAPPED}; ${OUTLIVING}`);
    assert.match(run.process.log(), WRITTEN);
    process.kill(run.supervisor(), 'SIGKILL');
    await untilLogged(run.process, /the mount goes on without one/);
    writeFileSync(join(user.home, 'stop'), '');
    assert.equal((await run.ended()).code, 137, run.process.log());
    assert.match(run.process.log(), /^\{"late":1\}$/m);
    assert.match(run.process.log(), /"reason":"no process is left in its namespace"/);
    await gone(run);
  });
  await t.test('of the command: its status is 137, and the mount is ended', async () => {
    const run = await start(
      'cat "$DIR/late.json"; echo "{}" >"$DIR/creds.json"; echo waiting; exec sleep 60',
    );
    assert.match(run.process.log(), /^\{"late":1\}$/m);
    process.kill(run.command(), 'SIGKILL');
    assert.equal((await run.ended()).code, 137, run.process.log());
    assert.match(run.process.log(), /"dirty":0,"lazy":false/);
    await gone(run);
  });
});
