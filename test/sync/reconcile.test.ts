/** What a listing of the bucket means for what is known here, case by case. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { signature } from '../../src/bucket/object-metadata.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { Ledger } from '../../src/sync/ledger/ledger.ts';
import { quarantineStale } from '../../src/sync/reconcile/quarantine-stale.ts';
import { type ReconcileOptions, Reconciliation } from '../../src/sync/reconcile/reconcile.ts';
import { reconcileSession } from '../../src/sync/reconcile/reconcile-session.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { grantOf } from './lease-support.ts';
import { foreignObjects } from './support.ts';

const S = 'u-+1';
const OTHER = 'v-+2';
const name = (file: string, session = S) => toObjectName(`${session}/${file}`, 'file');

class Rig {
  readonly bucket = new MemoryBucket();
  readonly ledger: Ledger;

  constructor(t: TestContext) {
    this.ledger = Ledger.open({
      cachePath: temporaryDirectory(t),
      bucket: this.bucket.address,
      cachedObjects: () => [],
    });
    t.after(() => this.ledger.close());
  }

  /** Here and in the bucket. */
  async synced(...names: string[]): Promise<void> {
    await this.ledger.changed(names, []);
    for (const object of names) {
      const version = this.bucket.store(object, Buffer.from('ok'), signature(this.ledger.id, 1));
      this.ledger.same(object, version);
    }
  }

  theirs(object: string): void {
    this.bucket.store(object, Buffer.from('theirs'), signature('another', 2));
  }

  async compare(
    options: Partial<ReconcileOptions> = {},
    served: (session: string) => boolean = () => false,
  ): Promise<{ conflicts: string[]; removed: string[]; replaced: string[]; lost: number }> {
    const holds = async () => false;
    const removed: string[] = [];
    const remove = async (names: readonly string[]) => void removed.push(...names);
    const comparing = new Reconciliation(this.ledger, {
      ...{ served, holds, remove, foreign: foreignObjects() },
      ...options,
    });
    await comparing.add(this.bucket.objects.values());
    const { conflicts, replaced, lost } = await comparing.end();
    return { conflicts: [...conflicts], removed, replaced, lost };
  }

  stateOf(object: string): string | undefined {
    return this.ledger.get(object)?.local;
  }
}

const NOTHING = { conflicts: [], removed: [], replaced: [], lost: 0 };

test('a session that was compared after the listing had begun is left as it is', async (t) => {
  const rig = new Rig(t);
  await rig.synced(name('a.json'), name('b.json'));
  rig.bucket.objects.delete(name('a.json'));
  rig.theirs(name('b.json'));
  for (const wroteElsewhere of [() => false, () => true])
    assert.deepEqual(await rig.compare({ except: new Set([S]), wroteElsewhere }), NOTHING);
  assert.deepEqual([rig.stateOf(name('a.json')), rig.stateOf(name('b.json'))], ['same', 'same']);
  assert.equal((await rig.compare({ except: new Set([OTHER]) })).lost, 1, 'another one is not left out');
});

test('what the bucket lost is to be stored again; what another mount deleted is to go', async (t) => {
  const rig = new Rig(t);
  await rig.synced(name('a.json'));
  rig.bucket.objects.clear();
  assert.deepEqual(await rig.compare({ wroteElsewhere: () => true }), {
    ...NOTHING,
    removed: [name('a.json')],
  });
  assert.equal(rig.stateOf(name('a.json')), undefined);
  await rig.synced(name('b.json'));
  rig.bucket.objects.clear();
  assert.deepEqual(await rig.compare(), { ...NOTHING, lost: 1 });
  assert.equal(rig.stateOf(name('b.json')), 'changed');
});

test('what another mount deleted is known to the ledger until the cache has removed it, also over a death in between', async (t) => {
  const rig = new Rig(t);
  await rig.synced(name('a.json'), name('b.json'));
  await rig.ledger.changed([name('a.json.bak')], []);
  rig.bucket.objects.clear();
  const all = ['a.json', 'a.json.bak', 'b.json'].map((file) => name(file));
  const asked: string[][] = [];
  const dies = async (names: readonly string[]) => {
    asked.push([...names].sort());
    throw new Error('the daemon dies');
  };
  for (let start = 0; start < 2; start++) {
    await assert.rejects(rig.compare({ wroteElsewhere: () => true, remove: dies }), /dies/);
    assert.deepEqual(
      all.map((each) => rig.stateOf(each)),
      ['same', 'changed', 'same'],
    );
  }
  assert.deepEqual(asked, [all, all]);
  const { removed } = await rig.compare({ wroteElsewhere: () => true });
  assert.deepEqual([removed.sort(), rig.ledger.entriesOf(S)], [all, []]);
});

test('what another mount deleted and this one changed, or an application sees, is a conflict', async (t) => {
  for (const how of ['changed', 'seen'] as const) {
    const rig = new Rig(t);
    await rig.synced(name('a.json'));
    rig.bucket.objects.clear();
    if (how === 'changed') await rig.ledger.changed([name('a.json')], []);
    const result = await rig.compare({ wroteElsewhere: () => true }, () => how === 'seen');
    assert.deepEqual([result.conflicts, result.removed], [[S], []], how);
    assert.notEqual(rig.stateOf(name('a.json')), undefined);
  }
});

test('a newer version counts where nothing changed here and no application has seen it; else it is a conflict', async (t) => {
  for (const how of ['unchanged', 'changed', 'seen', 'another file changed'] as const) {
    const rig = new Rig(t);
    await rig.synced(name('a.json'), name('b.json'));
    rig.theirs(name('a.json'));
    if (how === 'changed') await rig.ledger.changed([name('a.json')], []);
    if (how === 'another file changed') await rig.ledger.changed([name('b.json')], []);
    const { conflicts } = await rig.compare({}, () => how === 'seen');
    assert.deepEqual(conflicts, how === 'unchanged' ? [] : [S], how);
    if (how === 'unchanged') assert.equal(rig.stateOf(name('a.json')), 'absent');
    if (how === 'seen' || how === 'changed') assert.notEqual(rig.stateOf(name('a.json')), 'absent', how);
  }
});

test('of the files in the root, which are no session, one that changed here and there is a conflict by itself', async (t) => {
  const [mine, other] = ['mine.json', 'other.json'].map((file) => toObjectName(file, 'file')) as [
    string,
    string,
  ];
  const changes = {
    'a newer version': (rig: Rig, object: string) => rig.theirs(object),
    'a deletion': (rig: Rig, object: string) => void rig.bucket.objects.delete(object),
  };
  for (const [what, happens] of Object.entries(changes))
    for (const changed of [mine, other]) {
      const rig = new Rig(t);
      await rig.synced(mine, other);
      await rig.ledger.changed([mine], []);
      happens(rig, changed);
      const found = await rig.compare({ wroteElsewhere: () => true });
      assert.deepEqual(found.conflicts, changed === mine ? [''] : [], what);
      assert.equal(rig.stateOf(mine), 'changed', what);
    }
});

test('a conflict is found again until it is settled, whatever tells of it', async (t) => {
  const evidence = {
    'a newer version': (rig: Rig) => rig.theirs(name('a.json')),
    'a deletion': (rig: Rig) => void rig.bucket.objects.delete(name('a.json')),
    'a new file': (rig: Rig) => rig.theirs(name('c.json')),
  };
  for (const [what, happens] of Object.entries(evidence))
    for (const isServed of [false, true]) {
      const rig = new Rig(t);
      await rig.synced(name('a.json'), name('b.json'));
      await rig.ledger.changed([name('b.json')], []);
      happens(rig);
      for (let start = 0; start < 2; start++) {
        const found = await rig.compare({ wroteElsewhere: () => true }, () => isServed);
        assert.deepEqual(
          [found.conflicts, found.removed],
          [[S], []],
          `${what}, start ${start}, served: ${isServed}`,
        );
      }
    }
});

test('another mount’s new file beside what changed here is a conflict, also where it is the only one', async (t) => {
  const rig = new Rig(t);
  await rig.synced(name('a.json'));
  await rig.ledger.changed([name('a.json')], []);
  rig.theirs(name('new.json'));
  assert.deepEqual((await rig.compare()).conflicts, [S]);
});

test('a conflict of a session that applications see stays to be found; one that was settled does not', async (t) => {
  for (const isServed of [true, false]) {
    const rig = new Rig(t);
    await rig.synced(name('a.json'));
    rig.ledger.noteCurrent(S, 1);
    await rig.ledger.changed([name('a.json')], []);
    rig.theirs(name('a.json'));
    const resolved: [string, boolean][] = [];
    await reconcileSession(
      {
        bucket: rig.bucket,
        ledger: rig.ledger,
        compared: new Set(),
        resolve: async (session, _listing, served) => void resolved.push([session, served]),
        holds: async () => false,
        remove: async () => {},
        foreign: foreignObjects(),
        apply: async () => {},
      },
      S,
      grantOf({ epoch: 3, previousEpoch: 2 }),
      () => isServed,
    );
    assert.deepEqual(resolved, [[S, isServed]]);
    assert.equal(rig.ledger.epochOf(S), isServed ? 1 : 3);
  }
});

const MOVE = { nowMs: 1_000, deadlineMs: Number.POSITIVE_INFINITY, maxBytes: 1_000 };

test('a late write is set aside in just the version that was listed, by the deadline', async (t) => {
  for (const isReplaced of [false, true]) {
    const rig = new Rig(t);
    rig.theirs(name('late.json'));
    const listed = [...rig.bucket.objects.values()];
    if (isReplaced) rig.theirs(name('late.json'));
    const deadlines: unknown[] = [];
    const remove = rig.bucket.delete.bind(rig.bucket);
    rig.bucket.delete = (object, options) => {
      deadlines.push((options as { deadlineMs?: number }).deadlineMs);
      return remove(object, options);
    };
    const moved = await quarantineStale(rig.bucket, listed, { ...MOVE, deadlineMs: 12_345 });
    const aside = `.sessionfs/set-aside/${name('late.json')}.1000`;
    assert.deepEqual(
      [moved, [...rig.bucket.objects.keys()]],
      isReplaced ? [[], [name('late.json')]] : [[aside], [aside]],
    );
    if (!isReplaced) assert.deepEqual(deadlines, [12_345]);
  }
});

test('a version that replaces the late one while it is set aside stays', async (t) => {
  const rig = new Rig(t);
  rig.theirs(name('late.json'));
  const listed = [...rig.bucket.objects.values()];
  rig.bucket.before = ({ operation }) => {
    if (operation === 'put') rig.theirs(name('late.json'));
  };
  assert.deepEqual(await quarantineStale(rig.bucket, listed, MOVE), []);
  assert.ok(rig.bucket.objects.has(name('late.json')));
});

test('the same bytes are no change, other ones are, whatever their size', async (t) => {
  for (const [content, isSame] of [
    ['ok', true],
    ['no', false],
  ] as const) {
    const rig = new Rig(t);
    await rig.synced(name('a.json'));
    rig.bucket.store(name('a.json'), Buffer.from(content), signature('another', 2));
    assert.deepEqual((await rig.compare()).conflicts, []);
    assert.equal(rig.stateOf(name('a.json')), isSame ? 'same' : 'absent');
  }
});

test('a change is stored only where the cache holds the very bytes of what the bucket has', async (t) => {
  for (const holds of [true, false]) {
    const rig = new Rig(t);
    await rig.synced(name('a.json'));
    await rig.ledger.changed([name('a.json')], []);
    rig.theirs(name('a.json'));
    const { conflicts } = await rig.compare({ holds: async () => holds });
    assert.deepEqual([conflicts, rig.stateOf(name('a.json'))], holds ? [[], 'same'] : [[S], 'changed']);
  }
});

test('what is signed by this cache and was never attempted is newer than this cache: an older copy was put back', async (t) => {
  const rig = new Rig(t);
  await rig.synced(name('a.json'));
  rig.bucket.store(name('a.json'), Buffer.from('later'), signature(rig.ledger.id, 1));
  assert.deepEqual(await rig.compare(), { ...NOTHING, replaced: [name('a.json')] });
  assert.equal(rig.stateOf(name('a.json')), 'absent');
});

test('an upload of this run whose answer was lost is its own', async (t) => {
  const rig = new Rig(t);
  await rig.ledger.changed([name('a.json')], []);
  const id = await rig.ledger.attempt(name('a.json'), '0', 1);
  const stored = rig.bucket.store(name('a.json'), Buffer.from('ok'), signature(rig.ledger.id, 1), id);
  assert.deepEqual(await rig.compare(), NOTHING);
  const entry = rig.ledger.get(name('a.json'));
  assert.deepEqual([entry?.local, entry?.remote?.generation], ['changed', stored.generation]);
});
