/** As model.test.ts, with mounts that die and start again: a dead holder's session can always be had. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dies, everyInterleavingOf, releases, type Scenario, writes } from './model/interleavings.ts';
import { heldByA, rules } from './model/scenarios.ts';
import { explore } from './model/search.ts';

const small: Scenario[] = [
  ['a holder that dies and comes back, with uploads', heldByA([{ ...dies, ...writes }, writes]), rules()],
  ['a holder that dies and comes back, and a lost answer', heldByA([dies, {}], { abandons: 1 }), rules()],
  ['a release, and a death', heldByA([{ ...releases, ...dies }, {}]), rules({ epoch: 3 })],
];

const large: Scenario[] = [
  ['death, uploads, a release', heldByA([{ ...dies, ...writes, ...releases }, writes]), rules()],
  ['two contenders, and a holder that dies', heldByA([dies, {}, {}]), rules()],
];

describe('at most one mount may write, no late write counts, a dead holder is always replaced', () => {
  everyInterleavingOf(small, large);

  it('two contenders: the first 100,000 states', (t) => {
    const { states, violation, trace } = explore(heldByA([dies, {}, {}]), rules(), 100_000, 'breadth');
    t.diagnostic(`${states} states`);
    assert.equal(violation, undefined, trace.join('\n'));
  });
});
