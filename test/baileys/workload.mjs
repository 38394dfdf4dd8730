#!/usr/bin/env node
/*
 * A workload on the unmodified @whiskeysockets/baileys, without a network.
 *
 *   node workload.mjs DIR [--mode all|init|resume|check] [--k 4] [--m 400] [--group M/10] [--prekeys 812]
 *                     [--contacts 50] [--fanout 1] [--cache 0] [--rounds 4] [--creds-every 25]
 *                     [--pace-ms 0] [--state multi-file|next-multi-file|next-sqlite]
 *
 *   init    makes K accounts in DIR/userN-+1555000NNN, pairs them, exchanges M direct and GROUP sender-key messages
 *   resume  opens the folders it finds in DIR, with no other input, and continues every conversation
 *   check   parses every file: empty, cut and non-JSON ones, and credentials that would make Baileys start over
 *   all     init, then resume in a process of its own and check (the default)
 *
 * One JSON object on stdout; exit status 1 on any failure. Whatever touches DIR is done by Baileys' own
 * useMultiFileAuthState (or by the states of its develop branch: next-multi-file.mjs, next-sqlite.mjs), wrapped as its makeSocket
 * wraps it; the order of calls is that of its socket, message and app-state code. The server and the phones are a few objects in
 * memory. WORKLOAD_DEBUG=1 shows Baileys' log.
 */
import { spawnSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { devPn, openAccount, pnOf } from './workload/accounts.mjs';
import { converse, groupTalk, lanes } from './workload/conversations.mjs';
import { latencies, phases, storeOperations, timed } from './workload/measure.mjs';
import { options } from './workload/options.mjs';
import { firstSync, login, pair } from './workload/pairing.mjs';
import { survey } from './workload/survey.mjs';

async function init() {
  const server = { accounts: new Map(), preKeys: new Map() };
  const errors = [];
  const accounts = new Map();
  await timed('open', async () => {
    for (let n = 1; n <= options.k; n++)
      accounts.set(n, await openAccount(join(options.dir, `user${n}-+${pnOf(n)}`)));
  });
  for (const account of accounts.values()) {
    if (account.creds.me)
      throw new Error(`${account.dir} already holds a paired account; use an empty directory`);
  }
  await timed('pair', async () => {
    for (const [n, account] of accounts) accounts.set(n, await pair(account, n, server));
  });
  await timed('prekeys+login', () =>
    Promise.all([...accounts].map(([n, account]) => login(account, n, server))),
  );
  await timed('firstSync', () => Promise.all([...accounts].map(([n, account]) => firstSync(account, n))));
  const direct = await timed('messages', () => converse(accounts, server, options.m, 'init', errors));
  const group = await timed('group', () => groupTalk(accounts, server, options.group, 'init', errors));
  for (const account of accounts.values()) account.close();
  return { direct, group, errors };
}

async function resume() {
  const errors = [];
  const accounts = new Map();
  await timed('reopen', async () => {
    for (const { name, n } of await accountFolders()) {
      const account = await openAccount(join(options.dir, name));
      if (account.creds.me?.id === devPn(n)) accounts.set(n, account);
      else errors.push(`${name}: credentials lost, Baileys started over with a new identity (QR code again)`);
    }
  });
  const total = options.rounds * lanes([...accounts.keys()]).length;
  const direct = await timed('resumeMessages', () => converse(accounts, null, total, 'resume', errors));
  const group = await timed('resumeGroup', () => groupTalk(accounts, null, accounts.size, 'resume', errors));
  for (const account of accounts.values()) account.close();
  return { accounts: accounts.size, direct, group, errors };
}

async function accountFolders() {
  const folders = (await readdir(options.dir)).filter((name) => /^user\d+-\+\d+$/.test(name));
  return folders.map((name) => ({ name, n: Number.parseInt(name.slice(4), 10) })).sort((a, b) => a.n - b.n);
}

/** A process of its own: nothing but the files connects the two. */
function resumeElsewhere() {
  const args = [fileURLToPath(import.meta.url), ...options.forward, '--mode', 'resume'];
  const child = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 300_000, maxBuffer: 1 << 26 });
  return child.stdout ? JSON.parse(child.stdout) : { ok: false, error: child.stderr };
}

const perSecond = (count, phase) => Number((count / (phases[phase] / 1000)).toFixed(1));

async function runMode(result) {
  let ok = true;
  if (options.mode === 'init' || options.mode === 'all') {
    result.init = await init();
    result.msgsPerSec = {
      direct: perSecond(result.init.direct, 'messages'),
      group: perSecond(result.init.group, 'group'),
    };
    result.storeOps = { ...storeOperations };
  }
  if (options.mode === 'all') {
    result.resume = resumeElsewhere();
    ok &&= result.resume.ok;
  }
  if (options.mode === 'resume') {
    result.resume = await resume();
    result.storeOps = { ...storeOperations };
    return result.resume.errors.length === 0 && result.resume.accounts > 0;
  }
  result.disk = await survey(options.dir);
  return ok && result.disk.bad.length === 0;
}

const { dir, mode, forward, ...params } = options;
const result = { mode, dir, params };
const started = performance.now();
try {
  result.ok = await runMode(result);
} catch (error) {
  result.ok = false;
  result.error = error.stack;
}
result.phasesMs = phases;
result.latencyMs = latencies();
result.totalMs = Number((performance.now() - started).toFixed(1));
process.stdout.write(`${JSON.stringify(result, null, 1)}\n`, () => process.exit(result.ok ? 0 : 1));
