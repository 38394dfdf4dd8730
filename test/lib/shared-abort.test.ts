import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sharedAbort } from '../../src/lib/shared-abort.ts';

const CALLS = 50;

async function warnedOf({ signal }: AbortController): Promise<boolean> {
  const warned = once(process, 'warning').then(() => true);
  for (let call = 0; call < CALLS; call++) signal.addEventListener('abort', () => {});
  return Promise.race([warned, sleep(50, false)]);
}

test('nobody is warned of many calls that listen to one signal, as Node warns by itself', async () => {
  assert.equal(await warnedOf(sharedAbort()), false);
  assert.equal(await warnedOf(new AbortController()), true);
});
