/** The decisions one by one; the model (model.test.ts) explores what they come to together. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newIdentity, withNewId } from '../../src/lease/identity.ts';
import { contend, type InboxRecord, renew } from '../../src/lease/protocol.ts';

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

test('a run whose inbox was written before and is gone goes on under another id, and never makes it again', () => {
  const run = { nonce: 'a', opened: true, started: false, grantMs: 60_000, name: 'host' };
  assert.deepEqual(renew(undefined, run), { do: 'new-id' });
  assert.equal(renew(undefined, { ...run, opened: false }).do, 'write');
});

test('another id remembers the ids before it, and the releases that are under way', () => {
  const before = { ...newIdentity(), former: ['oldest'], releasing: ['user-+1'] };
  const after = withNewId(before);
  assert.notEqual(after.id, before.id);
  assert.deepEqual([after.former, after.releasing], [[before.id, 'oldest'], ['user-+1']]);
});
