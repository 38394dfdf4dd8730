/** Images of databases that are made from the cache, as at the end of a mount. */
import assert from 'node:assert/strict';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Keyring } from '../../src/crypto/keyring.ts';
import { OWNER, openSealed, sealedSize, sealInto } from '../../src/crypto/sealed-file.ts';
import { imageName } from '../../src/naming/image-name.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { Databases } from '../../src/remote/databases.ts';
import { KernelSide } from '../../src/remote/kernel-side.ts';
import { Cache } from '../../src/store/cache/cache.ts';
import { Ledger } from '../../src/sync/ledger/ledger.ts';
import { KEY } from '../fs/harness.ts';
import { cleanUp } from '../support/cleanup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const PATH = 'u-+1/auth.db';
const NEW_KEY = KEY.replace('0', '1');
const DATABASE = 'SQLite format 3\0'.padEnd(512, '.');

class Made {
  readonly cache: Cache;
  readonly #ledger: Ledger;
  readonly kernel = new KernelSide();

  constructor(t: TestContext) {
    const cachePath = temporaryDirectory(t);
    chmodSync(cachePath, 0o700);
    const { currentId: keyId } = Keyring.fromHex(KEY);
    this.cache = Cache.open(cachePath, { mountPoint: '/nowhere/sessions', keyId });
    this.#ledger = Ledger.open({ cachePath, bucket: 'memory', cachedObjects: () => [] });
    cleanUp(t, () => this.#ledger.close());
  }

  async write(path: string, content: string, keyring: Keyring, mode = 0o100600): Promise<void> {
    const plain = Buffer.from(content);
    const sealed = Buffer.alloc(sealedSize(plain.length));
    const meta = { mode, uid: OWNER, gid: OWNER, mtimeSec: 1, mtimeNsec: 0 };
    sealInto(sealed, 0, keyring, path, meta, plain);
    await this.cache.put(path, sealed);
  }

  databases(keyring: Keyring): Databases {
    const { cache, kernel } = this;
    return new Databases({ cache, keyring, ledger: this.#ledger, kernel, maxBytes: 1 << 20 });
  }

  image(): Buffer {
    return readFileSync(join(this.cache.path, imageName(toObjectName(PATH, 'file'))));
  }
}

test('an image is made anew for another content, mode or key, and for nothing else', async (t) => {
  const made = new Made(t);
  const keyring = Keyring.fromHex(KEY);
  await made.write(PATH, DATABASE, keyring);
  await made.write(`${PATH}-wal`, 'no log', keyring);
  await assert.rejects(made.databases(keyring).make([PATH]), /the next start backs it up/);
  made.kernel.settled(true);
  const report = await made.databases(keyring).make([`${PATH}-wal`, 'u-+1/other.json']);
  assert.deepEqual([report.made, report.companions, report.failed.size], [[PATH], [`${PATH}-wal`], 0]);
  const first = made.image();
  assert.equal(openSealed(keyring, PATH, first).plain.toString(), DATABASE);

  await made.write(PATH, DATABASE, keyring);
  await made.databases(keyring).make([PATH]);
  assert.ok(made.image().equals(first));

  await made.write(PATH, DATABASE, keyring, 0o100640);
  await made.databases(keyring).make([PATH]);
  const second = made.image();
  assert.equal(openSealed(keyring, PATH, second).meta.mode, 0o100640);

  const rekeyed = Keyring.fromHex(NEW_KEY, [KEY]);
  await made.databases(rekeyed).make([PATH]);
  assert.equal(openSealed(Keyring.fromHex(NEW_KEY), PATH, made.image()).plain.toString(), DATABASE);
});
