/** The core keeps what an application that starts over replaces, and tells. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Keyring } from '../../src/crypto/keyring.ts';
import { openSealed } from '../../src/crypto/sealed-file.ts';
import { RENAME_EXCHANGE, ROOT_NODE } from '../../src/fs/contract.ts';
import { Errno } from '../../src/lib/errno.ts';
import { syncFileOperations } from '../../src/lib/file-operations.ts';
import { systemError } from '../../src/lib/system-error.ts';
import { changed, freshCreds, pairedCreds } from '../support/baileys-creds.ts';
import { type Harness, KEY, newAttributes } from './harness.ts';
import { find, harness, mkdir, read, unlink, write } from './support.ts';

const SESSION = 'user-+4915100000';
const CREDS = `${SESSION}/creds.json`;
const STARTED_OVER = /^An application started over/;
let paired = '';

before(async () => {
  paired = await pairedCreds({ after });
});

const setAside = (h: Harness) => join(h.cachePath, 'set-aside');
const names = (h: Harness) => (existsSync(setAside(h)) ? readdirSync(setAside(h)).sort() : []);
const alarms = (h: Harness) => h.logs.filter(({ message }) => STARTED_OVER.test(message));

const REMOVED = /^The credentials of a registered account were removed/;
const removals = (h: Harness) => h.logs.filter(({ message }) => REMOVED.test(message));

/** The kept versions, opened. */
function kept(h: Harness): string[] {
  return names(h).map((name) =>
    openSealed(Keyring.fromHex(KEY), CREDS, readFileSync(join(setAside(h), name))).plain.toString(),
  );
}

function paired1(h: Harness): void {
  mkdir(h, SESSION);
  write(h, CREDS, freshCreds());
  write(h, CREDS, paired);
}

function rename(h: Harness, from: string, to: string, flags = 0): number {
  const folder = find(h, SESSION);
  return h.fs.rename(folder, from, folder, to, flags);
}

test('registered credentials that fresh ones replace are kept, told and counted', (t) => {
  const h = harness(t);
  paired1(h);
  const fresh = freshCreds();
  write(h, CREDS, fresh);
  assert.equal(read(h, CREDS), fresh);
  assert.deepEqual(kept(h), [paired]);
  const [alarm, ...more] = alarms(h);
  assert.deepEqual(more, []);
  const keptAs = `sessions%2Fuser%2F+4915100000%2Fcreds.json.${h.nowMs}`;
  assert.deepEqual(names(h), [keptAs]);
  assert.deepEqual(
    [alarm?.level, alarm?.fields.session, alarm?.fields.keptAs],
    ['error', SESSION, join(setAside(h), keptAs)],
  );
  assert.deepEqual(h.startedOver, [{ session: SESSION, how: 'replaced', keptAs }]);
  assert.equal(h.fs.freshRegistrations, 1);
  assert.deepEqual(
    [statSync(setAside(h)).mode & 0o777, statSync(join(setAside(h), keptAs)).mode & 0o777],
    [0o700, 0o600],
  );
});

test('a session of which an application started over is in the status until it is registered again, or gone', (t) => {
  const h = harness(t);
  paired1(h);
  write(h, CREDS, freshCreds());
  const keptAs = join(setAside(h), names(h)[0] ?? '');
  const sessions = () => h.fs.startedOver.map(({ session }) => session);
  assert.deepEqual(h.fs.startedOver, [{ session: SESSION, keptAs }]);
  write(h, CREDS, freshCreds());
  assert.equal(h.fs.rename(ROOT_NODE, SESSION, ROOT_NODE, 'moved-+1', 0), 0);
  assert.deepEqual(sessions(), ['moved-+1']);
  assert.equal(h.fs.rename(ROOT_NODE, 'moved-+1', ROOT_NODE, SESSION, 0), 0);
  write(h, CREDS, paired);
  assert.deepEqual(sessions(), []);
  write(h, CREDS, freshCreds());
  unlink(h, CREDS);
  assert.equal(h.fs.rmdir(ROOT_NODE, SESSION), 0);
  assert.deepEqual(sessions(), []);
});

test('so it is where credentials of another account replace the registered ones, whatever is saved of them', (t) => {
  const h = harness(t);
  paired1(h);
  const key = { public: { type: 'Buffer', data: Buffer.alloc(33, 7).toString('base64') } };
  for (const accountSyncCounter of [1, 2])
    write(
      h,
      CREDS,
      changed(paired, (creds) => void Object.assign(creds, { accountSyncCounter, signedIdentityKey: key })),
    );
  assert.deepEqual([alarms(h).length, h.fs.startedOver.map(({ session }) => session)], [1, [SESSION]]);
});

test('kept are also those that lie in the cache since an earlier start, or of which nothing is in memory', async (t) => {
  for (const memoryLimit of [64 * 1024 * 1024, 1]) {
    const h = harness(t, { memoryLimit });
    paired1(h);
    await h.checkpoint();
    h.restart();
    write(h, CREDS, freshCreds());
    assert.deepEqual(kept(h), [paired]);
    assert.equal(alarms(h).length, 1);
  }
});

test('every other change of credentials is none: pairing, going on, a new session, deletion', (t) => {
  const h = harness(t);
  paired1(h);
  for (let counter = 0; counter < 5; counter++)
    write(
      h,
      CREDS,
      changed(paired, (creds) => void Object.assign(creds, { accountSyncCounter: counter })),
    );
  mkdir(h, 'second-+1');
  write(h, 'second-+1/creds.json', freshCreds());
  write(h, 'second-+1/creds.json', freshCreds());
  unlink(h, CREDS);
  write(h, CREDS, freshCreds());
  write(h, CREDS, paired);
  assert.deepEqual([names(h), alarms(h), h.startedOver], [[], [], []]);
});

test('credentials that are removed while keys stay are kept, and told once that is no logout', (t) => {
  const h = harness(t);
  paired1(h);
  write(h, `${SESSION}/pre-key-1.json`, '{}');
  unlink(h, CREDS);
  assert.deepEqual([kept(h), removals(h)], [[paired], []]);
  h.fs.settleIdle();
  assert.deepEqual([removals(h), h.fs.hasPending], [[], true]);
  h.nowMs += 5_000;
  for (let i = 0; i < 2; i++) h.fs.settleIdle();
  const [keptAs] = names(h);
  assert.deepEqual(
    removals(h).map(({ level, fields }) => [level, fields.session, fields.keptAs]),
    [['warn', SESSION, join(setAside(h), keptAs ?? '')]],
  );
  assert.deepEqual(h.startedOver, [{ session: SESSION, how: 'removed', keptAs }]);
  assert.deepEqual(h.fs.lostCredentials, [{ session: SESSION, keptAs: join(setAside(h), keptAs ?? '') }]);
  assert.equal(h.fs.hasPending, false);
  // It is an application that starts over, too, and was kept already.
  write(h, CREDS, freshCreds());
  assert.deepEqual([kept(h), alarms(h).length, h.fs.lostCredentials], [[paired], 1, []]);
});

test('what was told to be kept is kept, whatever becomes of the session', (t) => {
  const h = harness(t);
  paired1(h);
  const key = `${SESSION}/pre-key-1.json`;
  write(h, key, '{}');
  unlink(h, CREDS);
  h.nowMs += 5_000;
  h.fs.settleIdle();
  assert.equal(removals(h).length, 1);
  unlink(h, key);
  assert.equal(h.fs.rmdir(ROOT_NODE, SESSION), 0);
  assert.deepEqual([kept(h), h.fs.lostCredentials], [[paired], []]);
});

test('what is remembered of credentials stays as it was, whatever is written to a file that has no name any more', (t) => {
  for (const name of ['creds.json', 'creds.json.bak']) {
    const h = harness(t);
    paired1(h);
    write(h, `${SESSION}/pre-key-1.json`, '{}');
    const node = find(h, CREDS);
    if (name !== 'creds.json') assert.equal(rename(h, 'creds.json', name), 0);
    unlink(h, `${SESSION}/${name}`);
    assert.equal(h.fs.write(node, 0, Buffer.from('XXXX'), false), 4);
    write(h, CREDS, freshCreds());
    assert.deepEqual(kept(h), [paired]);
  }
});

test('a logout keeps nothing aside: all files go, in whatever order, with the folder or without', (t) => {
  for (const [folderStays, order] of [
    [false, [CREDS, `${SESSION}/pre-key-1.json`]],
    [true, [CREDS, `${SESSION}/pre-key-1.json`]],
    [false, [`${SESSION}/pre-key-1.json`, CREDS]],
  ] as const) {
    const h = harness(t);
    paired1(h);
    write(h, `${SESSION}/pre-key-1.json`, '{}');
    for (const path of order) unlink(h, path);
    // Nothing is left of which they could be the credentials.
    if (order.at(-1) === CREDS) assert.deepEqual([names(h), h.fs.hasPending], [[], false]);
    if (!folderStays) assert.equal(h.fs.rmdir(1, SESSION), 0);
    h.nowMs += 5_000;
    h.fs.settleIdle();
    assert.deepEqual([names(h), removals(h), h.fs.hasPending], [[], [], false]);
    if (!folderStays) mkdir(h, SESSION);
    write(h, CREDS, freshCreds());
    assert.deepEqual([names(h), alarms(h), h.startedOver], [[], [], []]);
  }
});

test('what is remembered of a folder goes with it when it is renamed', (t) => {
  for (const flags of [0, RENAME_EXCHANGE]) {
    const h = harness(t);
    paired1(h);
    write(h, `${SESSION}/pre-key-1.json`, '{}');
    unlink(h, CREDS);
    if (flags !== 0) mkdir(h, 'other');
    assert.equal(h.fs.rename(ROOT_NODE, SESSION, ROOT_NODE, 'other', flags), 0);
    if (flags === 0) mkdir(h, SESSION);
    write(h, `${SESSION}/pre-key-1.json`, '{}');
    write(h, CREDS, freshCreds());
    assert.deepEqual(alarms(h), []);
    h.nowMs += 5_000;
    h.fs.settleIdle();
    assert.deepEqual([kept(h), removals(h).map(({ fields }) => fields.session)], [[paired], ['other']]);
  }
});

test('credentials that are put back in time are no loss', (t) => {
  const h = harness(t);
  paired1(h);
  write(h, `${SESSION}/pre-key-1.json`, '{}');
  unlink(h, CREDS);
  write(h, CREDS, paired);
  h.nowMs += 5_000;
  h.fs.settleIdle();
  assert.deepEqual([names(h), removals(h), h.startedOver, h.fs.hasPending], [[], [], [], false]);
});

test('registered credentials that only their backup has are seen by the next daemon', (t) => {
  const h = harness(t);
  paired1(h);
  write(h, `${SESSION}/creds.json.tmp`, freshCreds());
  assert.equal(rename(h, 'creds.json', 'creds.json.bak'), 0);
  h.restart();
  assert.equal(rename(h, 'creds.json.tmp', 'creds.json'), 0);
  assert.deepEqual([kept(h), alarms(h).length], [[paired], 1]);
});

test('an account that is paired anew, with no fresh version in between, started over too', (t) => {
  const h = harness(t);
  paired1(h);
  const again = changed(paired, (creds) => {
    Object.assign(creds, { signedIdentityKey: JSON.parse(freshCreds()).signedIdentityKey });
  });
  write(h, CREDS, again);
  write(h, CREDS, freshCreds());
  assert.deepEqual(kept(h), [paired, again]);
  assert.equal(h.fs.freshRegistrations, 2);
});

test('also when the fresh credentials come in pieces, once they are complete', (t) => {
  const h = harness(t);
  paired1(h);
  const node = find(h, CREDS);
  const fresh = Buffer.from(freshCreds());
  assert.equal(h.fs.setattr(node, { size: 0 }, newAttributes()), 0);
  h.fs.write(node, 0, fresh.subarray(0, 1000), false);
  assert.deepEqual([read(h, CREDS), names(h)], [paired, []]);
  h.fs.write(node, 1000, fresh.subarray(1000), false);
  assert.deepEqual([read(h, CREDS), kept(h)], [fresh.toString(), [paired]]);
});

test('a rename onto creds.json counts as a write of it', (t) => {
  const h = harness(t);
  paired1(h);
  write(
    h,
    `${SESSION}/creds.json.tmp`,
    changed(paired, (creds) => void Object.assign(creds, { lastPropHash: 'x' })),
  );
  assert.equal(rename(h, 'creds.json.tmp', 'creds.json'), 0);
  assert.deepEqual(alarms(h), []);
  const before = read(h, CREDS);
  write(h, `${SESSION}/creds.json.tmp`, freshCreds());
  assert.equal(rename(h, 'creds.json.tmp', 'creds.json'), 0);
  assert.deepEqual(kept(h), [before]);
  assert.equal(alarms(h).length, 1);
});

test('so does one after the old version was renamed to a name beside, and a deletion of the folder ends that', (t) => {
  const h = harness(t);
  const save = (creds: string) => {
    write(h, `${SESSION}/creds.json.tmp`, creds);
    if (find(h, CREDS) !== 0) assert.equal(rename(h, 'creds.json', 'creds.json.bak'), 0);
    assert.equal(rename(h, 'creds.json.tmp', 'creds.json'), 0);
  };
  mkdir(h, SESSION);
  for (const creds of [freshCreds(), paired, paired]) save(creds);
  assert.deepEqual(alarms(h), []);
  save(freshCreds());
  assert.deepEqual(kept(h), [paired]);
  save(paired);
  assert.equal(rename(h, 'creds.json', 'creds.json.bak'), 0);
  unlink(h, `${SESSION}/creds.json.bak`);
  assert.equal(h.fs.rmdir(1, SESSION), 0);
  mkdir(h, SESSION);
  write(h, CREDS, freshCreds());
  assert.equal(h.fs.freshRegistrations, 1);
});

test('an exchange of the two names is seen as well', (t) => {
  const h = harness(t);
  paired1(h);
  write(h, `${SESSION}/new.json`, freshCreds());
  assert.equal(rename(h, 'new.json', 'creds.json', RENAME_EXCHANGE), 0);
  assert.deepEqual([kept(h), read(h, `${SESSION}/new.json`)], [[paired], paired]);
  assert.equal(rename(h, 'creds.json', 'new.json', RENAME_EXCHANGE), 0);
  write(h, CREDS, paired);
  assert.equal(h.fs.freshRegistrations, 1);
});

test('ten versions of a session are kept, the newest ones', (t) => {
  const h = harness(t);
  mkdir(h, SESSION);
  const versions = Array.from({ length: 13 }, (_, index) =>
    changed(paired, (creds) => void Object.assign(creds, { lastPropHash: `version ${index}` })),
  );
  for (const version of versions) {
    write(h, CREDS, version);
    write(h, CREDS, freshCreds());
  }
  assert.deepEqual(kept(h), versions.slice(3));
  assert.equal(h.fs.freshRegistrations, 13);
});

test('what cannot be kept is not replaced; when it can be, one version is kept', (t) => {
  let failure: string | undefined;
  const link = (from: string, to: string) => {
    if (failure !== undefined) throw systemError(failure, 'link', 'injected');
    syncFileOperations.link(from, to);
  };
  const h = harness(t, { journalFiles: { ...syncFileOperations, link } });
  paired1(h);
  const node = find(h, CREDS);
  const fresh = Buffer.from(freshCreds());
  for (const [code, errno] of [
    ['ENOSPC', Errno.ENOSPC],
    ['EIO', Errno.EIO],
  ] as const) {
    failure = code;
    assert.equal(h.fs.setattr(node, { size: 0 }, newAttributes()), 0);
    assert.equal(h.fs.write(node, 0, fresh, false), errno);
    assert.deepEqual([read(h, CREDS), names(h), alarms(h)], [paired, [], []]);
  }
  assert.deepEqual(readdirSync(join(h.cachePath, 'tmp')), []);
  failure = undefined;
  assert.equal(h.fs.write(node, 0, fresh, false), fresh.length);
  assert.deepEqual([read(h, CREDS), kept(h)], [fresh.toString(), [paired]]);
});

test('a commit that fails after the version was kept, and is tried again, keeps it once', (t) => {
  let full = false;
  const write2: typeof syncFileOperations.write = (fd, bytes, offset, length) => {
    // The journal's record is larger than the file that is kept before it.
    if (full && bytes.length > 10_000) throw systemError('ENOSPC', 'write', 'injected');
    return syncFileOperations.write(fd, bytes, offset, length);
  };
  const h = harness(t, { journalFiles: { ...syncFileOperations, write: write2 } });
  paired1(h);
  const node = find(h, CREDS);
  const fresh = Buffer.from(freshCreds());
  assert.equal(h.fs.setattr(node, { size: 0 }, newAttributes()), 0);
  full = true;
  for (let attempt = 0; attempt < 3; attempt++) {
    h.nowMs += 1000;
    assert.equal(h.fs.write(node, 0, fresh, false), Errno.ENOSPC);
  }
  assert.deepEqual([read(h, CREDS), alarms(h)], [paired, []]);
  full = false;
  assert.equal(h.fs.write(node, 0, fresh, false), fresh.length);
  assert.deepEqual([kept(h), alarms(h).length], [[paired], 1]);
});

test('it is on stable storage, with its name, before the new version is in the journal', (t) => {
  const steps: string[] = [];
  const paths = new Map<number, string>();
  const h = harness(t, {
    journalFiles: {
      ...syncFileOperations,
      open: (path, flags, mode) => {
        const fd = syncFileOperations.open(path, flags, mode);
        paths.set(fd, path);
        return fd;
      },
      write: (fd, bytes, offset, length) => {
        steps.push(`write ${kindOf(paths.get(fd))}`);
        return syncFileOperations.write(fd, bytes, offset, length);
      },
      fsync: (fd) => {
        steps.push(`fsync ${kindOf(paths.get(fd))}`);
        syncFileOperations.fsync(fd);
      },
      link: (from, to) => {
        steps.push(`link ${kindOf(from)} ${kindOf(to)}`);
        syncFileOperations.link(from, to);
      },
    },
  });
  const kindOf = (path = '') => path.slice(h.cachePath.length + 1).split('/')[0] || 'cache';
  paired1(h);
  find(h, CREDS);
  steps.length = 0;
  write(h, CREDS, freshCreds());
  assert.deepEqual(steps, [
    'write journal',
    'write tmp',
    'fsync tmp',
    'fsync cache',
    'link tmp set-aside',
    'fsync set-aside',
    'write journal',
  ]);
});
