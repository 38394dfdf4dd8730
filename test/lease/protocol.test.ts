/** The decisions one by one; the model (model.test.ts) explores what they come to together. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contend, type InboxRecord } from '../../src/lease/protocol.ts';

const inbox = (changes: Partial<InboxRecord>) => ({
  generation: '7',
  record: { start: 'a', challenge: '', condemned: false, grantMs: 60_000, name: 'host', ...changes },
});
const contention = { challenge: 'mine', knownForMs: undefined, takeOverMs: 90_000, grantMs: 60_000 };

test('a contender that finds a condemned holder takes over at once, also if another contender condemned it and died', () => {
  for (const challenge of ['', 'mine', 'of another contender'])
    assert.deepEqual(contend(inbox({ challenge, condemned: true }), contention), { do: 'take-over' });
});

test('a challenge of any contender counts, from when its version of the inbox was known', () => {
  const challenged = inbox({ challenge: 'of another contender' });
  const after = (knownForMs: number | undefined) => contend(challenged, { ...contention, knownForMs }).do;
  assert.deepEqual(
    [after(undefined), after(0), after(89_999), after(90_000)],
    ['wait', 'wait', 'wait', 'condemn'],
  );
});
