/** What `sessionfs restore` asks a bucket for. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { ABSENT } from '../../../src/bucket/bucket.ts';
import { openDirectoryBucket } from '../../../src/bucket/directory/directory-bucket.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { listRestorable, newestInTrash } from '../../../src/kit/export/restorable.ts';
import { keptVersionObject } from '../../../src/naming/kept-version-object.ts';
import { toObjectName } from '../../../src/naming/object-name.ts';
import { trashName, trashObject } from '../../../src/naming/trash-name.ts';
import { MemoryBucket } from '../../support/memory-bucket.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

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

test('what can be brought back of one session is what is listed of it among all', async (t) => {
  const top = temporaryDirectory(t);
  const bucket = openDirectoryBucket(join(top, 'bucket'));
  for (const session of ['user-+4', 'user-+49', 'user-+4.9']) {
    const creds = toObjectName(`${session}/creds.json`, 'file');
    for (const name of [trashObject(trashName(session, 1_000)), keptVersionObject(`${creds}.2000`)])
      await bucket.put(name, Buffer.from('sealed'), { ifGeneration: ABSENT, metadata: {} });
  }
  bucket.close();
  const config = loadConfig(
    {
      SESSION_STORAGE_PATH: join(top, 'sessions'),
      SESSION_CACHE_PATH: join(top, 'cache'),
      STORAGE_BUCKET: `file://${join(top, 'bucket')}`,
    },
    {},
  );
  const all = await listRestorable(config, undefined, assert.fail);
  assert.equal(all.length, 6);
  const one = await listRestorable(config, 'user-+4', assert.fail);
  assert.deepEqual(one, [
    { session: 'user-+4', what: 'session', ms: 1_000, sinceMs: undefined, source: 'trash' },
    { session: 'user-+4', what: 'credentials', ms: 2_000, sinceMs: undefined, source: 'kept version' },
  ]);
  assert.deepEqual(
    one,
    all.filter(({ session }) => session === 'user-+4'),
  );
});
