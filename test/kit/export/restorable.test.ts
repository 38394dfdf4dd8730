/** What `sessionfs restore` asks a bucket for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newestInTrash } from '../../../src/kit/export/restorable.ts';
import { trashName, trashObject } from '../../../src/naming/trash-name.ts';
import { MemoryBucket } from '../../support/memory-bucket.ts';

test('the newest archive of a session until a moment is found without a listing of the whole trash', async () => {
  const bucket = new MemoryBucket();
  const store = (session: string, ms: number) =>
    bucket.store(trashObject(trashName(session, ms)), Buffer.from('archive')).name;
  store('user-+4', 1_000);
  const wanted = store('user-+4', 2_000);
  store('user-+4', 4_000);
  for (const other of ['user-+4.9', 'user-+49', 'user-+5', 'x']) store(other, 2_500);
  assert.equal((await newestInTrash(bucket, 'user-+4', 3_000))?.name, wanted);
  assert.deepEqual(bucket.calls, [{ operation: 'list', name: '.sessionfs/trash/sessions/user/+4.' }]);
  assert.equal(await newestInTrash(bucket, 'user-+4', 500), undefined);
});
