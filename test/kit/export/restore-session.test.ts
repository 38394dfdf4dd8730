/** What `sessionfs restore` writes, and where: the folder of the session is its user's, who may be no friend of root's. */
import assert from 'node:assert/strict';
import fs, {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadConfig } from '../../../src/config/load.ts';
import { loadKeys } from '../../../src/crypto/key-source.ts';
import type { Keyring } from '../../../src/crypto/keyring.ts';
import { sealedSize, sealInto } from '../../../src/crypto/sealed-file.ts';
import { type RestoredSession, restoreSession, restoreTo } from '../../../src/kit/export/restore-session.ts';
import {
  keptVersionDirectory,
  keptVersionName,
  keptVersionPrefix,
} from '../../../src/naming/kept-version-name.ts';
import { trashDirectory, trashName } from '../../../src/naming/trash-name.ts';
import { Cache } from '../../../src/store/cache/cache.ts';
import { packArchive } from '../../../src/store/set-aside/archive.ts';
import { type CliResult, runCli } from '../../cli/run-cli.ts';
import { databaseWith } from '../../support/sqlite-files.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { unstopped } from './support/unstopped.ts';

const S = 'user-+49';
const META = {
  mode: 0o100600,
  uid: 0xffffffff,
  gid: 0xffffffff,
  mtimeSec: 1,
  mtimeNsec: 0,
};

class Rig {
  readonly #env = { SESSION_ENCRYPTION_KEY: '11'.repeat(32) };
  readonly top: string;
  readonly mountPoint: string;
  readonly folder: string;

  /** The trash has one archive of the session, with these files. */
  constructor(t: TestContext, files: Record<string, string>) {
    this.top = temporaryDirectory(t);
    this.mountPoint = join(this.top, 'sessions');
    this.folder = join(this.mountPoint, S);
    mkdirSync(this.mountPoint);
    const keyring = this.#keyring();
    Cache.open(this.#config.cachePath, { mountPoint: this.mountPoint, keyId: keyring.currentId });
    const sealed = Object.entries(files).map(([path, text]): [string, Buffer] => {
      const out = Buffer.alloc(sealedSize(Buffer.byteLength(text)));
      sealInto(out, 0, keyring, path, META, Buffer.from(text));
      return [path, out];
    });
    const trash = trashDirectory(this.#config.cachePath);
    mkdirSync(trash, { recursive: true });
    writeFileSync(join(trash, trashName(S, 1_700_000_000_000)), packArchive(new Map(sealed)));
  }

  get #config(): ReturnType<typeof loadConfig> {
    return loadConfig(
      { SESSION_STORAGE_PATH: this.mountPoint, SESSION_CACHE_PATH: join(this.top, 'cache') },
      {},
    );
  }

  #keyring(): Keyring {
    return loadKeys({
      ...{ env: { ...this.#env }, keyFile: undefined, keyCommand: undefined },
      ...{ cachePath: this.#config.cachePath, mayGenerate: false, expectedKeyId: undefined },
    }).keyring;
  }

  /** A database with these credentials, as it was kept. */
  keep(path: string, creds: string): void {
    this.keepFile(`${path}.registered`, databaseWith(join(this.top, 'kept.db'), creds));
  }

  keepFile(path: string, plain: Buffer): void {
    const out = Buffer.alloc(sealedSize(plain.length));
    sealInto(out, 0, this.#keyring(), path, META, plain);
    const directory = keptVersionDirectory(this.#config.cachePath);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, keptVersionName(keptVersionPrefix(path), 1_700_000_000_001)), out);
  }

  restore(): Promise<RestoredSession> {
    const { mountPoint } = this;
    return restoreSession(
      { session: S, mountPoint, config: this.#config, atMs: undefined, shield: unstopped },
      { ...this.#env },
      assert.fail,
    );
  }

  /** `sessionfs restore` of the session, with no mount. */
  command(...args: string[]): CliResult {
    const settings = { SESSION_STORAGE_PATH: this.mountPoint, SESSION_CACHE_PATH: this.#config.cachePath };
    return runCli(['restore', this.folder, ...args], { ...settings, ...this.#env });
  }

  restoreTo(folder: string, atMs?: number): Promise<RestoredSession> {
    const request = { session: S, folder, config: this.#config, atMs, shield: unstopped };
    return restoreTo(request, { ...this.#env }, assert.fail);
  }
}

const FILES = { [`${S}/creds.json`]: '{"me":{"id":"49"}}', [`${S}/deep/key.json`]: '{"key":1}' };

test('a removed session comes back, its folders too, and what an application left of a write goes', async (t) => {
  const rig = new Rig(t, FILES);
  mkdirSync(rig.folder);
  writeFileSync(join(rig.folder, 'creds.json.tmp'), 'left');
  assert.equal((await rig.restore()).files, 2);
  assert.deepEqual(readdirSync(rig.folder).sort(), ['creds.json', 'deep']);
  assert.equal(readFileSync(join(rig.folder, 'creds.json'), 'utf8'), FILES[`${S}/creds.json`]);
  assert.equal(readFileSync(join(rig.folder, 'deep/key.json'), 'utf8'), FILES[`${S}/deep/key.json`]);
  await assert.rejects(rig.restore(), { code: 'RESTORE_REFUSED' });
});

test('a link under the name that credentials are written under is replaced, not followed', async (t) => {
  const rig = new Rig(t, FILES);
  const secret = join(rig.top, 'secret');
  writeFileSync(secret, 'of root');
  mkdirSync(rig.folder);
  symlinkSync(secret, join(rig.folder, 'creds.json.tmp'));
  await rig.restore();
  assert.equal(readFileSync(secret, 'utf8'), 'of root');
  assert.ok(lstatSync(join(rig.folder, 'creds.json')).isFile());
});

for (const where of ['.', 'deep', 'creds.json'])
  test(`a link is not followed: ${where}`, async (t) => {
    const rig = new Rig(t, FILES);
    const elsewhere = join(rig.top, 'elsewhere');
    mkdirSync(elsewhere);
    if (where !== '.') mkdirSync(rig.folder);
    symlinkSync(elsewhere, join(rig.folder, where));
    await assert.rejects(rig.restore(), { code: 'RESTORE_REFUSED' });
    assert.deepEqual(readdirSync(elsewhere), []);
  });

/** A disk that is full in the middle of the given file. */
async function restoreCut(t: TestContext, rig: Rig, content: string): Promise<void> {
  const write = t.mock.method(fs, 'writeFileSync', (fd: number, plain: Buffer) => {
    const isLast = plain.toString() === content;
    fs.writeSync(fd, isLast ? plain.subarray(1) : plain);
    if (isLast) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
  });
  await assert.rejects(rig.restore(), { code: 'ENOSPC' });
  write.mock.restore();
}

test('a restore that was cut short goes on with the same session, and with no other one', async (t) => {
  const creds = FILES[`${S}/creds.json`] ?? '';
  const files = { ...FILES, [`${S}/app.db`]: 'of the application', [`${S}/last.json`]: '{"last":1}' };
  const rig = new Rig(t, files);
  rig.keepFile(`${S}/creds.json`, Buffer.from('{"me":{"id":"50"}}'));
  await restoreCut(t, rig, 'of the application');
  assert.deepEqual(
    readdirSync(rig.folder).sort(),
    ['creds.json.restored.tmp', 'deep'],
    'no half file is there',
  );
  await restoreCut(t, rig, '{"last":1}');
  // What a kill leaves, and an application that was about to write.
  writeFileSync(join(rig.folder, 'creds.json.tmp'), 'of');
  writeFileSync(join(rig.folder, 'creds.json.bak'), 'of an application');

  const changed = join(rig.folder, 'deep/key.json');
  writeFileSync(changed, '{"key":2}');
  await assert.rejects(rig.restore(), { code: 'RESTORE_REFUSED', message: /cut short/ });
  writeFileSync(changed, FILES[`${S}/deep/key.json`] ?? '');
  writeFileSync(join(rig.folder, 'creds.json.restored.tmp'), '{"me":{"id":"50"}}');
  await assert.rejects(rig.restore(), { code: 'RESTORE_REFUSED', message: /cut short/ });
  writeFileSync(join(rig.folder, 'creds.json.restored.tmp'), creds);

  const { what, files: written } = await rig.restore();
  assert.deepEqual([what, written], ['session', 2]);
  const names = ['app.db', 'creds.json', 'creds.json.bak', 'deep', 'last.json'];
  assert.deepEqual(readdirSync(rig.folder).sort(), names);
  for (const [path, text] of Object.entries(files))
    assert.equal(readFileSync(join(rig.mountPoint, path), 'utf8'), text);
});

test('credentials that were cut short leave nothing that a later restore would take for a session', async (t) => {
  const rig = new Rig(t, FILES);
  const kept = '{"me":{"id":"50"}}';
  rig.keepFile(`${S}/creds.json`, Buffer.from(kept));
  mkdirSync(rig.folder);
  writeFileSync(join(rig.folder, 'key.json'), '{}');
  await restoreCut(t, rig, kept);
  assert.deepEqual(readdirSync(rig.folder), ['key.json']);
  assert.equal((await rig.restore()).what, 'credentials');
  assert.deepEqual(readdirSync(rig.folder).sort(), ['creds.json', 'key.json']);
});

test('an archive with files of another session is refused', async (t) => {
  const rig = new Rig(t, { 'user-+50/creds.json': '{"me":{"id":"50"}}' });
  await assert.rejects(rig.restore(), { code: 'CACHE_FORMAT' });
  assert.deepEqual(readdirSync(rig.mountPoint), []);
});

test('a database that was kept takes the place of one that does not log in, and of what lies beside that', async (t) => {
  const rig = new Rig(t, FILES);
  const path = join(rig.folder, 'deep/auth.db');
  const paired = '{"me":{"id":"49"}}';
  rig.keep(`${S}/deep/auth.db`, paired);
  mkdirSync(join(rig.folder, 'deep'), { recursive: true });
  for (const suffix of ['-wal', '-shm', '-journal']) writeFileSync(path + suffix, 'of the other');
  for (const present of [Buffer.from('no database'), databaseWith(path, '{"me":null}'), undefined]) {
    if (present === undefined) rmSync(path);
    else writeFileSync(path, present);
    const { what, files } = await rig.restore();
    assert.deepEqual([what, files, readdirSync(join(rig.folder, 'deep'))], ['credentials', 1, ['auth.db']]);
    assert.deepEqual(readFileSync(path), readFileSync(join(rig.top, 'kept.db')));
    await assert.rejects(rig.restore(), { code: 'RESTORE_REFUSED' });
  }
});

test('a session, or what was kept of it later, is written to a folder of its own, without a mount', async (t) => {
  const rig = new Rig(t, FILES);
  rmSync(rig.mountPoint, { recursive: true });
  const [first, second, third] = ['one', 'two', 'three'].map((name) => join(rig.top, name)) as [
    string,
    string,
    string,
  ];
  const restored = await rig.restoreTo(first);
  assert.deepEqual([restored.what, restored.files, restored.folder], ['session', 2, first]);
  assert.equal(readFileSync(join(first, 'deep/key.json'), 'utf8'), FILES[`${S}/deep/key.json`]);
  assert.equal(lstatSync(join(first, 'creds.json')).mode & 0o777, 0o600);
  await assert.rejects(rig.restoreTo(first), { code: 'EXPORT_TARGET' });

  rig.keep(`${S}/auth.db`, '{"me":{"id":"49"}}');
  assert.deepEqual([(await rig.restoreTo(second)).what, readdirSync(second)], ['credentials', ['auth.db']]);
  // Until then there was the archive alone.
  assert.equal((await rig.restoreTo(third, 1_700_000_000_000)).what, 'session');
  await assert.rejects(rig.restoreTo(join(rig.top, 'four'), 1), { code: 'SESSION_NOT_FOUND' });
});

test('the command writes to the folder that --to names, and nowhere else', (t) => {
  const rig = new Rig(t, FILES);
  const folder = join(rig.top, 'restored');
  const before = readdirSync(rig.top).sort();
  const { status, stdout, stderr } = rig.command('--to', folder, '--json');
  assert.equal(status, 0, stderr);
  assert.deepEqual((JSON.parse(stdout) as RestoredSession).folder, folder);
  assert.deepEqual(readdirSync(folder).sort(), ['creds.json', 'deep']);
  assert.deepEqual(readdirSync(rig.top).sort(), [...before, 'restored'].sort());
});
