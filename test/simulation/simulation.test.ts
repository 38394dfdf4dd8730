/**
 * The world `core` with new seeds for SESSIONFS_SIMULATION_SECONDS (60 unless told otherwise), the world `remote` with seeds of which
 * all ended well. One that fails prints its seed, the last lines of what happened, and the command that runs it again.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SECONDS = Number(process.env.SESSIONFS_SIMULATION_SECONDS ?? 60);
const MAIN = fileURLToPath(new URL('main.js', import.meta.url));
/** Against a run that hangs. */
const PATIENCE_MS = (SECONDS + 300) * 1000;

function simulation(...options: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...options], {
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

test(`every invariant holds in ${SECONDS} seconds of the world core`, (t) => {
  const { status, output } = simulation('--world', 'core', '--seconds', String(SECONDS), '--steps', '8000');
  assert.equal(status, 0, output);
  t.diagnostic(output.trim().split('\n').at(-1) ?? '');
});

/** New seeds wait until an hour of them has found nothing (README.md). */
const REMOTE_SEEDS = Array.from({ length: 16 }, (_, index) => index + 1);

test(`every invariant holds in the world remote with ${REMOTE_SEEDS.length} seeds`, () => {
  // In one process: it takes half as long to start as a seed takes.
  const { status, output } = simulation(
    '--world',
    'remote',
    '--seed',
    REMOTE_SEEDS.join(),
    '--steps',
    '8000',
  );
  assert.equal(status, 0, output);
  for (const seed of REMOTE_SEEDS) assert.match(output, new RegExp(`^remote seed ${seed}: \\d+ steps`, 'm'));
});
