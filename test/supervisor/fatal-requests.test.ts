import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FatalRequests } from '../../src/supervisor/fatal-requests.ts';

test('a request that came again has one death behind it: the second one that is seen makes three', () => {
  const fatal = new FatalRequests();
  fatal.daemonDied({ number: 2, isInherited: true });
  assert.deepEqual(fatal.numbers, []);
  fatal.daemonDied({ number: 2, isInherited: true });
  assert.deepEqual(fatal.numbers, [2]);
});

test('one that the first daemon was repeating counts from one', () => {
  const fatal = new FatalRequests();
  fatal.daemonDied({ number: 2, isInherited: false });
  fatal.daemonDied({ number: 2, isInherited: true });
  assert.deepEqual(fatal.numbers, []);
  fatal.daemonDied({ number: 2, isInherited: true });
  assert.deepEqual(fatal.numbers, [2]);
});

test('deaths in between that no request caused change nothing, and each request is counted by itself', () => {
  const fatal = new FatalRequests();
  for (const number of [2, 4]) fatal.daemonDied({ number, isInherited: true });
  fatal.daemonDied(undefined);
  assert.deepEqual(fatal.numbers, []);
  for (const number of [4, 2]) fatal.daemonDied({ number, isInherited: true });
  assert.deepEqual(fatal.numbers.sort(), [2, 4]);
});

test('it remembers the latest ones only', () => {
  const fatal = new FatalRequests();
  for (let number = 2; number <= 2000; number += 2) fatal.daemonDied({ number, isInherited: true });
  fatal.daemonDied({ number: 2, isInherited: true });
  fatal.daemonDied({ number: 2000, isInherited: true });
  assert.deepEqual(fatal.numbers, [2000]);
});
