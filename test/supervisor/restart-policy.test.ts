import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RestartPolicy } from '../../src/supervisor/restart-policy.ts';

const KILLED = { refused: false };
const REFUSED = { refused: true };

test('a daemon that was ready is replaced at once', () => {
  const policy = new RestartPolicy();
  for (let death = 0; death < 100; death++) {
    policy.ready();
    assert.equal(policy.died(KILLED), 0);
  }
});

test('daemons that are killed before they are ready are replaced for ever, at most half a second later', () => {
  const policy = new RestartPolicy();
  const delays = Array.from({ length: 1000 }, () => policy.died(KILLED));
  assert.deepEqual(delays.slice(0, 8), [0, 50, 100, 200, 400, 500, 500, 500]);
  assert.deepEqual(new Set(delays.slice(5)), new Set([500]));
});

test('the tenth refusal ends the mount, whatever was killed in between', () => {
  const policy = new RestartPolicy();
  for (let refusal = 1; refusal < 10; refusal++) {
    assert.notEqual(policy.died(REFUSED), undefined);
    assert.notEqual(policy.died(KILLED), undefined);
  }
  assert.equal(policy.died(REFUSED), undefined);
});

test('a daemon that is ready in between forgives the refusals before it', () => {
  const policy = new RestartPolicy();
  for (let refusal = 1; refusal < 10; refusal++) policy.died(REFUSED);
  policy.ready();
  assert.equal(policy.died(KILLED), 0);
  for (let refusal = 1; refusal < 10; refusal++) assert.notEqual(policy.died(REFUSED), undefined);
});
