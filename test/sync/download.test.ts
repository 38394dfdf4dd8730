import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { fileOperations } from '../../src/lib/file-operations.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { Cache } from '../../src/store/cache/cache.ts';
import { Ledger } from '../../src/sync/ledger/ledger.ts';
import { download } from '../../src/sync/restore/download.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('an object that the bucket lists and does not give is waited for; one that it does not list is gone', async (t) => {
  const cachePath = temporaryDirectory(t);
  const bucket = new MemoryBucket();
  const name = toObjectName('u-+1/creds.json', 'file');
  const version = bucket.store(name, Buffer.from('ok'), {});
  const ledger = Ledger.open({ cachePath, bucket: bucket.address, cachedObjects: () => [] });
  t.after(() => ledger.close());
  ledger.absent(name, version);
  const entry = ledger.absentOf('u-+1')[0] ?? assert.fail();
  const inTurn = <T>(request: () => Promise<T>) => request();
  const parts = { bucket, cache: new Cache(cachePath), verify: () => ({ kind: 'opens' }) as const, inTurn };
  bucket.before = ({ operation }) => {
    if (operation === 'get') throw new BucketError('missing', 'not found');
  };
  await assert.rejects(download(parts, entry), { kind: 'missing' });
  bucket.objects.delete(name);
  assert.deepEqual(await download(parts, entry), { kind: 'gone' });
});

test('the turn of a download is over when its bytes are here, before the disk has them', async (t) => {
  const cachePath = temporaryDirectory(t);
  mkdirSync(join(cachePath, 'tmp'));
  let turns = 0;
  const turnsAtSync: number[] = [];
  const cache = new Cache(cachePath, {
    ...fileOperations,
    fsync: (fd) => {
      turnsAtSync.push(turns);
      return fileOperations.fsync(fd);
    },
  });
  const bucket = new MemoryBucket();
  const name = toObjectName('u-+1/creds.json', 'file');
  const version = bucket.store(name, Buffer.from('ok'), {});
  const ledger = Ledger.open({ cachePath, bucket: bucket.address, cachedObjects: () => [] });
  t.after(() => ledger.close());
  ledger.absent(name, version);
  const [entry] = ledger.absentOf('u-+1');
  const inTurn = async <T>(request: () => Promise<T>) => {
    turns++;
    return request().finally(() => turns--);
  };
  bucket.before = () => assert.equal(turns, 1);
  const parts = { bucket, cache, verify: () => ({ kind: 'opens' }) as const, inTurn };
  const { kind } = await download(parts, entry ?? assert.fail());
  assert.equal(kind, 'staged');
  assert.deepEqual(turnsAtSync, [0]);
});
