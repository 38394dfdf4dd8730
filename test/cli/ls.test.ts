import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ABSENT } from '../../src/bucket/bucket.ts';
import { openBucket } from '../../src/bucket/open.ts';
import { mountPointsOf, pathNamed as parsePath, sessionNamed } from '../../src/cli/named-session.ts';
import { cachePathBeside } from '../../src/config/load.ts';
import { sealedSize } from '../../src/crypto/sealed-file.ts';
import type { ListedFile, ListedSession } from '../../src/kit/sessions.ts';
import { exitStatus } from '../../src/lib/errors.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { KEY } from '../fs/harness.ts';
import { harness, mkdir, unlink, write } from '../fs/support.ts';
import { readTree } from '../mounted/session-files.ts';
import { cleanUp } from '../support/cleanup.ts';
import { cliMain } from '../support/cli-main.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { runCli } from './run-cli.ts';

const SESSION = 'user-+1';
const OTHER_KEY = 'ab'.repeat(32);

/** A cache as a killed daemon leaves it, and a bucket that has what was in the cache, and a session more. */
async function killedMount(t: TestContext) {
  const h = harness(t);
  mkdir(h, SESSION);
  for (const name of ['creds.json', 'gone.json']) write(h, `${SESSION}/${name}`, `{"old":"${name}"}`);
  await h.checkpoint();
  const bucket = join(temporaryDirectory(t), 'bucket');
  mkdirSync(bucket);
  const opened = await openBucket({ kind: 'directory', path: bucket });
  for (const [name, of] of [
    ['creds.json', SESSION],
    ['gone.json', SESSION],
    ['creds.json', 'user-+3'],
  ] as const) {
    const sealed = readFileSync(join(h.cachePath, toObjectName(`${SESSION}/${name}`, 'file')));
    await opened.put(toObjectName(`${of}/${name}`, 'file'), sealed, { ifGeneration: ABSENT, metadata: {} });
  }
  opened.close();
  // From here on in the journal only.
  write(h, `${SESSION}/creds.json`, '{"new":true}');
  mkdir(h, 'user-+2');
  write(h, 'user-+2/creds.json', '{}');
  unlink(h, `${SESSION}/gone.json`);
  h.crash();
  return { h, bucket: `file://${bucket}` };
}

test('ls, cat and stat read cache, journal and bucket without a mount, and change nothing', async (t) => {
  const { h, bucket } = await killedMount(t);
  const before = readTree(h.cachePath);
  const ask = (args: readonly string[], env: Record<string, string> = {}) => {
    const { status, stdout, stderr } = runCli(
      [...args, '--cache-path', h.cachePath, '--bucket', bucket],
      env,
    );
    assert.deepEqual([status, stderr], [0, ''], args.join(' '));
    return stdout;
  };
  const sessions = JSON.parse(ask(['ls', '--json'])) as ListedSession[];
  assert.deepEqual(
    sessions.map(({ session, cache, bucket }) => [session, cache?.files, bucket?.files]),
    [
      [SESSION, 1, 2],
      ['user-+2', 1, undefined],
      ['user-+3', undefined, 1],
    ],
  );
  const shown = ask(['ls']);
  assert.match(shown, /^user-\+1 +1 +2 +\d+ B +\d+ \S+ ago {2,}\d+ \S+ ago$/m);
  assert.match(shown, /^user-\+3 +- +1 +\d+ B +- +\d+ \S+ ago$/m);
  // Of what is in the cache alone, in local mode all, it tells the cache: here it is in the journal.
  const [own] = sessions.filter(({ session }) => session === 'user-+2');
  assert.equal(own?.cache?.sealedBytes, sealedSize(2));
  assert.ok(Math.abs(Date.parse(own?.cache?.lastChangedAt ?? '') - Date.now()) < 3_600_000);
  assert.match(shown, /^user-\+2 +1 +- +\d+ B +\d+ \S+ ago +-$/m);
  const listed = (...args: string[]) => JSON.parse(ask(['ls', SESSION, '--json', ...args])) as ListedFile[];
  assert.deepEqual(
    listed().map(({ name, bytes, from }) => [name, bytes, from]),
    [['creds.json', 12, 'cache']],
  );
  assert.deepEqual(
    listed('--from', 'bucket').map(({ name, from }) => [name, from]),
    [
      ['creds.json', 'bucket'],
      ['gone.json', 'bucket'],
    ],
  );
  assert.equal(ask(['cat', `${SESSION}/creds.json`], { SESSION_ENCRYPTION_KEY: KEY }), '{"new":true}');
  const old = ask(['cat', `${SESSION}/creds.json`, '--from', 'bucket'], { SESSION_ENCRYPTION_KEY: KEY });
  assert.equal(old, '{"old":"creds.json"}');
  assert.match(
    ask(['stat', `${SESSION}/creds.json`]),
    /^size +12 bytes \(12 B\)$[\s\S]*^key +[0-9a-f]{16}$/m,
  );
  assert.deepEqual(readTree(h.cachePath), before);
  // Of the bucket one file is asked for, not all of the session: here the other one cannot be read.
  writeFileSync(
    join(bucket.slice('file://'.length), toObjectName(`${SESSION}/gone.json`, 'file')),
    'damaged',
  );
  const one = [`${SESSION}/creds.json`, '--from', 'bucket'];
  assert.equal(ask(['cat', ...one], { SESSION_ENCRYPTION_KEY: KEY }), '{"old":"creds.json"}');
  assert.match(ask(['stat', ...one]), /^from +bucket$/m);
});

test('cat prints nothing that is not verified: another key, a file that was moved, one that is not there', async (t) => {
  const { h, bucket } = await killedMount(t);
  const cat = (path: string, key = KEY, ...args: string[]) =>
    runCli(['cat', path, '--cache-path', h.cachePath, '--bucket', bucket, ...args], {
      SESSION_ENCRYPTION_KEY: key,
    });
  for (const [result, code] of [
    [cat(`${SESSION}/creds.json`, OTHER_KEY), 'KEY_WRONG'],
    [cat('user-+3/creds.json'), 'FILE_REFUSED'],
    [cat(`${SESSION}/none.json`), 'FILE_NOT_FOUND'],
    [cat('none-+0/creds.json'), 'SESSION_NOT_FOUND'],
    [cat('user-+3/none.json'), 'FILE_NOT_FOUND'],
    [cat(SESSION), 'USAGE'],
  ] as const)
    assert.deepEqual([result.status, result.stdout], [exitStatus[code], ''], result.stderr);
});

const ofMountPoints = (env: NodeJS.ProcessEnv) => (named: string | undefined) =>
  parsePath(named, mountPointsOf(env));

test('a new machine and cloud mode have no cache: a path names a mount by the settings, too', async (t) => {
  const directory = temporaryDirectory(t);
  const bucket = join(directory, 'bucket');
  mkdirSync(bucket);
  const opened = await openBucket({ kind: 'directory', path: bucket });
  await opened.put('.sessionfs/note', Buffer.alloc(1), { ifGeneration: ABSENT, metadata: {} });
  opened.close();
  const env = {
    SESSION_STORAGE_TYPE: 'hybrid',
    STORAGE_BUCKET: `file://${bucket}`,
    SESSION_ENCRYPTION_KEY: KEY,
  };
  for (const command of ['ls', 'verify', 'trash list'])
    for (const [named, path] of [
      ['sessions', undefined],
      ['./sessions/', undefined],
      [join(directory, 'elsewhere'), 'elsewhere'],
    ] as const) {
      const settings = path === undefined ? env : { ...env, SESSION_STORAGE_PATH: path };
      const { status, stderr } = runCli([...command.split(' '), named], settings, directory);
      assert.deepEqual([status, stderr], [0, ''], `${command} ${named}`);
    }
  const mountPoint = join(directory, 'elsewhere');
  const pathNamed = ofMountPoints({ SESSION_STORAGE_PATH: mountPoint });
  assert.deepEqual(pathNamed(`${mountPoint}/a-+1/b`), { mountPoint, session: 'a-+1', file: 'b' });
  assert.throws(() => pathNamed(`${directory}/other/a-+1`), { code: 'USAGE' });
});

test('what a pipe does not hold at once is printed all the same, and of what a file does not take the end is told', async (t) => {
  const h = harness(t);
  mkdir(h, SESSION);
  for (let n = 0; n < 500; n++) write(h, `${SESSION}/key-${n}.json`, '{}');
  write(h, `${SESSION}/large.json`, JSON.stringify('x'.repeat(5000)));
  h.crash();
  const run = (script: string, ...args: readonly string[]) =>
    spawnSync('sh', ['-c', script, process.execPath, cliMain, ...args, '--cache-path', h.cachePath], {
      env: cleanEnvironment({ SESSION_ENCRYPTION_KEY: KEY }),
      encoding: 'utf8',
      timeout: 60_000,
    });
  const slow = run('"$0" "$@" | { sleep 1; cat; }', 'ls', SESSION, '--json');
  assert.equal((JSON.parse(slow.stdout) as ListedFile[]).length, 501);
  // A write beyond the limit is a short one, and the next one fails.
  const full = run(
    `trap '' XFSZ; ulimit -f 1; exec "$0" "$@" >'${h.cachePath}.out'`,
    'cat',
    `${SESSION}/large.json`,
  );
  assert.deepEqual([full.status, full.stdout], [exitStatus.OUTPUT_NOT_WRITTEN, '']);
  assert.match(full.stderr, /^sessionfs: the output cannot be written: EFBIG\n/);
});

test('what has no name of a session or of a file is said, and folders are no files', async (t) => {
  const { h, bucket } = await killedMount(t);
  const opened = await openBucket({ kind: 'directory', path: bucket.slice('file://'.length) });
  await opened.put('sessions/user/+3/%dir', Buffer.alloc(1), { ifGeneration: ABSENT, metadata: {} });
  opened.close();
  const run = (...args: string[]) =>
    runCli([...args, '--cache-path', h.cachePath], { SESSION_ENCRYPTION_KEY: KEY });
  for (const command of ['ls', 'verify', 'trash', 'stat']) {
    const { status, stderr } = run(command, '/');
    assert.equal(status, exitStatus.USAGE, command);
    assert.match(stderr, /^sessionfs: "\/" is neither a mount point nor a session\n/);
  }
  const none = run('ls', `${SESSION}/none`);
  assert.deepEqual([none.status, none.stdout], [exitStatus.FILE_NOT_FOUND, '']);
  // Longer than a name on the disk may be.
  for (const args of [['ls'], ['verify'], ['export', '--to', `${h.cachePath}.out`]]) {
    const { status, stderr } = run(...args, 'x'.repeat(300));
    assert.equal(status, exitStatus.SESSION_NOT_FOUND, stderr);
  }
  const listed = JSON.parse(run('ls', '--json', '--bucket', bucket).stdout) as ListedSession[];
  assert.equal(listed.find(({ session }) => session === 'user-+3')?.bucket?.files, 1);
});

test('a path names a mount by the cache beside it', (t) => {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, 'sessions.sealed'));
  writeFileSync(join(directory, 'other'), '');
  const mountPoint = join(directory, 'sessions');
  const pathNamed = ofMountPoints({});
  assert.deepEqual(pathNamed(undefined), { mountPoint: undefined, session: undefined, file: '' });
  assert.deepEqual(pathNamed(`${mountPoint}/`), { mountPoint, session: undefined, file: '' });
  assert.deepEqual(pathNamed(`${mountPoint}/a-+1`), { mountPoint, session: 'a-+1', file: '' });
  assert.deepEqual(pathNamed(`${mountPoint}/a-+1/b/c`), { mountPoint, session: 'a-+1', file: 'b/c' });
  assert.deepEqual(pathNamed('a-+1/b'), { mountPoint: undefined, session: 'a-+1', file: 'b' });
  assert.throws(() => pathNamed(`${directory}/other/a-+1`), { code: 'USAGE' });
  assert.throws(() => pathNamed('..'), { code: 'USAGE' });
});

test('the last slash of a folder’s name, as a shell completes it, names no other session', () => {
  for (const slash of ['', '/', '//']) {
    assert.deepEqual(sessionNamed(`a-+1${slash}`), { session: 'a-+1', mountPoint: undefined });
    assert.deepEqual(sessionNamed(`./x/a-+1${slash}`), { session: 'a-+1', mountPoint: './x' });
  }
  for (const none of ['/', '.', '../', 'x/..']) assert.throws(() => sessionNamed(none), { code: 'USAGE' });
});

test('a path names a mount of root by its cache elsewhere, where others may change the folder', {
  skip: process.geteuid?.() !== 0,
}, (t) => {
  const directory = temporaryDirectory(t);
  chmodSync(directory, 0o777);
  const mountPoint = join(directory, 'sessions');
  const pathNamed = ofMountPoints({});
  assert.throws(() => pathNamed(`${mountPoint}/a-+1`), { code: 'USAGE' });
  const cache = cachePathBeside(mountPoint);
  assert.match(cache, /^\/var\/lib\/sessionfs\//);
  mkdirSync(cache, { recursive: true });
  cleanUp(t, () => rmSync(cache, { recursive: true }));
  assert.deepEqual(pathNamed(`${mountPoint}/a-+1`), { mountPoint, session: 'a-+1', file: '' });
});

test('a name in the bucket gives a terminal no orders', async (t) => {
  const directory = temporaryDirectory(t);
  const bucket = await openBucket({ kind: 'directory', path: join(directory, 'bucket') });
  const name = toObjectName(`${SESSION}/a\u001b]0;b\u0007.json`, 'file');
  await bucket.put(name, Buffer.from('x'), { ifGeneration: ABSENT, metadata: {} });
  bucket.close();
  const where = ['--bucket', `file://${directory}/bucket`, '--cache-path', join(directory, 'cache')];
  for (const [command, status] of [
    ['ls', 0],
    ['verify', exitStatus.VERIFY_FAILED],
  ] as const) {
    const ran = runCli([command, SESSION, ...where], { SESSION_ENCRYPTION_KEY: KEY });
    assert.equal(ran.status, status, ran.stderr);
    assert.match(ran.stdout, /a\?\]0;b\?\.json/, command);
  }
});
