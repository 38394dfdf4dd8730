/** What `sessionfs rekey` says of a mount that goes while it works, because another rekey, or an operator, ends it. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { rekey } from '../../src/kit/rekey.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('a folder that is no mount any more is not called sealed with the new key', async (t) => {
  const mountPoint = temporaryDirectory(t);
  const sealed = { session: async () => new Map<string, Buffer>(), object: async () => undefined };
  const parts = { mountPoint, sealed, atATime: 1, keyId: '00', rate: 1, progress: () => {} };
  await assert.rejects(rekey(parts), { code: 'REKEY_UNFINISHED', message: /was ended meanwhile/ });
  mkdirSync(join(mountPoint, 'user-+49'));
  await assert.rejects(rekey(parts), { code: 'REKEY_UNFINISHED' });
});
