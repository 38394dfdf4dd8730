/** A checkpoint keeps what was in a session's folder that was removed, and nothing else. */
import assert from 'node:assert/strict';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { toObjectName } from '../../src/naming/object-name.ts';
import { trashDirectory } from '../../src/naming/trash-name.ts';
import { Cache } from '../../src/store/cache/cache.ts';
import { CheckpointPlan, type StoredBytes } from '../../src/store/checkpoint/plan.ts';
import { emptyTrash, listTrash, Trash, trashUsage } from '../../src/store/checkpoint/trash.ts';
import { OpType } from '../../src/store/journal/format.ts';
import { unpackArchive } from '../../src/store/set-aside/archive.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const S = 'user-+49';
const DAY_MS = 24 * 3_600_000;

class Rig {
  readonly cache: Cache;
  readonly trash: Trash;
  readonly kept: [name: string, replaced: string | undefined][] = [];
  readonly warnings: string[] = [];
  nowMs = 1_700_000_000_000;
  readonly #journal: Buffer[] = [];
  #seq = 0;

  constructor(t: TestContext) {
    const keyId = '0011223344556677';
    this.cache = Cache.open(temporaryDirectory(t), { mountPoint: '/nowhere/sessions', keyId });
    this.trash = new Trash({
      cache: this.cache,
      days: 7,
      nowMs: () => this.nowMs,
      log: { warn: (_fields: object, message: string) => void this.warnings.push(message) },
      kept: (name, replaced) => this.kept.push([name, replaced]),
    });
  }

  async put(...paths: string[]): Promise<void> {
    for (const path of paths) await this.cache.put(path, Buffer.from(`sealed ${path}`));
  }

  /** Returns the plan. `put PATH CONTENT`, `delete PATH`, `mkdir PATH`, `rmdir PATH`; a list of them is one record. */
  async collect(...records: (string | string[])[]): Promise<CheckpointPlan> {
    return this.collectOver(undefined, ...records);
  }

  /** `owed`: what could not be carried out before. */
  async collectOver(
    owed: CheckpointPlan | undefined,
    ...records: (string | string[])[]
  ): Promise<CheckpointPlan> {
    const plan = new CheckpointPlan(owed);
    for (const record of records) {
      this.#seq++;
      for (const op of [record].flat()) this.#add(plan, op);
    }
    await this.trash.collect(plan, async ({ segment }: StoredBytes) => this.#journal[segment] as Buffer);
    return plan;
  }

  #add(plan: CheckpointPlan, op: string): void {
    const [what, path = '', ...content] = op.split(' ');
    const data = Buffer.from(content.join(' '));
    const types = { put: OpType.PUT, delete: OpType.DELETE, mkdir: OpType.MKDIR, rmdir: OpType.RMDIR };
    const type = (types as Record<string, OpType>)[what ?? ''];
    assert.ok(type !== undefined);
    const segment = this.#journal.push(data) - 1;
    plan.add({ type, flags: 0, path, arg: 0, data }, { seq: this.#seq, unique: 0, segment, dataPosition: 0 });
  }

  /** Of the only archive. */
  content(): Record<string, string> {
    const [only, ...more] = this.contents();
    assert.ok(only !== undefined && more.length === 0, `${more.length + 1} archives`);
    return only;
  }

  /** The oldest first. */
  contents(): Record<string, string>[] {
    return listTrash(this.cache.path).map(({ name, session }) => {
      assert.equal(session, S);
      const files = unpackArchive(readFileSync(join(trashDirectory(this.cache.path), name)));
      return Object.fromEntries([...files].map(([path, sealed]) => [path, sealed.toString()]));
    });
  }
}

test('a removed session is kept whole: from the cache, and the newest versions from the journal', async (t) => {
  const rig = new Rig(t);
  await rig.put(`${S}/creds.json`, `${S}/a.json`, `${S}/deep/b.json`, 'user-+50/creds.json');
  await rig.collect(
    `put ${S}/a.json sealed newer`,
    `put ${S}/c.json sealed c`,
    ...['creds.json', 'a.json', 'c.json', 'deep/b.json'].map((name) => `delete ${S}/${name}`),
    `rmdir ${S}/deep`,
    `rmdir ${S}`,
  );
  assert.deepEqual(rig.content(), {
    [`${S}/creds.json`]: `sealed ${S}/creds.json`,
    [`${S}/a.json`]: 'sealed newer',
    [`${S}/c.json`]: 'sealed c',
    [`${S}/deep/b.json`]: `sealed ${S}/deep/b.json`,
  });
  assert.deepEqual(rig.kept, [[`sessions%2Fuser%2F+49.${rig.nowMs}`, undefined]]);
});

test('a removal that takes two checkpoints is one archive', async (t) => {
  const rig = new Rig(t);
  await rig.put(`${S}/creds.json`, `${S}/a.json`);
  await rig.collect(`delete ${S}/creds.json`);
  await rig.cache.remove(`${S}/creds.json`);
  rig.nowMs += 10_000;
  await rig.collect(
    `put ${S}/late.json sealed late`,
    `delete ${S}/late.json`,
    `delete ${S}/a.json`,
    `rmdir ${S}`,
  );
  assert.deepEqual(Object.keys(rig.content()).sort(), [`${S}/a.json`, `${S}/creds.json`, `${S}/late.json`]);
  const [[first] = [], second] = rig.kept;
  assert.equal(second?.[1], first);
});

test('what went in an earlier checkpoint than the credentials is in the archive, for a minute', async (t) => {
  const rig = new Rig(t);
  const others = [`${S}/long-ago.json`, `${S}/made-anew.json`, 'user-+50/a.json', 'user-+50/creds.json'];
  await rig.put(`${S}/creds.json`, `${S}/a.json`, `${S}/b.json`, ...others);
  const collect = async (...records: string[]) => {
    await rig.collect(...records);
    for (const record of records) {
      const [what, path = '', ...content] = record.split(' ');
      if (what === 'put') await rig.cache.put(path, Buffer.from(content.join(' ')));
      if (what === 'delete') await rig.cache.remove(path);
    }
  };
  await collect(`delete ${S}/long-ago.json`);
  rig.nowMs += 50_000;
  await collect(`delete ${S}/a.json`, `delete ${S}/made-anew.json`, 'delete user-+50/a.json');
  rig.nowMs += 10_000;
  await collect(`put ${S}/c.json sealed c`, `delete ${S}/c.json`, `put ${S}/made-anew.json anew`);
  await collect(`delete ${S}/made-anew.json`, `delete ${S}/b.json`, `delete ${S}/creds.json`, `rmdir ${S}`);
  assert.deepEqual(rig.content(), {
    [`${S}/creds.json`]: `sealed ${S}/creds.json`,
    [`${S}/a.json`]: `sealed ${S}/a.json`,
    [`${S}/b.json`]: `sealed ${S}/b.json`,
    [`${S}/c.json`]: 'sealed c',
    [`${S}/made-anew.json`]: 'anew',
  });

  // A session of that name that is made now has nothing to do with it.
  rig.nowMs += 1_000;
  await rig.collect(`put ${S}/creds.json sealed fresh`, `delete ${S}/creds.json`);
  const last = listTrash(rig.cache.path).at(-1)?.name ?? '';
  assert.deepEqual(
    [...unpackArchive(readFileSync(join(trashDirectory(rig.cache.path), last))).keys()],
    [`${S}/creds.json`],
  );
});

test('a session that was made anew and removed again within minutes leaves the one before it alone', async (t) => {
  const rig = new Rig(t);
  await rig.put(`${S}/creds.json`, `${S}/old-key.json`);
  await rig.collect(`delete ${S}/creds.json`, `delete ${S}/old-key.json`, `rmdir ${S}`);
  await rig.cache.remove(`${S}/creds.json`);
  await rig.cache.remove(`${S}/old-key.json`);
  rig.nowMs += 60_000;
  await rig.collect(`put ${S}/creds.json sealed fresh`);
  rig.nowMs += 60_000;
  await rig.collect(`put ${S}/creds.json sealed fresh`, `delete ${S}/creds.json`, `rmdir ${S}`);
  assert.deepEqual(rig.contents(), [
    { [`${S}/creds.json`]: `sealed ${S}/creds.json`, [`${S}/old-key.json`]: `sealed ${S}/old-key.json` },
    { [`${S}/creds.json`]: 'sealed fresh' },
  ]);
});

test('a session that is removed and made anew before one checkpoint is kept, each time by itself', async (t) => {
  const rig = new Rig(t);
  const creds = `${S}/creds.json`;
  const key = `${S}/key.json`;
  const removed = [`delete ${creds}`, `delete ${key}`, `rmdir ${S}`];
  await rig.put(creds, key);
  const first = { [creds]: `sealed ${creds}`, [key]: 'sealed newer' };
  await rig.collect(`put ${key} sealed newer`, ...removed, `mkdir ${S}`, `put ${creds} sealed fresh`);
  assert.deepEqual(rig.contents(), [first]);
  // It dies before it ends, and is carried out again.
  await rig.cache.put(creds, Buffer.from('sealed fresh'));
  await rig.put(`${S}/of-fresh.json`);
  await rig.cache.remove(key);
  const kept = rig.kept.length;
  await rig.collect(...[...removed, `mkdir ${S}`, `put ${creds} sealed fresh`, `put ${S}/of-fresh.json x`]);
  assert.deepEqual(rig.contents(), [first]);
  assert.equal(rig.kept.length, kept);
  await rig.cache.remove(`${S}/of-fresh.json`);
  // The next one begins with what that checkpoint left.
  await rig.collect(
    ...[`put ${key} sealed of-fresh`, ...removed],
    ...[`mkdir ${S}`, `put ${creds} sealed second`, `put ${S}/of-second.json x`],
    ...[`delete ${creds}`, `delete ${S}/of-second.json`, `rmdir ${S}`],
    ...[`mkdir ${S}`, `put ${key} sealed third`, `delete ${key}`, `rmdir ${S}`],
  );
  assert.deepEqual(rig.contents(), [
    first,
    { [creds]: 'sealed fresh', [key]: 'sealed of-fresh' },
    { [creds]: 'sealed second', [`${S}/of-second.json`]: 'x' },
    { [key]: 'sealed third' },
  ]);
  assert.deepEqual(
    rig.kept.map(([, replaced]) => replaced),
    [undefined, undefined, undefined, undefined],
  );
  const seconds = listTrash(rig.cache.path).map(({ ms }) => Math.floor(ms / 1000));
  assert.equal(new Set(seconds).size, 4, 'restore --at does not tell them apart');
  assert.deepEqual(rig.warnings, []);
});

test('a session that is emptied, and made anew in the same folder, is kept; one that goes on is not', async (t) => {
  const rig = new Rig(t);
  const creds = `${S}/creds.json`;
  const key = `${S}/key.json`;
  await rig.put(creds, key);
  const anew = [`delete ${creds}`, `delete ${key}`, `put ${creds} sealed fresh`];
  await rig.collect(`delete ${creds}`, `put ${creds} sealed again`);
  await rig.collect(`put ${S}/late.json x`, ...anew);
  await rig.put(`${S}/other.json`);
  await rig.collect(...anew);
  assert.deepEqual([rig.kept, rig.warnings], [[], []]);
  await rig.cache.remove(`${S}/other.json`);
  await rig.collect(...anew, `put ${S}/new-key.json x`);
  assert.deepEqual(rig.content(), { [creds]: `sealed ${creds}`, [key]: `sealed ${key}` });
  await rig.cache.remove(key);
  await rig.collect(`delete ${creds}`, `put ${creds} sealed again`);
  assert.equal(rig.kept.length, 1, 'a file that is saved by removing it first');
});

test('files that were replaced by renames just before the removal are kept', async (t) => {
  const rig = new Rig(t);
  const creds = `${S}/creds.json`;
  await rig.put(creds, `${S}/key.json`);
  await rig.collect(
    // As Baileys' develop branch saves a file.
    ...[`put ${creds}.tmp sealed newer`, [`delete ${creds}`, `put ${creds}.bak sealed ${creds}`]],
    [`delete ${creds}.tmp`, `put ${creds} sealed newer`],
    // The session is renamed, and back.
    [`delete ${S}/key.json`, 'put other/key.json sealed key'],
    ['delete other/key.json', `put ${S}/key.json sealed key`],
    ...[`delete ${creds}`, `delete ${creds}.bak`, `delete ${S}/key.json`, `rmdir ${S}`],
  );
  assert.deepEqual(rig.content(), {
    [creds]: 'sealed newer',
    [`${creds}.bak`]: `sealed ${creds}`,
    [`${S}/key.json`]: 'sealed key',
  });
});

test('a folder in the place of a session that was renamed is no removal', async (t) => {
  const rig = new Rig(t);
  await rig.put(`${S}/creds.json`);
  await rig.collect(
    [`delete ${S}/creds.json`, `rmdir ${S}`, 'mkdir user-+50', 'put user-+50/creds.json x'],
    `mkdir ${S}`,
    `put ${S}/creds.json sealed fresh`,
  );
  assert.deepEqual([rig.kept, rig.warnings], [[], []]);
});

test('a folder that is too large is not read, and costs no other session its archive', async (t) => {
  const rig = new Rig(t);
  await rig.put(`${S}/creds.json`, `${S}/video.bin`, 'user-+50/creds.json');
  truncateSync(rig.cache.files.locate(toObjectName(`${S}/video.bin`, 'file')), 2 ** 40);
  await rig.collect(`delete ${S}/creds.json`, 'delete user-+50/creds.json');
  assert.deepEqual(rig.warnings, ['A removed session is too large for the trash']);
  assert.deepEqual(
    listTrash(rig.cache.path).map(({ session }) => session),
    ['user-+50'],
  );
});

test('a checkpoint that is carried out again makes one archive, beside one that is damaged', async (t) => {
  const rig = new Rig(t);
  await rig.put(`${S}/creds.json`, `${S}/a.json`);
  await rig.collect(`delete ${S}/creds.json`, `delete ${S}/a.json`);
  rig.nowMs += 10_000;
  await rig.collect(`delete ${S}/creds.json`, `delete ${S}/a.json`);
  assert.deepEqual(Object.keys(rig.content()).sort(), [`${S}/a.json`, `${S}/creds.json`]);
  const [{ name } = { name: '' }] = listTrash(rig.cache.path);
  writeFileSync(join(trashDirectory(rig.cache.path), name), 'damaged');
  rig.nowMs += 10_000;
  await rig.collect(`delete ${S}/creds.json`, `delete ${S}/a.json`);
  assert.equal(listTrash(rig.cache.path).length, 2);
  assert.deepEqual(rig.warnings, []);
});

test('what the cache could not remove yet is kept once', async (t) => {
  const rig = new Rig(t);
  await rig.put(`${S}/creds.json`, `${S}/a.json`);
  const owed = await rig.collect(`delete ${S}/creds.json`, `delete ${S}/a.json`, `rmdir ${S}`);
  rig.nowMs += 10_000;
  await rig.collectOver(owed);
  await rig.collectOver(owed, 'put user-+50/creds.json x');
  assert.equal(rig.kept.length, 1);
  rig.nowMs += 10_000;
  await rig.collectOver(owed, `put ${S}/late.json sealed late`, `delete ${S}/late.json`);
  assert.equal(rig.content()[`${S}/late.json`], 'sealed late');
  assert.equal(rig.kept.length, 2);
});

test('deleted keys, a renamed session and other folders are not kept', async (t) => {
  const rig = new Rig(t);
  await rig.put(`${S}/creds.json`, `${S}/a.json`, 'logs/a.txt');
  await rig.collect(`delete ${S}/a.json`, 'delete logs/a.txt', 'rmdir logs');
  await rig.collect([
    `delete ${S}/creds.json`,
    `delete ${S}/a.json`,
    `rmdir ${S}`,
    'put user-+50/creds.json x',
  ]);
  await rig.collect(`delete ${S}/creds.json`, `put ${S}/creds.json sealed again`);
  assert.deepEqual([rig.kept, rig.warnings], [[], []]);
});

test('archives go after their days, all of them on a full disk, and a failure holds nothing up', async (t) => {
  const rig = new Rig(t);
  await rig.put(`${S}/creds.json`);
  await rig.collect(`delete ${S}/creds.json`);
  rig.nowMs += 7 * DAY_MS;
  await rig.collect();
  assert.equal(listTrash(rig.cache.path).length, 1);
  const { archives, sessions, bytes } = await trashUsage(rig.cache.path);
  assert.deepEqual([archives, sessions, bytes > 0], [1, 1, true]);
  rig.nowMs += 3_600_000;
  await rig.collect();
  assert.equal(listTrash(rig.cache.path).length, 0);
  await rig.collect(`delete ${S}/creds.json`);
  assert.equal(listTrash(rig.cache.path).length, 1);
  emptyTrash(rig.cache.path);
  assert.deepEqual([listTrash(rig.cache.path), rig.warnings], [[], []]);
  writeFileSync(trashDirectory(rig.cache.path), 'in the way');
  await rig.collect(`delete ${S}/creds.json`);
  assert.equal(rig.warnings.length, 1);
});

test('an archive that was cut or changed is refused', async (t) => {
  const rig = new Rig(t);
  await rig.put(`${S}/creds.json`);
  await rig.collect(`delete ${S}/creds.json`);
  const [{ name } = { name: '' }] = listTrash(rig.cache.path);
  const bytes = readFileSync(join(trashDirectory(rig.cache.path), name));
  for (const bad of [bytes.subarray(0, 5), bytes.subarray(1), bytes.subarray(0, -1), bytes.fill('x', 13, 14)])
    assert.throws(() => unpackArchive(bad), { code: 'CACHE_FORMAT' });
});
