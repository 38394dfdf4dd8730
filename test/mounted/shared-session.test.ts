/** Two bots on one session of a real mount: warned of in the log, the status and a metric. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runCli } from '../cli/run-cli.ts';
import { cleanUp } from '../support/cleanup.ts';
import { freePort } from '../support/free-port.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { until } from '../support/until.ts';
import { logLines, untilLogged } from './log-lines.ts';

const SHARED = /Two processes write one session in turns/;
const METRIC = /^sessionfs_shared_sessions_total (\d+)$/m;

/** Writes as Baileys does, from the threads of Node's pool, whenever a line comes; answers each with a line. */
const BOT = `
  import { writeFile } from 'node:fs/promises';
  import { createInterface } from 'node:readline';
  const [folder, secret] = process.argv.slice(-2);
  for await (const name of createInterface({ input: process.stdin })) {
    await Promise.all([0, 1, 2, 3].map((i) => writeFile(folder + '/' + name + i + '.json', '{"a":1}')));
    console.log('written');
  }`;

class Bot {
  readonly #process: ChildProcess;

  constructor(t: TestContext, folder: string) {
    const args = ['--input-type=module', '--eval', BOT, folder, '--token=very-secret'];
    this.#process = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    cleanUp(t, () => this.end());
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async writes(): Promise<void> {
    this.#process.stdin?.write('key-\n');
    await once(this.#process.stdout as NonNullable<ChildProcess['stdout']>, 'data');
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }
}

test('two bots on one session are warned of once, with both processes; a restarted bot is not', {
  timeout: 180_000,
}, async (t) => {
  const address = `127.0.0.1:${await freePort()}`;
  const mounted = await mountSessionfs(t, { env: { SESSION_HTTP_ADDRESS: address } });
  const metric = async () => METRIC.exec(await (await fetch(`http://${address}/metrics`)).text())?.[1];
  const status = () => runCli(['status', mounted.mountPoint]).stdout;
  const folder = join(mounted.mountPoint, 'user-+1555');
  mkdirSync(folder);
  for (let start = 0; start < 3; start++) {
    const restarted = new Bot(t, folder);
    await restarted.writes();
    await restarted.writes();
    await restarted.end();
  }
  const [a, b] = [new Bot(t, folder), new Bot(t, folder)];
  await a.writes();
  await b.writes();
  assert.doesNotMatch(mounted.log(), SHARED);
  assert.equal(await metric(), '0');

  for (let i = 0; i < 3; i++) {
    await a.writes();
    await b.writes();
  }
  await untilLogged(mounted, SHARED);
  const lines = logLines(mounted.log()).filter(({ msg }) => SHARED.test(msg));
  const processes = lines[0]?.processes as { pid: number; command: string }[];
  assert.deepEqual([lines.length, lines[0]?.level, lines[0]?.session], [1, 'warn', 'user-+1555']);
  assert.deepEqual(processes.map(({ pid }) => pid).sort(), [a.pid, b.pid].sort());
  assert.ok(processes.every(({ command }) => command === process.execPath));
  await until(async () => (await metric()) === '1');
  const shown = status();
  assert.match(shown, /^TROUBLE +user-\+1555: two processes write it in turns, noticed at /m);
  assert.ok(shown.includes(`${a.pid} (${process.execPath})`), shown);

  await a.end();
  assert.doesNotMatch(status(), /two processes/, 'one of them was stopped');
  await mounted.unmount();
});
