/**
 * Explores every interleaving of a few mounts that want one session: requests that arrive at any later time or never, answers
 * that get lost, mounts that stand still, releases, deleted inboxes. model-deaths.test.ts has the worlds in which a mount dies.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as protocol from '../../src/lease/protocol.ts';
import {
  dies,
  everyInterleavingOf,
  releases,
  type Scenario,
  STATES_MAX,
  writes,
} from './model/interleavings.ts';
import { heldByA, heldEmptyByA, rules, untouched } from './model/scenarios.ts';
import { explore } from './model/search.ts';
import type { Rules } from './model/steps.ts';
import type { World } from './model/world.ts';

const small: Scenario[] = [
  ['a session that no mount ever held', untouched([{}, {}]), rules()],
  ['a holder and a contender', heldByA([{}, {}]), rules({ epoch: 3 })],
  ['the same with slower clocks', heldByA([{}, {}]), rules({}, { grant: 2, takeOver: 2 })],
  ['a holder that goes on under a new id', heldByA([{}, {}]), rules({ newIds: 1 })],
  ['uploads and deletions', heldByA([writes, writes]), rules()],
  ['a first upload', heldEmptyByA([writes, writes]), rules()],
];

const large: Scenario[] = [
  ['uploads and a lost answer', heldByA([writes, writes], { abandons: 1 }), rules()],
  ['a first upload and a lost answer', heldEmptyByA([writes, writes], { abandons: 1 }), rules()],
  ['releases and a lost answer', heldByA([releases, {}], { abandons: 1 }), rules({ epoch: 3 })],
  ['a deleted inbox', heldByA([{}, {}], { deletions: 1 }), rules({ newIds: 1 })],
  [
    'releases both ways, and uploads',
    heldByA([
      { ...writes, ...releases },
      { ...writes, ...releases },
    ]),
    rules({ epoch: 3 }),
  ],
  ['two contenders', heldByA([{}, {}, {}]), rules()],
];

describe('at most one mount may write, and no late write counts', () => everyInterleavingOf(small, large));

const TWO_WRITERS = 'two mounts may write the session';
const LATE = 'a late write changed a session that was handed over';

type Protocol = Partial<typeof protocol>;
const changed = (change: Protocol): Partial<Rules> => ({ protocol: { ...protocol, ...change } });

const mutations: [string, World, Rules, string][] = [
  ['a grant that lasts longer than a challenge', heldByA([{}, {}]), rules({}, { grant: 2 }), TWO_WRITERS],
  [
    'a grant that counts from the answer',
    heldByA([{}, {}]),
    rules({}, { countsFromAnswer: true }),
    TWO_WRITERS,
  ],
  [
    'a challenge that counts from when it was sent',
    heldByA([{}, {}]),
    rules({}, { knowsFromSend: true }),
    TWO_WRITERS,
  ],
  [
    'taking over without condemning',
    heldByA([{}, {}]),
    rules(
      {},
      changed({ contend: (inbox, how) => withoutCondemning(protocol.contend(inbox, how), 'take-over') }),
    ),
    TWO_WRITERS,
  ],
  [
    'a holder that does not mind being condemned',
    heldByA([{}, {}]),
    rules({}, changed({ renew: whileRunning(absolved) })),
    TWO_WRITERS,
  ],
  [
    'not storing everything again after taking over',
    heldByA([writes, {}]),
    rules({}, changed({ takeOver: (owner, me) => withoutRefresh(protocol.takeOver(owner, me)) })),
    LATE,
  ],
  [
    'not raising the floor',
    heldEmptyByA([writes, {}]),
    rules(
      {},
      changed({
        raiseFloor: (owner) => ({
          record: { ...owner.record, refresh: false },
          ifGeneration: owner.generation,
        }),
      }),
    ),
    LATE,
  ],
  [
    'trusting an owner object after a release that was never answered',
    heldByA([{ ...releases, ...dies }, {}]),
    rules({ epoch: 3 }, changed({ claim: (owner, me) => protocol.claim(owner, { ...me, unsure: false }) })),
    TWO_WRITERS,
  ],
  [
    'a clean release with an upload under way',
    heldByA([{ ...releases, ...writes }, {}], { abandons: 1 }),
    rules({}, changed({ release: (owner) => protocol.release(owner, true) })),
    LATE,
  ],
  [
    'making a deleted inbox again',
    heldByA([{}, {}], { deletions: 1 }),
    rules(
      {},
      changed({
        renew: (inbox, run) => (inbox || !run.started ? protocol.renew(inbox, run) : newInbox(run)),
      }),
    ),
    TWO_WRITERS,
  ],
  [
    'accepting an inbox that a contender made',
    heldByA([{}, {}], { deletions: 1, abandons: 1 }),
    rules({}, changed({ renew: whileRunning(adopted) })),
    TWO_WRITERS,
  ],
  [
    'never condemning',
    heldByA([dies, {}]),
    rules({}, changed({ contend: (inbox, how) => withoutCondemning(protocol.contend(inbox, how), 'wait') })),
    'a dead holder keeps a session for ever',
  ],
];

describe('the search finds what is wrong', () => {
  for (const [name, world, given, violation] of mutations) {
    it(name, (t) => {
      const found = explore(world, given, STATES_MAX, 'breadth');
      t.diagnostic(`${found.states} states: ${found.trace.join('; ')}`);
      assert.equal(found.violation, violation);
    });
  }
});

type SeenInbox = protocol.Seen<protocol.InboxRecord> | undefined;

function withoutCondemning(step: protocol.ContendStep, instead: 'take-over' | 'wait'): protocol.ContendStep {
  return step.do === 'condemn' ? { do: instead } : step;
}

function absolved(inbox: SeenInbox): SeenInbox {
  return inbox && { ...inbox, record: { ...inbox.record, condemned: false } };
}

function adopted(inbox: SeenInbox, nonce: string): SeenInbox {
  return inbox?.record.start === '' ? { ...inbox, record: { ...inbox.record, start: nonce } } : inbox;
}

function withoutRefresh(write: protocol.Write<protocol.OwnerRecord>): typeof write {
  return { ...write, record: { ...write.record, refresh: false } };
}

/** A run that has begun reads its inbox as `change` makes it. */
function whileRunning(change: (inbox: SeenInbox, nonce: string) => SeenInbox): typeof protocol.renew {
  return (inbox, run) => protocol.renew(run.started ? change(inbox, run.nonce) : inbox, run);
}

function newInbox({ nonce }: protocol.Run): protocol.RenewStep {
  const record = { start: nonce, challenge: '', condemned: false, grantMs: 1, name: '' };
  return { do: 'write', record, ifGeneration: '0' };
}
