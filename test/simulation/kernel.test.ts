/** The kernel of the simulation takes nothing for granted that a daemon does not promise. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ModelFile } from '../fs/reference-model.ts';
import { newGiven } from './core/calls.ts';
import { Kernel } from './core/kernel.ts';
import { Machine } from './platform/machine.ts';

test('an fsync commits its file when it is carried out, not when it is answered', () => {
  const kernel = new Kernel(new Machine(1));
  const { model } = kernel;
  const node = model.mknod(model.root, 'a.json', 0o600) as ModelFile;
  model.write(node, 0, Buffer.from('{"a":1}'), false);
  model.write(node, 0, Buffer.from('}'), false);
  assert.equal(model.visible(node).toString(), '}"a":1}', 'no JSON at all: readers see it');
  const at = { id: 64, node, lookups: 1, stale: false, unwritten: false } as const;
  const answered = () => {};
  kernel.carriedOut({
    unique: 2,
    call: { do: 'fsync', at },
    given: newGiven(),
    injectedBefore: 0,
    state: 0,
    answered,
  });
  model.write(node, 0, Buffer.from('['), false);
  assert.equal(
    model.visible(node).toString(),
    '}"a":1}',
    'held back, beside the version that the fsync made',
  );
});
