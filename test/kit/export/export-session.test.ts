/** `sessionfs export` of a session that the cache has in part only. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ABSENT } from '../../../src/bucket/bucket.ts';
import { openDirectoryBucket } from '../../../src/bucket/directory/directory-bucket.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { Keyring } from '../../../src/crypto/keyring.ts';
import { sealedSize, sealInto } from '../../../src/crypto/sealed-file.ts';
import { exportSession, type Source } from '../../../src/kit/export/export-session.ts';
import { toObjectName } from '../../../src/naming/object-name.ts';
import { Cache } from '../../../src/store/cache/cache.ts';
import { Ledger } from '../../../src/sync/ledger/ledger.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { unstopped } from './support/unstopped.ts';

const S = 'user-+49';
const KEY = '11'.repeat(32);
const META = { mode: 0o100600, uid: 0xffffffff, gid: 0xffffffff, mtimeSec: 1, mtimeNsec: 0 };

function seal(keyring: Keyring, path: string): Buffer {
  const out = Buffer.alloc(sealedSize(2));
  sealInto(out, 0, keyring, path, META, Buffer.from('{}'));
  return out;
}

test('what a restore has not fetched yet comes from the bucket, and half a session is never called a whole one', async (t) => {
  const top = temporaryDirectory(t);
  const [mountPoint, cachePath, bucketPath] = ['sessions', 'cache', 'bucket'].map((name) =>
    join(top, name),
  ) as [string, string, string];
  for (const path of [mountPoint, bucketPath]) mkdirSync(path);
  const bucketUrl = pathToFileURL(bucketPath).href;
  const keyring = Keyring.fromHex(KEY);
  Cache.open(cachePath, { mountPoint, keyId: keyring.currentId });
  const bucket = openDirectoryBucket(bucketPath);
  const ledger = Ledger.open({ cachePath, bucket: bucketUrl, cachedObjects: () => [] });
  for (const file of ['creds.json', 'key.json', 'auth.db']) {
    const name = toObjectName(`${S}/${file}`, 'file');
    const bytes = seal(keyring, `${S}/${file}`);
    const version = await bucket.put(name, bytes, { ifGeneration: ABSENT, metadata: {} });
    // As after a kill: credentials are restored first.
    ledger.absent(name, version);
    if (file !== 'creds.json') continue;
    mkdirSync(join(cachePath, dirname(name)), { recursive: true });
    writeFileSync(join(cachePath, name), bytes);
    // Of another version than the object.
    writeFileSync(join(cachePath, `${dirname(name)}/auth.db-wal`), seal(keyring, `${S}/auth.db-wal`));
    ledger.same(name, version);
  }
  ledger.close();
  bucket.close();

  const config = loadConfig(
    {
      SESSION_STORAGE_PATH: mountPoint,
      SESSION_CACHE_PATH: cachePath,
      SESSION_STORAGE_TYPE: 'hybrid',
      STORAGE_BUCKET: bucketUrl,
    },
    {},
  );
  const warnings: string[] = [];
  const exported = async (from?: Source) => {
    const folder = join(top, `exported-${readdirSync(top).length}`);
    const request = { session: S, folder, config, from, onlyKeptVersions: false, shield: unstopped };
    await exportSession(request, { SESSION_ENCRYPTION_KEY: KEY }, (text) => warnings.push(text));
    return readdirSync(folder).sort();
  };
  assert.deepEqual(await exported(), ['auth.db', 'creds.json', 'key.json']);
  assert.deepEqual(warnings, []);
  assert.deepEqual(await exported('cache'), ['auth.db-wal', 'creds.json']);
  assert.match(warnings.join(), /^2 files of user-\+49 are only in the bucket/);
  renameSync(bucketPath, `${bucketPath}.away`);
  await assert.rejects(exported(), { code: 'BUCKET_UNAVAILABLE', message: /2 files of it cannot be had/ });
});
