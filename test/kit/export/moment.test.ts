/** `sessionfs restore --at` from object versions and soft-deleted objects, by the command itself, on real HTTP. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ABSENT, type Bucket } from '../../../src/bucket/bucket.ts';
import { isMissing } from '../../../src/bucket/bucket-error.ts';
import { openDirectoryBucket } from '../../../src/bucket/directory/directory-bucket.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { Keyring } from '../../../src/crypto/keyring.ts';
import { sealedSize, sealInto } from '../../../src/crypto/sealed-file.ts';
import { type RestoredSession, restoreSession, restoreTo } from '../../../src/kit/export/restore-session.ts';
import { ownerCodec, ownerName } from '../../../src/lease/records/owner.ts';
import { writeLeaseRecord } from '../../../src/lease/records/record.ts';
import { exitStatus, SessionfsError } from '../../../src/lib/errors.ts';
import { keptVersionObject } from '../../../src/naming/kept-version-object.ts';
import { toObjectName } from '../../../src/naming/object-name.ts';
import { openGcs, openS3 } from '../../bucket/subjects.ts';
import { readTree } from '../../mounted/session-files.ts';
import { cleanUp } from '../../support/cleanup.ts';
import { cliMain } from '../../support/cli-main.ts';
import { cleanEnvironment } from '../../support/environment.ts';
import { createTestBucket, gcsEmulator } from '../../support/gcs-emulator.ts';
import { type GcsProxy, startGcsProxy } from '../../support/gcs-proxy.ts';
import { createS3Bucket, motoServer, S3_CREDENTIALS } from '../../support/s3-server.ts';
import { databaseWith } from '../../support/sqlite-files.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { until } from '../../support/until.ts';
import { unstopped } from './support/unstopped.ts';

const S = 'user-+49';
const KEY = '11'.repeat(32);
const META = { mode: 0o100600, uid: 0xffffffff, gid: 0xffffffff, mtimeSec: 1, mtimeNsec: 0 };
const PAIRED = '{"me":{"id":"49"},"registered":true}';
/** The phone has not taken the code yet. */
const PAIRING = '{"me":{"id":"49","name":"~"},"pairingCode":"ABCD1234","registered":false}';

interface Listed {
  readonly session?: string;
  readonly what?: string;
  readonly at?: string;
  readonly since?: string;
  readonly source?: string;
}

interface Result {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A bucket as mounts have left it, and the command line on it, with no cache and no mount. */
class Rig {
  readonly top: string;
  readonly bucket: Bucket;
  readonly env: Record<string, string>;
  readonly #keyring = Keyring.fromHex(KEY);
  /** As exact as the store tells times. */
  readonly #pauseMs: number;
  #folders = 0;

  constructor(t: TestContext, bucket: Bucket, settings: Record<string, string>, pauseMs = 5) {
    this.top = temporaryDirectory(t);
    this.bucket = bucket;
    this.#pauseMs = pauseMs;
    const paths = {
      SESSION_STORAGE_PATH: join(this.top, 'sessions'),
      SESSION_CACHE_PATH: join(this.top, 'cache'),
    };
    this.env = { SESSION_ENCRYPTION_KEY: KEY, ...paths, ...settings };
  }

  /** `undefined`: the file is removed. */
  async store(files: Record<string, string | Buffer | undefined>, session = S): Promise<void> {
    for (const [file, text] of Object.entries(files)) {
      const path = `${session}/${file}`;
      const name = toObjectName(path, 'file');
      const ifGeneration = await this.#generation(name);
      if (text === undefined) await this.bucket.delete(name, { ifGeneration });
      else await this.bucket.put(name, this.sealed(path, text), { ifGeneration, metadata: {} });
    }
  }

  sealed(path: string, content: string | Buffer): Buffer {
    const plain = Buffer.from(content);
    const out = Buffer.alloc(sealedSize(plain.length));
    sealInto(out, 0, this.#keyring, path, META, plain);
    return out;
  }

  async #generation(name: string): Promise<string> {
    try {
      return (await this.bucket.head(name)).generation;
    } catch (error) {
      if (isMissing(error)) return ABSENT;
      throw error;
    }
  }

  /** A time that is later than what was stored, and earlier than what will be. */
  async moment(): Promise<string> {
    await sleep(this.#pauseMs);
    const time = new Date().toISOString();
    await sleep(this.#pauseMs);
    return time;
  }

  start(...args: string[]): { child: ChildProcess; ended: Promise<Result> } {
    let child: ChildProcess | undefined;
    const ended = new Promise<Result>((resolve) => {
      const given = [cliMain, 'restore', ...args];
      // The store's proxy lives in this process.
      child = execFile(
        process.execPath,
        given,
        { env: cleanEnvironment(this.env) },
        (error, stdout, stderr) => {
          const status = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
          resolve({ status, signal: error?.signal ?? null, stdout, stderr });
        },
      );
    });
    return { child: child as ChildProcess, ended };
  }

  run(...args: string[]): Promise<Result> {
    return this.start(...args).ended;
  }

  /** What `restore --at TIME --to FOLDER` writes, without a process of its own. */
  async at(time: string): Promise<At> {
    const folder = join(this.top, `to-${this.#folders++}`);
    const warnings: string[] = [];
    const request = { session: S, config: this.config, atMs: Date.parse(time), folder, shield: unstopped };
    const result = await restoreTo(request, { ...this.env }, (text) => warnings.push(text)).catch(
      codeAndMessage,
    );
    return { ...result, warnings, files: existsSync(folder) ? readTree(folder) : undefined };
  }

  get config(): ReturnType<typeof loadConfig> {
    return loadConfig(this.env, {});
  }
}

type At = Partial<Omit<RestoredSession, 'files'>> & {
  code?: string;
  message?: string;
  warnings: string[];
  files: Record<string, string> | undefined;
};

function codeAndMessage(error: unknown): { code: string; message: string } {
  assert.ok(error instanceof SessionfsError, String(error));
  return { code: error.code, message: error.message };
}

async function onGcs(
  t: TestContext,
  settings: object = {},
): Promise<{ rig: Rig; proxy: GcsProxy; name: string }> {
  const emulatorUrl = await gcsEmulator();
  const name = await createTestBucket(emulatorUrl, settings);
  const proxy = await startGcsProxy(t, emulatorUrl);
  const env = { STORAGE_BUCKET: name, STORAGE_EMULATOR_HOST: proxy.url };
  return { rig: new Rig(t, openGcs(t, proxy, { name }), env), proxy, name };
}

const versioned = (t: TestContext) => onGcs(t, { versioning: { enabled: true } });

async function onS3(t: TestContext): Promise<{ rig: Rig }> {
  const url = await motoServer();
  const name = await createS3Bucket(url, true);
  const env = { STORAGE_BUCKET: `s3://${name}`, AWS_ENDPOINT_URL: url, ...S3_CREDENTIALS };
  // It tells whole seconds.
  return { rig: new Rig(t, (await openS3(t, { url }, { name }))(), env, 1100) };
}

const FIRST = { 'creds.json': PAIRED, 'pre-key-1.json': '"one"', 'deep/key.json': '"deep"' };
const SECOND = {
  'creds.json': '{"me":{"id":"49"},"registered":true,"n":2}',
  'pre-key-1.json': '"two"',
  'deep/key.json': undefined,
  'pre-key-2.json': '"new"',
};
const tree = (files: Record<string, string | undefined>) => {
  const folders = 'deep/key.json' in files && files['deep/key.json'] !== undefined ? { 'deep/': '' } : {};
  const there = Object.entries(files).filter(([, text]) => text !== undefined);
  return { ...folders, ...Object.fromEntries(there) };
};

for (const [name, open] of Object.entries({ 'Google Cloud Storage': versioned, S3: onS3 }))
  test(`object versions of ${name}: a session comes back as it was at each moment`, async (t) => {
    const { rig } = await open(t);
    const before = await rig.moment();
    await rig.store(FIRST);
    await rig.store({ 'creds.json': '{"me":{"id":"50"}}' }, 'user-+50');
    const first = await rig.moment();
    await rig.store(SECOND);
    const second = await rig.moment();
    await rig.store(Object.fromEntries(Object.keys(tree(SECOND)).map((file) => [file, undefined])));
    const third = await rig.moment();

    const folder = join(rig.top, 'restored');
    const { status, stdout, stderr } = await rig.run(S, '--at', first, '--to', folder);
    assert.deepEqual([status, stderr, readTree(folder)], [0, '', tree(FIRST)]);
    assert.match(stdout, /^Restored 3 files of .* as of .* \(object versions\)\n/);
    assert.deepEqual((await rig.at(second)).files, tree(SECOND));
    for (const time of [before, third]) {
      const { code, message = '', files } = await rig.at(time);
      assert.deepEqual([code, files], ['SESSION_NOT_FOUND', undefined]);
      assert.match(message, /nothing of user-\+49 was kept until/);
    }

    const [row, ...others] = JSON.parse((await rig.run('--list', '--json')).stdout) as Listed[];
    // The other session has the one version that it always had.
    assert.deepEqual(others, []);
    const { session, what, source, since = '', at = '' } = row ?? {};
    assert.deepEqual([session, what, source], [S, 'session', 'object versions']);
    assert.ok(since < at, `${since} ${at}`);
    assert.deepEqual((await rig.at(since)).code, undefined);
    // Without a moment nothing of this is looked at.
    const request = { session: S, config: rig.config, atMs: undefined, shield: unstopped };
    const now = restoreTo({ ...request, folder: join(rig.top, 'now') }, { ...rig.env }, assert.fail);
    await assert.rejects(now, { code: 'SESSION_NOT_FOUND' });
  });

test('credentials that do not log in are no state to go back to: what was kept until then is taken', async (t) => {
  const { rig } = await versioned(t);
  await rig.store(FIRST);
  const keptMs = Date.parse(await rig.moment());
  const kept = keptVersionObject(`${toObjectName(`${S}/creds.json`, 'file')}.${keptMs}`);
  await rig.bucket.put(kept, rig.sealed(`${S}/creds.json`, PAIRED), { ifGeneration: ABSENT, metadata: {} });
  for (const creds of ['{"me":null}', PAIRING]) {
    await rig.store({ 'creds.json': creds });
    const { what, source, files } = await rig.at(await rig.moment());
    assert.deepEqual([what, source, files], ['credentials', 'kept version', { 'creds.json': PAIRED }], creds);
  }
  const { stdout: list } = await rig.run('--list');
  assert.match(list, /^\S+:\d\dZ \(.* ago\) +user-\+49 {2}credentials +kept version$/m);
  assert.match(
    list,
    /^\S+:\d\dZ \(.* ago\) +user-\+49 {2}session, as it was at any time since \S+:\d\dZ {2}object versions$/m,
  );
  // The time is rounded down, and meant as its whole second.
  const shown = /^(\S+Z) .*session, as it was/m.exec(list)?.[1] ?? '';
  assert.equal((await rig.run(S, '--at', shown, '--to', join(rig.top, 'shown'))).status, 0);
});

test('a file that a rule has deleted since is told of, and one of another session or key is not taken', async (t) => {
  const { rig } = await versioned(t);
  await rig.store({ 'creds.json': '{"me":{"id":"49"},"registered":true,"nextPreKeyId":8}' });
  const time = await rig.moment();
  await rig.store({ 'creds.json': PAIRED });
  const { warnings, files } = await rig.at(time);
  assert.deepEqual(Object.keys(files ?? {}), ['creds.json']);
  assert.match(warnings.join('\n'), /^user-\+49 may not log in: .* of pre-key-7\.json$/);

  const moved = rig.sealed('user-+50/creds.json', PAIRED);
  const name = toObjectName(`${S}/creds.json`, 'file');
  const { generation } = await rig.bucket.head(name);
  await rig.bucket.put(name, moved, { ifGeneration: generation, metadata: {} });
  const foreign = await rig.at(await rig.moment());
  assert.deepEqual([foreign.code, foreign.files], ['EXPORT_INCOMPLETE', undefined]);
  assert.match(foreign.message ?? '', /creds\.json \(wrong-tag\)/);
});

test('through a mount only the credentials of the moment come back where there are keys, else all', async (t) => {
  const { rig } = await versioned(t);
  await rig.store(FIRST);
  const atMs = Date.parse(await rig.moment());
  await rig.store(SECOND);
  const mountPoint = join(rig.top, 'sessions');
  const folder = join(mountPoint, S);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'pre-key-1.json'), 'of today');
  const request = { session: S, mountPoint, config: rig.config, atMs, shield: unstopped };
  const restore = () => restoreSession(request, { ...rig.env }, assert.fail);
  const { what, source } = await restore();
  assert.deepEqual([what, source], ['credentials', 'object versions']);
  assert.deepEqual(readTree(folder), { 'creds.json': PAIRED, 'pre-key-1.json': 'of today' });
  await assert.rejects(restore(), { code: 'RESTORE_REFUSED' });
  assert.equal(readFileSync(join(folder, 'creds.json'), 'utf8'), PAIRED);
});

test('of a session in a database the one that logged in then takes the place of the present one, alone', async (t) => {
  const { rig } = await versioned(t);
  const then = databaseWith(join(rig.top, 'then.db'), PAIRED);
  const since = databaseWith(join(rig.top, 'since.db'), '{"me":null}');
  await rig.store({ 'auth.db': then, 'notes.txt': 'then' });
  const time = await rig.moment();
  await rig.store({ 'auth.db': since, 'notes.txt': 'since' });
  const later = await rig.moment();
  await rig.store({ 'auth.db': databaseWith(join(rig.top, 'pairing.db'), PAIRING) });
  const latest = await rig.moment();
  const mountPoint = join(rig.top, 'sessions');
  const folder = join(mountPoint, S);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'auth.db'), since);
  const restore = (at: string) => {
    const request = { session: S, mountPoint, config: rig.config, atMs: Date.parse(at), shield: unstopped };
    return restoreSession(request, { ...rig.env }, assert.fail);
  };
  for (const at of [later, latest]) await assert.rejects(restore(at), { code: 'SESSION_NOT_FOUND' });
  const { what, files } = await restore(time);
  assert.deepEqual([what, files, readdirSync(folder)], ['credentials', 1, ['auth.db']]);
  assert.deepEqual(readFileSync(join(folder, 'auth.db')), then);
  await assert.rejects(restore(time), { code: 'RESTORE_REFUSED' });
  assert.deepEqual(Object.keys((await rig.at(time)).files ?? {}), ['auth.db', 'notes.txt']);
});

/** FIRST was there at `first`, SECOND at `second`; all was removed since. */
async function softDeleted(t: TestContext) {
  const { rig, proxy } = await onGcs(t);
  proxy.softDelete = true;
  await rig.store(FIRST);
  const first = await rig.moment();
  await rig.store(SECOND);
  const second = await rig.moment();
  await rig.store(Object.fromEntries(Object.keys(tree(SECOND)).map((file) => [file, undefined])));
  const names = async () => (await rig.bucket.list('')).objects.map(({ name }) => name);
  return { rig, proxy, first, second, names };
}

test('soft-deleted objects: a removed session comes back as it was, and the bucket stays as it is', async (t) => {
  const { rig, first, second, names } = await softDeleted(t);
  const { stdout } = await rig.run('--list');
  assert.match(
    stdout,
    /^kept .*\n\S+:\d\dZ \(.* ago\) {2}user-\+49 {2}session, .* since \S+:\d\dZ {2}soft-deleted objects\n$/,
  );
  const folder = join(rig.top, 'restored');
  const once = await rig.run(S, '--at', first, '--to', folder);
  assert.deepEqual([once.stderr, readTree(folder)], ['', tree(FIRST)]);
  assert.match(once.stdout, /\(soft-deleted objects\)\n/);
  assert.deepEqual((await rig.at(second)).files, tree(SECOND));
  assert.deepEqual(await names(), []);
});

test('a newer object is never replaced, and a session that another mount holds is left alone', async (t) => {
  const { rig, first, proxy } = await softDeleted(t);
  await rig.store({ 'creds.json': '{"me":{"id":"newer"}}' });
  const name = toObjectName(`${S}/creds.json`, 'file');
  const { generation } = await rig.bucket.head(name);
  const covered = await rig.at(first);
  assert.deepEqual([covered.code, covered.files], ['SESSION_NOT_FOUND', undefined]);
  assert.match(covered.warnings.join('\n'), /^1 file of that moment .* which stay: remove the session first/);
  assert.equal((await rig.bucket.head(name)).generation, generation);

  await rig.store({ 'creds.json': undefined });
  const record = { holder: 'a'.repeat(32), name: 'host:/sessions', epoch: 1, floor: 0, refresh: false };
  await writeLeaseRecord(rig.bucket, ownerName(S), ownerCodec, { record, ifGeneration: ABSENT });
  const held = await rig.at(first);
  assert.deepEqual([held.code, held.files], ['SESSION_NOT_FOUND', undefined]);
  assert.match(held.warnings.join('\n'), /^the mount host:\/sessions holds the session/);
  assert.equal(proxy.count('restore'), 0);
});

test('what may not be listed or restored, or is not there at all, is said in one line', async (t) => {
  const { rig, first, proxy, names } = await softDeleted(t);
  const fault = { status: 403, reason: 'forbidden', message: 'no storage.objects.restore' };
  proxy.inject({ fault, match: ({ kind }) => kind === 'restore' });
  const folder = join(rig.top, 'restored');
  const unread = await rig.run(S, '--at', first, '--to', folder);
  assert.deepEqual([unread.status, existsSync(folder)], [exitStatus.SESSION_NOT_FOUND, false]);
  assert.match(
    unread.stderr,
    /^sessionfs: cannot restore the soft-deleted .*no storage\.objects\.restore; .*\n/,
  );
  assert.match(unread.stderr, /nothing of user-\+49 was kept until/);
  proxy.inject({ fault, match: ({ query }) => query.has('softDeleted') });
  const list = await rig.run('--list');
  assert.equal(list.status, 0);
  assert.match(
    list.stdout,
    /^Nothing is kept that could be brought back\. What was removed just now .* 10 s\.\n$/,
  );
  assert.match(
    list.stderr,
    /^sessionfs: cannot list what was soft-deleted .* storage\.objects\.restore\)\n$/,
  );
  const unlisted = await rig.at(first);
  assert.match(
    unlisted.warnings.join('\n'),
    /soft-deleted objects are left out.*\ngs:.* has no earlier version/,
  );
  assert.deepEqual(await names(), []);

  const path = join(rig.top, 'directory');
  const bucket = openDirectoryBucket(path);
  cleanUp(t, () => bucket.close());
  const plain = new Rig(t, bucket, { STORAGE_BUCKET: `file://${path}` });
  await plain.store(FIRST);
  const none = await plain.at(await plain.moment());
  assert.equal(none.code, 'SESSION_NOT_FOUND');
  assert.match(none.warnings.join('\n'), /^file:.* has no earlier version of a file of user-\+49$/);
});

test('a signal ends it when what became an object is deleted again', async (t) => {
  const { rig, first, proxy, names } = await softDeleted(t);
  const hold = proxy.hold(({ kind }) => kind === 'get');
  const { child, ended } = rig.start(S, '--at', first, '--to', join(rig.top, 'to'));
  await until(() => hold.count === 2);
  assert.equal((await names()).length, 2);
  child.kill('SIGINT');
  hold.release();
  assert.equal((await ended).signal, 'SIGINT');
  assert.deepEqual(await names(), []);
  assert.equal(proxy.count('restore'), 2, 'credentials were begun after the signal');
});
