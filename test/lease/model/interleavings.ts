/** What the two files of the model check share: they run beside each other. SESSIONFS_TEST_LEASE_MODEL=full explores larger worlds too. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { explore } from './search.ts';
import type { Rules } from './steps.ts';
import type { World } from './world.ts';

const IS_FULL = process.env.SESSIONFS_TEST_LEASE_MODEL === 'full';
/** A search that is not to end is cut here. */
export const STATES_MAX = IS_FULL ? 6_000_000 : 600_000;

export type Scenario = [string, World, Rules];

export const writes = { writes: 1 };
export const dies = { crashes: 1 };
export const releases = { releases: 1 };

/** A test for each world; for each of `large` only where they are asked for. */
export function everyInterleavingOf(small: readonly Scenario[], large: readonly Scenario[]): void {
  for (const [name, world, given] of IS_FULL ? [...small, ...large] : small) {
    it(`${name}: every interleaving`, (t) => {
      const { states, isComplete, rescued, violation, trace } = explore(world, given, STATES_MAX);
      t.diagnostic(`${states} states, ${rescued} of them with a dead holder`);
      assert.equal(violation, undefined, trace.join('\n'));
      assert.ok(isComplete, `more than ${STATES_MAX} states`);
    });
  }
}
