import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cleanUp, type Scope } from './cleanup.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** A scope that the test ends itself. */
function makeScope(): { scope: Scope; end(): Promise<void> } {
  const hooks: (() => Promise<void>)[] = [];
  const scope: Scope = { after: (hook) => hooks.push(hook) };
  return {
    scope,
    async end() {
      for (const hook of hooks) await hook();
    },
  };
}

test('what was set up last is cleaned up first', async () => {
  const { scope, end } = makeScope();
  const done: string[] = [];
  cleanUp(scope, () => void done.push('folder'));
  cleanUp(scope, async () => void done.push('mount'));
  await end();
  assert.deepEqual(done, ['mount', 'folder']);
});

test('a cleanup that fails is reported, and the others run all the same', async () => {
  const { scope, end } = makeScope();
  const done: string[] = [];
  cleanUp(scope, () => void done.push('folder'));
  cleanUp(scope, () => {
    throw new Error('busy');
  });
  await assert.rejects(end(), /busy/);
  assert.deepEqual(done, ['folder']);
});

test('a temporary directory goes with all it holds', async () => {
  const { scope, end } = makeScope();
  const directory = temporaryDirectory(scope);
  writeFileSync(join(directory, 'creds.json'), '{}');
  await end();
  assert.ok(!existsSync(directory));
});
