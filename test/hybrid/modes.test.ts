import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cleanUp } from '../support/cleanup.ts';
import { fileScope } from '../support/file-scope.ts';
import type { Mounted } from '../support/mount-sessionfs.ts';
import {
  Account,
  logged,
  logLines,
  type Machine,
  readFiles,
  SESSION,
  statusOf,
  writeFiles,
} from './support.ts';

const BACKED_UP = 'Session backed up to Cloud Storage';
const creds = (version: number) => JSON.stringify({ version, registered: true });
const session = (version: number) => ({
  [`${SESSION}/creds.json`]: creds(version),
  [`${SESSION}/pre-key-1.json`]: '{"key":1}',
});
const options = { timeout: 120_000 };

test('another machine with the same bucket and key goes on with every session', options, async (t) => {
  const account = new Account(t);
  const first = await account.machine().mount();
  const tree = {
    ...session(1),
    [`${SESSION}/deep/a.json`]: '[]',
    'other-+2/creds.json': '{}',
    'plain/notes.txt': 'x',
    'top.json': '{}',
  };
  writeFiles(first.mountPoint, tree);
  await first.unmount();
  const second = account.machine();
  const mounted = await second.mount();
  assert.deepEqual(readdirSync(second.mountPoint).sort(), ['other-+2', 'plain', 'top.json', SESSION]);
  assert.deepEqual((await statusOf(mounted)).backups.filter(({ state }) => state === 'remote').length, 3);
  assert.deepEqual(readFiles(second.mountPoint), tree);
  const line = await logged(mounted, 'Session restored from Cloud Storage');
  assert.deepEqual(
    [typeof line.session, typeof line.files, typeof line.bytes, typeof line.ms],
    ['string', 'number', 'number', 'number'],
  );
  await mounted.unmount();
});

test('a new session goes up by itself, changed credentials soon after, deletions too', options, async (t) => {
  const account = new Account(t);
  const machine = account.machine();
  const mounted = await machine.mount();
  writeFiles(machine.mountPoint, session(1));
  const line = await logged(mounted, BACKED_UP);
  assert.equal(line.session, SESSION);
  assert.equal((await logged(mounted, 'Automatic backup scheduled for session')).session, SESSION);
  writeFileSync(machine.path(SESSION, 'pre-key-2.json'), '{}');
  rmSync(machine.path(SESSION, 'pre-key-1.json'));
  writeFileSync(machine.path(SESSION, 'creds.json'), creds(2));
  const second = await logged(mounted, BACKED_UP, 2);
  assert.deepEqual([second.files, second.deletes], [2, 1]);
  mounted.crash();
  const other = account.machine();
  const restored = await other.mount();
  assert.deepEqual(readFiles(other.mountPoint), {
    [`${SESSION}/creds.json`]: creds(2),
    [`${SESSION}/pre-key-2.json`]: '{}',
  });
  await restored.unmount();
});

test('the bucket holds what the cache holds, byte by byte, and nothing readable', options, async (t) => {
  const account = new Account(t);
  const machine = account.machine();
  const mounted = await machine.mount();
  writeFiles(machine.mountPoint, session(7));
  await mounted.unmount();
  const bucket = account.bucket.slice('file://'.length);
  for (const file of ['creds.json', 'pre-key-1.json']) {
    const name = join('sessions/user/+4915100000', file);
    const stored = readFileSync(join(bucket, name));
    assert.deepEqual(stored, readFileSync(join(machine.cachePath, name)));
    assert.equal(stored.toString('latin1', 0, 4), 'SFS1');
    assert.equal(stored.includes('registered'), false);
  }
});

test('local to hybrid by the environment: what is there goes up at once', options, async (t) => {
  const account = new Account(t);
  const machine = account.machine();
  const local = await machine.mountLocally();
  writeFiles(machine.mountPoint, session(1));
  await local.unmount();
  const hybrid = await machine.mount();
  assert.equal((await logged(hybrid, BACKED_UP)).files, 2);
  assert.deepEqual(readFiles(machine.mountPoint), session(1));
  await hybrid.unmount();
});

test(
  'hybrid to local with the bucket gone, and back: what changed meanwhile goes out',
  options,
  async (t) => {
    const account = new Account(t);
    const machine = account.machine();
    const hybrid = await machine.mount();
    writeFiles(machine.mountPoint, session(1));
    await hybrid.unmount();
    const bucket = account.bucket.slice('file://'.length);
    renameSync(bucket, `${bucket}.gone`);
    const local = await machine.mountLocally();
    assert.deepEqual(readFiles(machine.mountPoint), session(1));
    writeFileSync(machine.path(SESSION, 'creds.json'), creds(2));
    rmSync(machine.path(SESSION, 'pre-key-1.json'));
    await local.unmount();
    renameSync(`${bucket}.gone`, bucket);
    const back = await machine.mount();
    const line = await logged(back, BACKED_UP);
    assert.deepEqual([line.files, line.deletes], [1, 1]);
    await back.unmount();
    const other = account.machine();
    const restored = await other.mount();
    assert.deepEqual(readFiles(other.mountPoint), { [`${SESSION}/creds.json`]: creds(2) });
    await restored.unmount();
  },
);

const file = fileScope();
const HERE_TOO = SESSION;
const ONLY_THERE = 'other-+2';
let changed: Promise<{ here: Machine; back: Mounted }> | undefined;

/** A machine that mounts again after another one has changed two sessions; one of them was changed here as well. */
async function changedElsewhere(): Promise<{ here: Machine; back: Mounted }> {
  const account = new Account(file);
  const here = account.machine();
  const first = await here.mount();
  writeFiles(here.mountPoint, { ...session(1), [`${ONLY_THERE}/creds.json`]: creds(1) });
  await first.unmount();

  const there = account.machine();
  const second = await there.mount();
  for (const name of [HERE_TOO, ONLY_THERE]) writeFileSync(there.path(name, 'creds.json'), creds(2));
  await second.unmount();

  const local = await here.mountLocally();
  writeFileSync(here.path(HERE_TOO, 'creds.json'), creds(3));
  await local.unmount();
  const back = await here.mount();
  cleanUp(file, () => back.unmount());
  return { here, back };
}

test(
  'changed here and by another machine: the bucket counts, and what was here is kept aside',
  options,
  async () => {
    changed ??= changedElsewhere();
    const { here, back } = await changed;
    assert.equal(readFileSync(here.path(HERE_TOO, 'creds.json'), 'utf8'), creds(2));
    assert.deepEqual(Object.keys(readFiles(here.path(HERE_TOO))).length, 2);
    const lines = logLines(back).filter(({ msg }) => msg.includes('kept aside'));
    assert.deepEqual(
      lines.map(({ session, files, level }) => [session, files, level]),
      [[HERE_TOO, 1, 'error']],
    );
    assert.equal(readdirSync(join(here.cachePath, 'set-aside')).length, 1);
  },
);

test('only unchanged here: the newer version in the bucket is taken', options, async () => {
  changed ??= changedElsewhere();
  const { here } = await changed;
  assert.equal(readFileSync(here.path(ONLY_THERE, 'creds.json'), 'utf8'), creds(2));
  const aside = readdirSync(join(here.cachePath, 'set-aside'), { recursive: true, encoding: 'utf8' });
  assert.deepEqual(
    aside.filter((path) => path.includes('other')),
    [],
  );
});

test('a session that was made and removed leaves nothing in the bucket', options, async (t) => {
  const account = new Account(t);
  const machine = account.machine();
  const mounted = await machine.mount();
  writeFiles(machine.mountPoint, session(1));
  await logged(mounted, BACKED_UP);
  rmSync(machine.path(SESSION), { recursive: true });
  mkdirSync(machine.path('empty-+1'));
  await mounted.unmount();
  const other = account.machine();
  const again = await other.mount();
  assert.deepEqual(readdirSync(other.mountPoint), []);
  await again.unmount();
});
