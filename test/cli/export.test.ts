import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { exitStatus } from '../../src/lib/errors.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { type Harness, KEY, newAttributes } from '../fs/harness.ts';
import { find, harness, mkdir, unlink, write } from '../fs/support.ts';
import { readTree } from '../mounted/session-files.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { type CliResult, runCli } from './run-cli.ts';

const SESSION = 'user-+1';
const OTHER_KEY = 'ab'.repeat(32);

/** A cache as a killed daemon leaves it: one file in the cache, others in the journal only. */
async function killedMount(t: TestContext): Promise<Harness> {
  const h = harness(t);
  mkdir(h, SESSION);
  mkdir(h, 'user-+10');
  for (const name of ['creds.json', 'gone.json', 'old.json'])
    write(h, `${SESSION}/${name}`, `{"old":"${name}"}`);
  await h.checkpoint();
  mkdir(h, `${SESSION}/deep`);
  write(h, `${SESSION}/deep/new.json`, '["new"]');
  write(h, `${SESSION}/creds.json`, '{"new":"creds.json"}');
  write(h, `${SESSION}/notes.txt`, '');
  write(h, 'user-+10/creds.json', '{"other":true}');
  unlink(h, `${SESSION}/gone.json`);
  const cut = find(h, `${SESSION}/old.json`);
  assert.equal(h.fs.setattr(cut, { size: 0 }, newAttributes()), 0);
  h.fs.write(cut, 0, Buffer.from('{"cut'), false);
  h.crash();
  return h;
}

class Export {
  readonly cachePath: string;
  readonly folder: string;

  constructor(t: TestContext, cachePath: string) {
    this.cachePath = cachePath;
    this.folder = join(temporaryDirectory(t), 'to');
  }

  run(args: readonly string[] = [], env: Record<string, string> = {}, session = SESSION): CliResult {
    const given = ['export', session, '--cache-path', this.cachePath, '--to', this.folder, ...args];
    return runCli(given, { SESSION_ENCRYPTION_KEY: KEY, ...env });
  }
}

function refused(result: CliResult, code: keyof typeof exitStatus, said: RegExp): void {
  assert.equal(result.status, exitStatus[code], result.stderr);
  assert.match(result.stderr, said);
  assert.equal(result.stdout, '');
}

test('the newest complete version of every file is written, from cache and journal, and nothing of another session', async (t) => {
  const h = await killedMount(t);
  const exported = new Export(t, h.cachePath);
  const before = readTree(h.cachePath);
  const { status, stdout, stderr } = exported.run();
  assert.deepEqual([status, stderr], [0, '']);
  assert.deepEqual(readTree(exported.folder), {
    'creds.json': '{"new":"creds.json"}',
    'deep/': '',
    'deep/new.json': '["new"]',
    'notes.txt': '',
    'old.json': '{"old":"old.json"}',
  });
  assert.deepEqual(
    stdout.split('\n')[0],
    `Exported ${SESSION} to ${exported.folder}: 4 files, 0 kept versions`,
  );
  assert.match(stdout, /not encrypted/);
  const creds = statSync(join(exported.folder, 'creds.json'));
  assert.deepEqual([creds.mode & 0o777, creds.mtimeMs], [0o600, h.nowMs]);
  assert.equal(statSync(join(exported.folder, 'deep')).mode & 0o777, 0o700);
  assert.deepEqual(readTree(h.cachePath), before, 'the cache was changed');
});

test('a folder that has something in it, is a file or a link, or lies in the cache is refused and left as it is', async (t) => {
  const h = await killedMount(t);
  const exported = new Export(t, h.cachePath);
  mkdirSync(exported.folder);
  writeFileSync(join(exported.folder, 'creds.json'), 'mine');
  refused(exported.run(), 'EXPORT_TARGET', /is there already/);
  assert.deepEqual(readTree(exported.folder), { 'creds.json': 'mine' });
  const link = join(temporaryDirectory(t), 'link');
  symlinkSync(temporaryDirectory(t), link);
  const to = (folder: string) =>
    runCli(['export', SESSION, '--cache-path', h.cachePath, '--to', folder], { SESSION_ENCRYPTION_KEY: KEY });
  refused(to(link), 'EXPORT_TARGET', /is there already/);
  refused(to(join(exported.folder, 'creds.json')), 'EXPORT_TARGET', /is there already/);
  refused(to(join(exported.folder, 'creds.json/below')), 'EXPORT_TARGET', /ENOTDIR/);
  refused(to(join(h.cachePath, 'sessions/new')), 'EXPORT_TARGET', /lies in the cache/);
  refused(to(h.cachePath), 'EXPORT_TARGET', /lies in the cache/);
});

test('without the key nothing is written, and the error says which one is asked for', async (t) => {
  const h = await killedMount(t);
  const exported = new Export(t, h.cachePath);
  refused(exported.run([], { SESSION_ENCRYPTION_KEY: '' }), 'KEY_MISSING', /no key is set/);
  refused(exported.run([], { SESSION_ENCRYPTION_KEY: OTHER_KEY }), 'KEY_WRONG', /sealed with key/);
  assert.deepEqual([existsSync(exported.folder), existsSync(`${h.cachePath}.key`)], [false, false]);
  const env = { SESSION_ENCRYPTION_KEY: OTHER_KEY, SESSION_ENCRYPTION_KEYS_PREVIOUS: KEY };
  assert.equal(exported.run([], env).status, 0);
});

test('what is not there is said, with where it was looked for', async (t) => {
  const h = await killedMount(t);
  const exported = new Export(t, h.cachePath);
  const missing = exported.run([], {}, 'nobody-+0');
  refused(missing, 'SESSION_NOT_FOUND', /no session nobody-\+0 in/);
  assert.ok(missing.stderr.includes(h.cachePath));
  refused(
    exported.run(['--set-aside']),
    'SESSION_NOT_FOUND',
    /there is no kept version of a session user-\+1/,
  );
  const nowhere = new Export(t, join(h.directory, 'nowhere'));
  refused(nowhere.run(), 'SESSION_NOT_FOUND', /there is no cache in .*nowhere/);
  refused(exported.run(['--from', 'bucket']), 'CONFIG_INVALID', /no bucket/);
  const gone = exported.run(['--from', 'bucket', '--bucket', `file://${h.directory}/nowhere`]);
  refused(gone, 'BUCKET_UNAVAILABLE', /there is no bucket in .*nowhere/);
  assert.deepEqual(
    [exported.folder, nowhere.cachePath].filter((path) => existsSync(path)),
    [],
  );
});

test('a bucket that does not answer does not keep the cache from being exported', async (t) => {
  const h = await killedMount(t);
  const exported = new Export(t, h.cachePath);
  const { status, stderr } = exported.run(['--bucket', `file://${h.directory}/nowhere`]);
  assert.equal(status, 0);
  assert.match(stderr, /^sessionfs: there is no bucket in .*; only what the cache has is exported\n$/);
  assert.equal(readdirSync(exported.folder).length, 4);
});

test('a file that does not open is named, and the others are written', async (t) => {
  const h = await killedMount(t);
  writeFileSync(join(h.cachePath, toObjectName(`${SESSION}/old.json`, 'file')), 'SFS1 no more');
  const kept = `${toObjectName(`${SESSION}/old.json`, 'file').replaceAll('/', '%2F')}.1700000000000`;
  mkdirSync(join(h.cachePath, 'set-aside'));
  writeFileSync(join(h.cachePath, 'set-aside', kept), 'it did not open when it was set aside');
  const exported = new Export(t, h.cachePath);
  const { status, stderr } = exported.run();
  assert.equal(status, exitStatus.EXPORT_INCOMPLETE);
  assert.match(
    stderr,
    /left out of set-aside: set-aside\/old\.json\.2023-11-14T22-13-20\.000Z \(not-sealed\)/,
  );
  assert.match(stderr, /these files could not be exported: old\.json \(truncated\)/);
  assert.deepEqual(readdirSync(exported.folder).sort(), ['creds.json', 'deep', 'notes.txt']);
});

test('a command line that leaves something open is refused', () => {
  for (const [args, said] of [
    [[], /which session/],
    [['user-+1'], /--to FOLDER is missing/],
    [['./', '--to', 'x', '--from', 'disk'], /--from is "disk"/],
    [['..', '--to', 'x'], /names no session/],
    [['user-+1', '--to', 'x', '--owner', '1:1'], /no flag "--owner"/],
  ] as const)
    refused(runCli(['export', ...args]), 'USAGE', said);
});
