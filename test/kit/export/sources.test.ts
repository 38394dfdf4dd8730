import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tooLarge } from '../../../src/bucket/bucket-error.ts';
import { readObjects } from '../../../src/kit/export/sources.ts';
import { MemoryBucket } from '../../support/memory-bucket.ts';

test('an object that cannot be read as it was stored keeps no other file of the session from being read', async () => {
  const bucket = new MemoryBucket();
  for (const file of ['creds.json', 'huge.json']) bucket.store(`sessions/u/${file}`, Buffer.from('sealed'));
  const stored = await readObjects(bucket, 'u', 2);
  const paths = [...stored.keys()].sort();
  assert.equal(paths.length, 2);
  bucket.before = ({ operation, name }) => {
    if (operation === 'get' && name.endsWith('/huge.json')) throw tooLarge(name, 1);
  };
  const read = await readObjects(bucket, 'u', 2);
  assert.deepEqual(
    paths.map((path) => read.get(path)?.toString()),
    ['sealed', ''],
  );
});
