/** A cache that is given another bucket, and its first one back. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { loadConfig } from '../../src/config/load.ts';
import { Keyring } from '../../src/crypto/keyring.ts';
import { imageName } from '../../src/naming/image-name.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { createLogger } from '../../src/observe/log.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { openRemote } from '../../src/remote/open.ts';
import { Cache } from '../../src/store/cache/cache.ts';
import { Ledger } from '../../src/sync/ledger/ledger.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const WHOLE = 'u-+1';
const PART = 'u-+2';
const CHANGED = 'u-+3';
const version = { generation: '7', crc32c: 1, size: 2, updatedMs: 3 };

test('a session of which the rest is in the bucket before does not go to the new one: what is here of it is kept aside', async (t) => {
  const rig = new Rig(temporaryDirectory(t));
  const { cache } = rig;
  const ledger = rig.ledgerOf('one');
  for (const session of [WHOLE, PART, CHANGED]) {
    await cache.mkdir(`${session}/deep`, Buffer.from('meta'));
    for (const file of ['creds.json', 'deep/key.json']) {
      await cache.put(`${session}/${file}`, Buffer.from('ok'));
      ledger.same(toObjectName(`${session}/${file}`, 'file'), version);
    }
    rig.makeImage(`${session}/deep/key.json`);
  }
  // Newer in the bucket, and older in the cache.
  for (const session of [PART, CHANGED])
    ledger.absent(toObjectName(`${session}/creds.json`, 'file'), { ...version, generation: '8' });
  ledger.absent(toObjectName('u-+4/creds.json', 'file'), version);
  // As in local mode.
  await ledger.changed([toObjectName(`${CHANGED}/deep/key.json`, 'file')], []);
  ledger.close();

  assert.deepEqual(await rig.dirtyIn('two'), [WHOLE, CHANGED]);
  assert.equal(existsSync(cache.files.locate(toObjectName(PART, 'directory'))), false, 'nothing serves it');
  const withImage = [WHOLE, PART, CHANGED].filter((session) => rig.hasImage(`${session}/deep/key.json`));
  assert.deepEqual(withImage, [WHOLE, CHANGED], 'what stood for a database of it in the bucket');
  const kept = readdirSync(join(cache.path, 'set-aside')).map((name) => name.replace(/\.\d+$/, ''));
  assert.deepEqual(
    kept.sort(),
    ['creds.json', 'deep%2Fkey.json'].map((name) => `sessions%2Fu%2F+2%2F${name}`),
  );
  const told = rig.lines.filter(({ msg }) => msg.startsWith('Of sessions that are newer in the bucket'));
  assert.deepEqual(
    told.map(({ sessions, files, bucket }) => ({ sessions, files, bucket })),
    [{ sessions: [PART], files: 2, bucket: rig.addressOf('one') }],
  );

  assert.deepEqual(await rig.dirtyIn('one'), [WHOLE, CHANGED], 'the first bucket has the other one whole');
  const back = rig.ledgerOf('one');
  assert.deepEqual(
    back.entriesOf(PART).map(({ local }) => local),
    ['absent', 'absent'],
  );
  back.close();
});

class Rig {
  readonly cache: Cache;
  readonly lines: { msg: string; [field: string]: unknown }[] = [];
  readonly #directory: string;
  readonly #keyring = Keyring.fromHex('07'.repeat(32));

  constructor(directory: string) {
    this.#directory = directory;
    this.cache = Cache.open(join(directory, 'cache'), {
      mountPoint: join(directory, 'mount'),
      keyId: this.#keyring.currentId,
    });
  }

  addressOf(bucket: string): string {
    return pathToFileURL(join(this.#directory, bucket)).href;
  }

  ledgerOf(bucket: string): Ledger {
    const cachePath = this.cache.path;
    return Ledger.open({ cachePath, bucket: this.addressOf(bucket), cachedObjects: () => [] });
  }

  /** As if the file were a database that was stored. */
  makeImage(path: string): void {
    const image = this.#imageOf(path);
    mkdirSync(dirname(image), { recursive: true });
    writeFileSync(image, 'image');
  }

  hasImage(path: string): boolean {
    return existsSync(this.#imageOf(path));
  }

  #imageOf(path: string): string {
    return this.cache.files.locate(imageName(toObjectName(path, 'file')));
  }

  /** Opens the cache with the bucket as a daemon does; the sessions with files that the bucket lacks. */
  async dirtyIn(bucket: string): Promise<string[]> {
    const mountPoint = join(this.#directory, 'mount');
    const config = loadConfig(
      {
        SESSION_STORAGE_TYPE: 'hybrid',
        SESSION_STORAGE_PATH: mountPoint,
        STORAGE_BUCKET: this.addressOf(bucket),
      },
      {},
    );
    const destination = { write: (line: string) => void this.lines.push(JSON.parse(line)) };
    const remote = await openRemote({
      ...{ config, mountPoint, cache: this.cache, keyring: this.#keyring, metrics: new Metrics() },
      log: createLogger({ level: 'warn', destination }),
      takeover: false,
    });
    const sessions = remote.dirtySessions();
    await remote.close();
    return sessions.sort();
  }
}
