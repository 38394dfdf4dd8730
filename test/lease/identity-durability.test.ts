import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { identityFile, newIdentity } from '../../src/lease/identity.ts';
import { recordDisk } from '../support/recorded-disk.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('an identity that was saved is on stable storage: the content before its name, the name before the call resolves', async (t) => {
  const cache = temporaryDirectory(t);
  const store = identityFile(cache);
  const done = await recordDisk(t, cache);
  await store.save(newIdentity());
  const [path, aside] = [join(cache, 'mount-id'), join(cache, 'mount-id.new')];
  assert.deepEqual(done, [
    { what: 'sync', path: aside },
    { what: 'name', path, from: aside },
    { what: 'sync', path: cache },
  ]);
});
