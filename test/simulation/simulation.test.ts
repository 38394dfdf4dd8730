/**
 * The simulation with new seeds, for SESSIONFS_SIMULATION_SECONDS in all (5 unless told otherwise, until the finding of seed 295026048 is mended; then 60); one that fails prints its
 * seed, the last lines of what happened, and the command that runs it again.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SECONDS = Number(process.env.SESSIONFS_SIMULATION_SECONDS ?? 5);
const MAIN = fileURLToPath(new URL('main.js', import.meta.url));
/** Against a run that hangs. */
const PATIENCE_MS = (SECONDS + 300) * 1000;
/** What the code does not survive yet (README.md says why): these are simulated by hand until it does. */
const SPARED = ['deaths', 'reloads', 'badDisks'];

function simulation(...options: string[]): { status: number | null; output: string } {
  const spare = ['--spare', SPARED.join(',')];
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...spare, ...options], {
    encoding: 'utf8',
    timeout: PATIENCE_MS,
    maxBuffer: 1 << 26,
  });
  return { status, output: stdout + stderr };
}

test('a seed is a run: the same steps, the same trace', () => {
  const traces = [1, 1, 2].map((seed) => {
    const { status, output } = simulation('--seed', String(seed), '--steps', '2000');
    assert.equal(status, 0, output);
    return [...output.matchAll(/trace ([0-9a-f]{64})/g)].map(([, hash]) => hash);
  });
  const [first, again, other] = traces;
  assert.ok(first !== undefined && first.length > 0);
  assert.deepEqual(again, first);
  assert.notDeepEqual(other, first);
});

test(`every invariant holds in ${SECONDS} seconds of simulation`, (t) => {
  const { status, output } = simulation('--seconds', String(SECONDS), '--steps', '8000');
  assert.equal(status, 0, output);
  t.diagnostic(output.trim().split('\n').at(-1) ?? '');
});
