import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { keptVersionName, keptVersionPrefix } from '../../src/naming/kept-version-name.ts';
import { createLogger } from '../../src/observe/log.ts';
import { KeptVersionUploads } from '../../src/sync/kept-version-uploads.ts';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

const HANG_MS = 60_000;
const CREDS = 'user-+1/creds.json';
const OBJECT = '.sessionfs/set-aside/sessions/user/+1/creds.json';

class Rig {
  readonly cachePath: string;
  readonly bucket = new MemoryBucket();
  readonly lines: { level: string; msg: string; object?: string; reason?: string }[] = [];
  readonly #scope: Scope;

  constructor(scope: Scope) {
    this.#scope = scope;
    this.cachePath = temporaryDirectory(scope);
    mkdirSync(join(this.cachePath, 'set-aside'));
  }

  /** Returns its name. */
  keep(ms: number, content = `version ${ms}`, path = CREDS): string {
    const name = keptVersionName(keptVersionPrefix(path), ms);
    writeFileSync(this.#locate(name), content);
    return name;
  }

  lose(name: string): void {
    rmSync(this.#locate(name));
  }

  uploads(retryMs = 5): KeptVersionUploads {
    const write = (text: string) => void this.lines.push(JSON.parse(text));
    const log = createLogger({ level: 'info', destination: { write } });
    const uploads = new KeptVersionUploads({ bucket: this.bucket, cachePath: this.cachePath, log, retryMs });
    cleanUp(this.#scope, () => uploads.end());
    return uploads;
  }

  stored(): Record<string, string> {
    return Object.fromEntries(
      [...this.bucket.objects.values()].map(({ name, bytes }) => [name, bytes.toString()]),
    );
  }

  operations(): string[] {
    return this.bucket.calls.map(({ operation }) => operation);
  }

  #locate(name: string): string {
    return join(this.cachePath, 'set-aside', name);
  }
}

const settled = (uploads: KeptVersionUploads) => uploads.settled(performance.now() + HANG_MS);

test('what was kept is stored outside of the sessions, under the object’s name and the time', async (t) => {
  const rig = new Rig(t);
  const uploads = rig.uploads();
  uploads.start();
  uploads.add(rig.keep(1000));
  assert.equal(await settled(uploads), 0);
  assert.deepEqual(rig.stored(), { [`${OBJECT}.1000`]: 'version 1000' });
  assert.deepEqual(
    rig.lines.map(({ level, object }) => [level, object]),
    [['info', `${OBJECT}.1000`]],
  );
});

test('a start stores what an earlier one did not, and asks nothing where nothing was kept', async (t) => {
  const rig = new Rig(t);
  const idle = rig.uploads();
  idle.start();
  await settled(idle);
  assert.deepEqual(rig.bucket.calls, []);
  rig.keep(1000);
  rig.bucket.store(`${OBJECT}.1000`, Buffer.from('version 1000'));
  rig.keep(2000);
  rig.keep(3000, 'a key that lost a conflict', 'user-+1/pre-key-1.json');
  const uploads = rig.uploads();
  uploads.start();
  await settled(uploads);
  assert.deepEqual(Object.keys(rig.stored()), [`${OBJECT}.1000`, `${OBJECT}.2000`]);
  assert.deepEqual(rig.operations(), ['list', 'put', 'list']);
});

test('a start stores images of databases that were kept for their registration, and no other version of one', async (t) => {
  const rig = new Rig(t);
  rig.keep(1, 'lost a conflict', 'user-+1/auth.db');
  rig.keep(2, 'image', 'user-+1/auth.db.registered');
  const uploads = rig.uploads();
  uploads.start();
  assert.equal(await settled(uploads), 0);
  assert.deepEqual(rig.stored(), { '.sessionfs/set-aside/sessions/user/+1/auth.db.registered.2': 'image' });
});

test('an outage is waited for, and told once', async (t) => {
  const rig = new Rig(t);
  let failures = 5;
  rig.bucket.before = () => {
    if (failures-- > 0) throw new BucketError('unreachable', 'injected');
  };
  const uploads = rig.uploads();
  uploads.add(rig.keep(1000));
  assert.equal(await settled(uploads), 0);
  assert.deepEqual(rig.stored(), { [`${OBJECT}.1000`]: 'version 1000' });
  assert.deepEqual(
    rig.lines.map(({ level, reason }) => [level, reason]),
    [
      ['warn', 'unreachable'],
      ['info', undefined],
    ],
  );
});

test('the end waits for an outage as long as it is told to, and not for a missing permission', async (t) => {
  const rig = new Rig(t);
  rig.bucket.before = () => {
    throw new BucketError('unreachable', 'injected');
  };
  const uploads = rig.uploads();
  uploads.add(rig.keep(1000));
  const deadlineMs = performance.now() + 100;
  assert.equal(await uploads.settled(deadlineMs), 1);
  assert.ok(performance.now() >= deadlineMs, 'it gave up before its time');
  rig.bucket.before = () => {
    throw new BucketError('permission', 'injected');
  };
  assert.equal(await settled(uploads), 1);
  await uploads.end();
  assert.deepEqual(rig.stored(), {});
});

test('the end does not wait for the next try of something that has failed before', async (t) => {
  const rig = new Rig(t);
  let isRepaired = false;
  rig.bucket.before = () => {
    if (!isRepaired) throw new BucketError('permission', 'injected');
  };
  const uploads = rig.uploads(1_000_000);
  uploads.add(rig.keep(1000));
  await until(() => rig.lines.length > 0);
  isRepaired = true;
  assert.equal(await settled(uploads), 0);
  assert.deepEqual(Object.keys(rig.stored()), [`${OBJECT}.1000`]);
});

test('a lost answer stores nothing twice, and another machine’s version of the same moment stays', async (t) => {
  const rig = new Rig(t);
  let lost = 1;
  rig.bucket.after = ({ operation }) => {
    if (operation === 'put' && lost-- > 0) throw new BucketError('unreachable', 'injected');
  };
  rig.bucket.store(`${OBJECT}.2000`, Buffer.from('another machine'));
  const uploads = rig.uploads();
  uploads.add(rig.keep(1000));
  uploads.add(rig.keep(2000));
  assert.equal(await settled(uploads), 0);
  assert.deepEqual(rig.stored(), {
    [`${OBJECT}.1000`]: 'version 1000',
    [`${OBJECT}.2000`]: 'another machine',
    [`${OBJECT}.2001`]: 'version 2000',
  });
});

test('ten versions of a session are kept in the bucket, the newest ones, and other sessions’ are left alone', async (t) => {
  const rig = new Rig(t);
  for (let ms = 1; ms <= 11; ms++) rig.bucket.store(`${OBJECT}.${ms}`, Buffer.from('old'));
  rig.bucket.store('.sessionfs/set-aside/sessions/user/+1/creds.json.bak.1', Buffer.from('other'));
  rig.bucket.store('.sessionfs/set-aside/sessions/user/+10/creds.json.1', Buffer.from('other'));
  rig.bucket.store('sessions/user/+1/creds.json', Buffer.from('present'));
  const uploads = rig.uploads();
  uploads.add(rig.keep(1000));
  await settled(uploads);
  const numbers = Object.keys(rig.stored())
    .filter((name) => name.startsWith(`${OBJECT}.`) && !name.includes('.bak'))
    .map((name) => Number(name.slice(OBJECT.length + 1)));
  assert.deepEqual(numbers, [3, 4, 5, 6, 7, 8, 9, 10, 11, 1000]);
  assert.equal(rig.bucket.objects.size, 13);
});

test('a version that is gone meanwhile is nothing to store', async (t) => {
  const rig = new Rig(t);
  const uploads = rig.uploads();
  const name = rig.keep(1000);
  rig.lose(name);
  uploads.add(name);
  assert.equal(await settled(uploads), 0);
  assert.deepEqual(rig.stored(), {});
});

test('an old version that cannot be deleted, or one that cannot be stored, keeps no other one back', async (t) => {
  const rig = new Rig(t);
  for (let ms = 1; ms <= 12; ms++) rig.bucket.store(`${OBJECT}.${ms}`, Buffer.from(`version ${ms}`));
  rig.bucket.before = ({ operation, name }) => {
    if (operation === 'delete') throw new BucketError('permission', 'a retention policy');
    if (operation === 'put' && name.endsWith('.1000')) throw new BucketError('rejected', 'refused');
  };
  const uploads = rig.uploads();
  uploads.start();
  for (const ms of [1000, 2000, 3000]) uploads.add(rig.keep(ms));
  assert.equal(await settled(uploads), 1);
  assert.equal(rig.stored()[`${OBJECT}.2000`], 'version 2000');
  assert.equal(rig.stored()[`${OBJECT}.3000`], 'version 3000');
  assert.equal(rig.lines.filter(({ msg }) => msg.startsWith('Old kept versions')).length, 1);
});

test('a machine whose clock is behind does not delete what it has just stored', async (t) => {
  const rig = new Rig(t);
  for (let ms = 9000; ms < 9010; ms++) rig.bucket.store(`${OBJECT}.${ms}`, Buffer.from(`version ${ms}`));
  const uploads = rig.uploads();
  uploads.add(rig.keep(1000));
  assert.equal(await settled(uploads), 0);
  const names = Object.keys(rig.stored());
  assert.deepEqual([names.length, names.includes(`${OBJECT}.1000`)], [10, true]);
  assert.ok(!names.includes(`${OBJECT}.9000`), 'the oldest of the others went');
});

test('a store in which every name seems to be taken is not asked for ever', async (t) => {
  const rig = new Rig(t);
  rig.bucket.before = ({ operation, name }) => {
    if (operation === 'put') rig.bucket.store(name, Buffer.from('of another machine'));
  };
  const uploads = rig.uploads(60_000);
  uploads.add(rig.keep(1000));
  assert.equal(await settled(uploads), 1);
  assert.ok(rig.bucket.calls.length <= 100, `${rig.bucket.calls.length} requests`);
});
