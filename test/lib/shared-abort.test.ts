import assert from 'node:assert/strict';
import { once, setMaxListeners } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sharedAbort } from '../../src/lib/shared-abort.ts';

const CALLS = 50;

async function warnedOf({ signal }: AbortController): Promise<boolean> {
  const warned = once(process, 'warning').then(() => true);
  for (let call = 0; call < CALLS; call++) signal.addEventListener('abort', () => {});
  return Promise.race([warned, sleep(50, false)]);
}

test('many calls may listen to one signal without the warning that Node gives by itself', async () => {
  assert.equal(await warnedOf(sharedAbort()), false);
  const limited = new AbortController();
  // A later Node has no limit of its own.
  setMaxListeners(10, limited.signal);
  assert.equal(await warnedOf(limited), true);
});
