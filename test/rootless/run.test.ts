/** `sessionfs run` as an ordinary user: a mount in a namespace of the command's own, with all that root gets. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { logLines, untilLogged } from '../mounted/log-lines.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { fileScope } from '../support/file-scope.ts';
import { mountAt } from '../support/mounts.ts';
import { checkout, GID, UID } from '../support/ordinary-user.ts';
import {
  gone,
  type RootlessRun,
  startRootless,
  startRootlessShell,
  userWithFuse,
} from './support/rootless-run.ts';

/** A run that has ended, and one of the same user that waits for a signal: for all tests that need no run of their own. */
class TwoRuns {
  readonly #scope = fileScope();
  #ended: Promise<RootlessRun> | undefined;
  #waiting: Promise<RootlessRun> | undefined;

  ended(): Promise<RootlessRun> {
    this.#ended ??= this.#first();
    return this.#ended;
  }

  waiting(): Promise<RootlessRun> {
    this.#waiting ??= this.#second();
    return this.#waiting;
  }

  async #first(): Promise<RootlessRun> {
    const script = `
      cd "$DIR"; mkdir u-+1; echo '{"a":1}' >u-+1/creds.json; echo text >notes.txt
      echo "user $(id -u):$(id -g)"; grep CapEff /proc/self/status
      stat -c '%n %u:%g %a' . u-+1 u-+1/creds.json notes.txt`;
    // Standard input is empty, so the command ends by itself.
    const run = await startRootlessShell(this.#scope, `umask 022; ${script}; read -r line; exit 7`);
    await run.ended();
    return run;
  }

  async #second(): Promise<RootlessRun> {
    const { user } = await this.ended();
    const script = 'cat "$DIR/u-+1/creds.json"; echo ready; exec sleep 600';
    const run = await startRootlessShell(this.#scope, script, { user });
    await untilLogged(run.process, /^ready$/m);
    return run;
  }
}

const runs = new TwoRuns();

test('the command has the user’s own numbers, and so have the files; the status is the command’s exit status', async () => {
  const run = await runs.ended();
  assert.deepEqual(await run.ended(), { code: 7, signal: null }, run.process.log());
  const log = run.process.log();
  assert.match(log, new RegExp(`^user ${UID}:${GID}$`, 'm'));
  assert.match(log, /^CapEff:\t0000000000000000$/m);
  for (const line of ['. ID 755', 'u-+1 ID 700', 'u-+1/creds.json ID 600', 'notes.txt ID 600'])
    assert.ok(log.includes(`\n${line.replace('ID', `${UID}:${GID}`)}\n`), `${line} is not in ${log}`);
  const chosen = logLines(log).filter(({ msg }) => /namespace/.test(msg));
  assert.equal(chosen.length, 1, log);
  assert.match(String(chosen[0]?.msg), /may not mount here: mounting in a user and mount namespace/);
  // What is left belongs to the user, too, and only to the user.
  for (const name of ['sessions.sealed', 'sessions.sealed.key', 'sessions.sealed/lock']) {
    const { uid, gid, mode } = statSync(join(run.user.home, name));
    assert.deepEqual([uid, gid, mode & 0o077], [UID, GID, 0], name);
  }
});

test('what is mounted and unmounted outside is so within, and nothing of the inside gets out', async () => {
  const run = await runs.waiting();
  const other = run.user.directory('other');
  const outside = (...command: string[]) =>
    execFileSync('nsenter', [`--mount=/proc/${run.outside}/ns/mnt`, ...command]);
  const isSeenBy = (pid: number, path: string) =>
    readFileSync(`/proc/${pid}/mountinfo`, 'utf8').includes(` ${path} `);
  outside('mount', '-t', 'tmpfs', 'none', other);
  assert.ok(isSeenBy(run.command(), other));
  outside('umount', other);
  assert.ok(!isSeenBy(run.command(), other));
  assert.ok(isSeenBy(run.command(), run.mountPoint));
  assert.ok(!isSeenBy(run.outside, run.mountPoint));
});

test('no process outside of the namespace sees the mount', async () => {
  const run = await runs.waiting();
  assert.match(run.process.log(), /^\{"a":1\}$/m);
  assert.equal(mountAt(run.mountPoint), undefined);
  assert.deepEqual(readdirSync(run.mountPoint), []);
  const within = readFileSync(`/proc/${run.command()}/mountinfo`, 'utf8');
  assert.match(within, new RegExp(` ${run.mountPoint} \\S+ - fuse\\.sessionfs sessionfs `));
  // Not even root gets in by the back door.
  assert.throws(() => readdirSync(`/proc/${run.command()}/root${run.mountPoint}`), { code: 'EACCES' });
});

test('the image’s health check enters the namespace, as the same user', async () => {
  const run = await runs.waiting();
  const beside = [`--mount=/proc/${run.outside}/ns/mnt`, 'setpriv', `--reuid=${UID}`, `--regid=${GID}`];
  const check = () => {
    const args = [...beside, '--clear-groups', '--', `${checkout}/bin/sessionfs-health`];
    const env = cleanEnvironment({ SESSION_STORAGE_PATH: run.mountPoint });
    const { status, stdout, stderr } = spawnSync('nsenter', args, { encoding: 'utf8', env });
    return { status, output: stdout + stderr };
  };
  assert.deepEqual(check(), { status: 0, output: '' });
  const daemon = run.daemon();
  process.kill(daemon, 'SIGSTOP');
  const { status, output } = check();
  process.kill(daemon, 'SIGCONT');
  assert.deepEqual([status, output], [1, `unhealthy: ${run.mountPoint} does not answer\n`]);
});

test('SIGUSR2 hands the mount over to a new daemon, and nothing of the run is left at its end', async () => {
  const run = await runs.waiting();
  const daemon = run.daemon();
  run.process.signal('SIGUSR2');
  await untilLogged(run.process, /Took the mount over/);
  assert.notEqual(run.daemon(), daemon);
  assert.doesNotMatch(run.process.log(), /The daemon died/);
  run.process.signal('SIGTERM');
  assert.equal((await run.ended()).code, 143, run.process.log());
  await gone(run);
});

test('127 for a command that does not exist, 126 for one that cannot be executed', async (t) => {
  const user = await userWithFuse(t);
  const missing = await startRootless(t, ['sessionfs-no-such-command'], { user });
  assert.equal((await missing.ended()).code, 127, missing.process.log());
  assert.match(missing.process.log(), /sessionfs-no-such-command: No such file/);
  const file = join(user.home, 'not-executable');
  writeFileSync(file, 'text', { mode: 0o644 });
  const forbidden = await startRootless(t, [file], { user });
  assert.equal((await forbidden.ended()).code, 126, forbidden.process.log());
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1'] as const) {
  test(`${signal} is passed on, and the command decides how it ends`, async (t) => {
    const name = signal.slice(3);
    const script = `trap 'echo got ${name}; exit 5' ${name}; echo waiting; while :; do sleep 0.05; done`;
    const run = await startRootlessShell(t, script);
    await untilLogged(run.process, /waiting/);
    run.process.signal(signal);
    assert.equal((await run.ended()).code, 5, run.process.log());
    assert.equal(run.process.log().match(new RegExp(`^got ${name}$`, 'gm'))?.length, 1);
  });
}

test('the command does not see the key, nor the processes that have it: it is in the environment of the one alone that the user started', async (t) => {
  const key = '89abcdef01234567'.repeat(4);
  const script = `env; for process in $SUPERVISOR $OUTSIDE $(cat /proc/$SUPERVISOR/task/*/children); do
    [ $process = $$ ] || { tr '\\0' '\\n' </proc/$process/environ && echo leaked $process; }; done`;
  const run = await startRootlessShell(
    t,
    `SUPERVISOR=$PPID OUTSIDE=$(awk '/^PPid/ { print $2 }' /proc/$PPID/status); ${script}; echo ready; exec sleep 60`,
    { env: { SESSION_ENCRYPTION_KEY: key, OTHER: 'seen' } },
  );
  await untilLogged(run.process, /^ready$/m);
  const others = run.process.processes().filter((pid) => pid !== run.outside);
  assert.ok(
    others.includes(run.supervisor()) && others.includes(run.daemon()) && others.includes(run.command()),
  );
  for (const pid of others)
    assert.ok(!readFileSync(`/proc/${pid}/environ`, 'latin1').includes(key), `${pid}`);
  run.process.signal('SIGTERM');
  assert.equal((await run.ended()).code, 143, run.process.log());
  const log = run.process.log();
  assert.match(log, /^OTHER=seen$/m);
  assert.match(log, /Permission denied/);
  assert.doesNotMatch(log, /leaked|SESSION_ENCRYPTION_KEY|SESSIONFS_OWN_NAMESPACE/);
  assert.ok(!log.includes(key));
  assert.ok(!existsSync(join(run.user.home, 'sessions.sealed.key')));
});
