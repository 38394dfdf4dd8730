import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SkippedSession } from '../../src/fs/startup/import-plain.ts';
import type { Scope } from '../support/cleanup.ts';
import { fileScope } from '../support/file-scope.ts';
import { type Mounted, mountSessionfs } from '../support/mount-sessionfs.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { type LogLine, logLines, untilStarted } from './log-lines.ts';
import { readTree, sessionTree, setTimes, type Tree, writeTree } from './session-files.ts';

const WRITTEN = new Date('2024-02-03T04:05:06.789Z');

interface Plain {
  within: string;
  mountPoint: string;
}

/** A mount point in which an application kept `tree` before there was a sessionfs. */
function plainSessions(scope: Scope, tree: Tree): Plain {
  const within = temporaryDirectory(scope);
  const mountPoint = join(within, 'sessions');
  mkdirSync(mountPoint);
  writeTree(mountPoint, tree);
  setTimes(mountPoint, WRITTEN);
  return { within, mountPoint };
}

async function startedMount(scope: Scope, { mountPoint }: Plain): Promise<Mounted> {
  const mounted = await mountSessionfs(scope, { mountPoint });
  await untilStarted(mounted);
  return mounted;
}

/** The folders beside the mount point into which plain sessions were set aside. */
function asideFolders({ within }: Plain): string[] {
  const names = readdirSync(within).filter((name) => name.startsWith('sessions.plain-'));
  return names.map((name) => join(within, name));
}

function setAside(plain: Plain): Tree {
  const [folder, ...more] = asideFolders(plain);
  assert.ok(folder !== undefined && more.length === 0, 'set aside once');
  return readTree(folder);
}

function importWarning(log: string): LogLine {
  const [warning, ...more] = logLines(log).filter(({ msg }) => msg.startsWith('Plain sessions'));
  assert.ok(warning !== undefined && more.length === 0, log);
  assert.equal(warning.level, 'warn');
  return warning;
}

const USERS = {
  ...sessionTree('user1-+15550001'),
  ...sessionTree('user2-+15550002'),
  'user3-+15550003/': '',
  'user3-+15550003/auth.db': 'SQLite format 3\0 and its pages',
  'user3-+15550003/auth.db-wal': 'frames',
  'user3-+15550003/auth.db-shm': '',
};

const ofFile = fileScope();
let firstImport: Promise<{ plain: Plain; mounted: Mounted }> | undefined;

/** The first mount after there were plain sessions, for two tests. */
function importedUsers(): Promise<{ plain: Plain; mounted: Mounted }> {
  const start = async () => {
    const plain = plainSessions(ofFile, USERS);
    return { plain, mounted: await startedMount(ofFile, plain) };
  };
  firstImport ??= start();
  return firstImport;
}

test('plain sessions are imported with content and times, and set aside beside the mount point with a warning', async () => {
  const { plain, mounted } = await importedUsers();
  assert.deepEqual(readTree(plain.mountPoint), USERS);
  for (const path of Object.keys(USERS)) {
    assert.equal(statSync(join(plain.mountPoint, path)).mtimeMs, WRITTEN.getTime(), path);
  }
  assert.deepEqual(setAside(plain), USERS);
  const warning = importWarning(mounted.log());
  assert.match(warning.msg, /not encrypted/);
  assert.deepEqual(
    [warning.imported, warning.files, warning.refused, warning.left, warning.movedTo],
    [['user1-+15550001', 'user2-+15550002', 'user3-+15550003'], 9, [], [], asideFolders(plain)[0]],
  );
  assert.equal(statSync(String(warning.movedTo)).mode & 0o777, 0o700);
  await mounted.unmount();
  assert.deepEqual(readdirSync(plain.mountPoint), []);
});

test('a second mount does not import again', async (t) => {
  const { plain, mounted } = await importedUsers();
  await mounted.unmount();
  const second = await startedMount(t, plain);
  assert.deepEqual(readTree(plain.mountPoint), USERS);
  assert.deepEqual(
    logLines(second.log()).filter(({ msg }) => msg.startsWith('Plain sessions')),
    [],
  );
  assert.equal(asideFolders(plain).length, 1);
  await second.unmount();
});

test('a session that the store has already is not overwritten; the plain one is set aside all the same, and both ages are told', async (t) => {
  const plain = plainSessions(t, {});
  const first = await startedMount(t, plain);
  writeTree(plain.mountPoint, sessionTree('user1-+15550001', 'stored'));
  await first.unmount();
  const lying = { ...sessionTree('user1-+15550001', 'plain'), ...sessionTree('user2-+15550002', 'plain') };
  writeTree(plain.mountPoint, lying);

  const second = await startedMount(t, plain);
  assert.deepEqual(readTree(plain.mountPoint), {
    ...sessionTree('user1-+15550001', 'stored'),
    ...sessionTree('user2-+15550002', 'plain'),
  });
  assert.deepEqual(setAside(plain), lying);
  const { imported, msg } = importWarning(second.log());
  assert.deepEqual(imported, ['user2-+15550002']);
  assert.match(msg, /delete those under "imported" once all is well; it holds others that were skipped/);
  const [line] = logLines(second.log()).filter((each) => each.msg.startsWith('Skipped plain sessions'));
  assert.match(String(line?.msg), /to use a plain one, stop its application and copy its files/);
  const [known, ...more] = (line?.skipped ?? []) as SkippedSession[];
  assert.deepEqual([known?.name, known?.newer, more], ['user1-+15550001', 'plain', []]);
  assert.ok(
    Date.parse(known?.sealedModified ?? '') < Date.parse(known?.plainModified ?? ''),
    'with both ages',
  );
  await second.unmount();
});

test('empty and cut JSON is left out and named, and set aside with the rest', async (t) => {
  const good = sessionTree('user1-+15550001');
  const sessions = {
    ...good,
    'user1-+15550001/pre-key-2.json': '',
    'user1-+15550001/pre-key-3.json': '{"public":"AA',
  };
  const plain = plainSessions(t, sessions);
  const mounted = await startedMount(t, plain);
  assert.deepEqual(readTree(plain.mountPoint), good);
  assert.deepEqual(importWarning(mounted.log()).refused, [
    { file: 'user1-+15550001/pre-key-2.json', reason: 'empty' },
    { file: 'user1-+15550001/pre-key-3.json', reason: 'not complete JSON' },
  ]);
  assert.deepEqual(setAside(plain), sessions);
  await mounted.unmount();
});

test('a session that lies directly in the mount point is imported', async (t) => {
  const flat = { 'creds.json': '{"me":1}', 'pre-key-1.json': '{"public":"AAAA"}' };
  const plain = plainSessions(t, flat);
  const mounted = await startedMount(t, plain);
  assert.deepEqual(readTree(plain.mountPoint), flat);
  assert.deepEqual(setAside(plain), flat);
  await mounted.unmount();
});

test('what keeps an empty folder in git stays where it is, and is neither imported nor foreign', async (t) => {
  const plain = plainSessions(t, { '.gitkeep': '', '.gitignore': '*\n', ...sessionTree('user1-+15550001') });
  const mounted = await startedMount(t, plain);
  assert.deepEqual(readTree(plain.mountPoint), sessionTree('user1-+15550001'));
  assert.deepEqual(setAside(plain), sessionTree('user1-+15550001'));
  await mounted.unmount();
  assert.deepEqual(readTree(plain.mountPoint), { '.gitignore': '*\n', '.gitkeep': '' });
});

test('without plain sessions nothing is set aside', async (t) => {
  const plain = plainSessions(t, { '.gitkeep': '' });
  const mounted = await startedMount(t, plain);
  assert.deepEqual(asideFolders(plain), []);
  writeFileSync(join(plain.mountPoint, 'notes.txt'), 'new');
  await mounted.unmount();
});
