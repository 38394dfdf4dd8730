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
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { latencies, phases, storeOperations } from './workload/measure.mjs';
import { options } from './workload/options.mjs';
import { survey } from './workload/survey.mjs';

/** Baileys takes most of a second to load, and `check` needs none of it. */
const loadBot = () => import('./workload/bot.mjs');

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
    const { init } = await loadBot();
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
    const { resume } = await loadBot();
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
