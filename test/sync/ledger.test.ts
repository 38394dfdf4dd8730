import assert from 'node:assert/strict';
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { lineOf, parseLine } from '../../src/sync/ledger/format.ts';
import { Ledger } from '../../src/sync/ledger/ledger.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const CREDS = 'sessions/u/+1/creds.json';
const KEY = 'sessions/u/+1/pre-key-1.json';
const version = { generation: '7', crc32c: 1, size: 2, updatedMs: 3 };

function open(cachePath: string, cached: string[] = [], bucket = 'gs://b'): Ledger {
  return Ledger.open({ cachePath, bucket, cachedObjects: () => cached });
}

/** What a later process makes of the same directory. */
function reopened(ledger: Ledger, cachePath: string, cached: string[] = []): Ledger {
  ledger.close();
  return open(cachePath, cached);
}

const shape = (ledger: Ledger, name: string) => {
  const entry = ledger.get(name);
  return entry && { local: entry.local, remote: entry.remote, attempted: entry.attempted };
};

test('with a new ledger everything in the cache is to be stored, temporary files apart', (t) => {
  const cachePath = temporaryDirectory(t);
  assert.equal(Ledger.exists(cachePath), false);
  const ledger = open(cachePath, [CREDS, KEY, 'sessions/u/+1/x.json.tmp']);
  assert.equal(Ledger.exists(cachePath), true);
  assert.deepEqual(
    ledger.dirtyOf('u-+1').map(({ name }) => name),
    [CREDS, KEY],
  );
  assert.deepEqual(reopened(ledger, cachePath).dirtySessions, ['u-+1']);
});

test('every state of an entry is there for the next process', async (t) => {
  const cachePath = temporaryDirectory(t);
  let ledger = open(cachePath);
  const kinds = ['same', 'stored', 'absent', 'deleted', 'attempt', 'undecided', 'removed', 'never'];
  const names = kinds.map((name) => `sessions/a/${name}`);
  const [same = '', stored = '', absent = '', deleted = '', attempt = '', undecided = ''] = names;
  const [removed = '', never = ''] = names.slice(-2);
  await ledger.changed([same, stored, deleted, attempt, undecided, removed, never], []);
  const change = (name: string) => ledger.get(name)?.change ?? -1;
  for (const name of [same, stored, deleted, removed]) {
    const entry = ledger.get(name);
    assert.ok(entry);
    ledger.stored(entry, change(name), version);
  }
  ledger.attempt([attempt, undecided]);
  await ledger.changed([stored], [deleted, undecided, removed, never]);
  const gone = ledger.get(removed);
  assert.ok(gone);
  ledger.removed(gone, gone.change);
  ledger.absent(absent, version);
  const expected = {
    [same]: { local: 'same', remote: version, attempted: false },
    [stored]: { local: 'changed', remote: version, attempted: false },
    [absent]: { local: 'absent', remote: version, attempted: false },
    [deleted]: { local: 'deleted', remote: version, attempted: false },
    [attempt]: { local: 'changed', remote: undefined, attempted: true },
    // Whether the bucket has it must be asked, and it must not stay there.
    [undecided]: { local: 'deleted', remote: undefined, attempted: true },
    [removed]: undefined,
    [never]: undefined,
  };
  for (const round of ['written', 'read', 'rewritten', 'read anew']) {
    for (const name of names) assert.deepEqual(shape(ledger, name), expected[name], `${name}, ${round}`);
    if (round === 'written' || round === 'rewritten') ledger = reopened(ledger, cachePath);
    if (round !== 'read') continue;
    // Many lines about few entries: the next start writes it anew.
    for (let line = 0; line < 1500; line++) ledger.attempt([attempt]);
    const before = readFileSync(join(cachePath, 'bucket.log')).length;
    ledger = reopened(ledger, cachePath);
    assert.ok(readFileSync(join(cachePath, 'bucket.log')).length < before / 10);
  }
  ledger.close();
});

test('a file that changes while its upload is under way stays dirty, with the generation that was stored', async (t) => {
  const cachePath = temporaryDirectory(t);
  const ledger = open(cachePath);
  await ledger.changed([CREDS], []);
  const entry = ledger.get(CREDS);
  assert.ok(entry);
  const { change } = entry;
  await ledger.changed([CREDS], []);
  ledger.stored(entry, change, version);
  assert.deepEqual(shape(ledger, CREDS), { local: 'changed', remote: version, attempted: false });
  ledger.close();
});

test('a cut or damaged line makes everything in the cache dirty, and nothing that was known is forgotten', async (t) => {
  for (const damage of ['cut', 'changed'] as const) {
    const cachePath = temporaryDirectory(t);
    const path = join(cachePath, 'bucket.log');
    let ledger = open(cachePath, [CREDS]);
    ledger.same(CREDS, version);
    ledger.same(KEY, version);
    ledger.close();
    const text = readFileSync(path, 'utf8');
    if (damage === 'cut') truncateSync(path, text.length - 3);
    else writeFileSync(path, text.replace(/\["same","sessions\/u\/\+1\/pre/, '["sane","sessions/u/+1/pre'));
    ledger = open(cachePath, [CREDS, KEY]);
    assert.deepEqual(shape(ledger, CREDS), { local: 'changed', remote: version, attempted: false }, damage);
    assert.deepEqual(shape(ledger, KEY), { local: 'changed', remote: undefined, attempted: false }, damage);
    ledger = reopened(ledger, cachePath, []);
    assert.equal(ledger.dirtyOf('u-+1').length, 2, 'it was written anew');
    ledger.close();
  }
});

test('the ledger of another bucket is kept beside, and everything is stored in the new one', (t) => {
  const cachePath = temporaryDirectory(t);
  const ledger = open(cachePath, [CREDS], 'gs://one');
  ledger.same(CREDS, version);
  const { id } = ledger;
  ledger.close();
  const other = open(cachePath, [CREDS], 'gs://two');
  assert.deepEqual(shape(other, CREDS), { local: 'changed', remote: undefined, attempted: false });
  assert.notEqual(other.id, id);
  assert.deepEqual(readdirSync(cachePath).sort(), ['bucket.log', `bucket.log.${id}`]);
  other.close();
});

test('local mode goes on with the ledger of whatever bucket; what it makes anew is not taken for what the bucket has', async (t) => {
  const cachePath = temporaryDirectory(t);
  const hybrid = open(cachePath, [], 'gs://one');
  hybrid.absent(CREDS, version);
  hybrid.close();
  const local = Ledger.open({ cachePath, bucket: undefined, cachedObjects: () => [] });
  await local.changed([CREDS, KEY], []);
  local.close();
  const back = open(cachePath, [], 'gs://one');
  assert.deepEqual(shape(back, CREDS), { local: 'changed', remote: undefined, attempted: false });
  assert.equal(back.dirtyOf('u-+1').length, 2);
  back.close();
});

test('docs/file-format.md shows every kind of line, as it is', () => {
  const page = readFileSync(join(repository, 'docs/file-format.md'), 'utf8');
  const section = page.slice(page.indexOf('## Ledger'), page.indexOf('## Objects'));
  const shown = [...section.matchAll(/^\| `\[([^\]]*)\]`/gm)].map(([, inner = '']) => inner.split(','));
  const values: Record<string, unknown> = {
    ...{ id: 'i', bucket: 'b', name: CREDS, ms: 1, generation: '7', crc32c: 1, size: 2, boolean: true },
  };
  assert.equal(shown.length, 9);
  for (const [kind = '', ...fields] of shown) {
    const record = [JSON.parse(kind), ...fields.map((field) => values[field] ?? Number(field))];
    assert.deepEqual(parseLine(lineOf(record as never).trimEnd()), record, kind);
  }
});

test('a line is read as it was written, and nothing else is a line', () => {
  const line = lineOf(['same', CREDS, '7', 1, 2, 3]).trimEnd();
  assert.deepEqual(parseLine(line), ['same', CREDS, '7', 1, 2, 3]);
  for (let at = 0; at < line.length; at++) {
    const flipped = line.slice(0, at) + String.fromCharCode(line.charCodeAt(at) ^ 1) + line.slice(at + 1);
    assert.equal(parseLine(flipped), undefined, flipped);
    assert.equal(parseLine(line.slice(0, at)), undefined);
  }
  const wrong = [
    ['same', CREDS],
    ['same', CREDS, 7, 1, 2, 3],
    ['nothing', CREDS],
    ['changed', 1, 1],
    { a: 1 },
    ['toString'],
  ];
  for (const value of wrong) assert.equal(parseLine(lineOf(value as never).trimEnd()), undefined);
});

test('what cannot be written down is not taken for noted', async (t) => {
  const cachePath = temporaryDirectory(t);
  const ledger = open(cachePath);
  await ledger.changed([KEY], []);
  ledger.close();
  await assert.rejects(ledger.changed([CREDS], []));
  assert.equal(ledger.get(CREDS), undefined, 'nothing was noted');
});
