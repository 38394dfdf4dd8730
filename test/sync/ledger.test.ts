import assert from 'node:assert/strict';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { crc32c } from '../../src/lib/crc32c.ts';
import { rewriteInUse } from '../../src/sync/ledger/file.ts';
import { fieldsOf, type LedgerRecord, lengthLine, lineOf } from '../../src/sync/ledger/format.ts';
import { Ledger } from '../../src/sync/ledger/ledger.ts';
import { readLedger } from '../../src/sync/ledger/reading.ts';
import { LedgerState } from '../../src/sync/ledger/state.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { parseLine } from './ledger-line.ts';

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
  return entry && { local: entry.local, remote: entry.remote, attempted: ledger.attemptsOf(name).length > 0 };
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
  for (const name of [attempt, undecided]) await ledger.attempt(name, '0', 1);
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
    for (let line = 0; line < 1500; line++) void ledger.attempt(attempt, '0', 1);
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
    await ledger.changed(['sessions/u/+2/creds.json'], []);
    ledger.close();
    const text = readFileSync(path, 'utf8');
    if (damage === 'cut') truncateSync(path, text.length - 3);
    else writeFileSync(path, text.replace(/\["same","sessions\/u\/\+1\/pre/, '["sane","sessions/u/+1/pre'));
    ledger = open(cachePath, [CREDS, KEY]);
    assert.deepEqual(shape(ledger, CREDS), { local: 'changed', remote: version, attempted: false }, damage);
    const remote = damage === 'cut' ? version : undefined;
    assert.deepEqual(shape(ledger, KEY), { local: 'changed', remote, attempted: false }, damage);
    ledger = reopened(ledger, cachePath, []);
    assert.equal(ledger.dirtyOf('u-+1').length, 2, 'it was written anew');
    ledger.close();
  }
});

test('what a power cut tears behind what was durable makes nothing dirty, and counts for nothing', async (t) => {
  const torn: Record<string, (tail: string) => string> = {
    'in the middle of a line': (tail) => tail.slice(0, -3),
    'zeros to the end': (tail) => tail.slice(0, -9) + '\0'.repeat(9),
    'a hole before a line that is whole': (tail) => `\0\0\0${tail.slice(3)}`,
  };
  for (const [how, tear] of Object.entries(torn)) {
    const cachePath = temporaryDirectory(t);
    const path = join(cachePath, 'bucket.log');
    let ledger = open(cachePath);
    ledger.same(CREDS, version);
    await ledger.changed([KEY], []);
    const durable = statSync(path).size;
    ledger.same(KEY, version);
    ledger.noteCurrent('u-+1', 3);
    ledger.close();
    const text = readFileSync(path, 'latin1');
    writeFileSync(path, text.slice(0, durable) + tear(text.slice(durable)), 'latin1');
    ledger = open(cachePath, [CREDS, KEY]);
    const found = () => [ledger.wasDamaged, ledger.get(CREDS)?.local, ledger.epochOf('u-+1')];
    assert.deepEqual(found(), [false, 'same', undefined], how);
    await ledger.changed([], [KEY]);
    ledger = reopened(ledger, cachePath, []);
    assert.deepEqual(found(), [false, 'same', undefined], `${how}: what follows is appended to whole lines`);
    assert.equal(ledger.get(KEY)?.local, 'deleted', how);
    ledger.close();
  }
});

test('a file that ends early at a line end is noticed, and what is not durable may be missing', async (t) => {
  const cachePath = temporaryDirectory(t);
  const path = join(cachePath, 'bucket.log');
  const ledger = open(cachePath);
  ledger.same(CREDS, version);
  await ledger.changed([KEY], []);
  const durable = statSync(path).size;
  ledger.same(KEY, version);
  ledger.close();
  const whole = readFileSync(path);
  const lineEnds = [...whole.keys()].filter((at) => whole[at] === 0x0a).map((at) => at + 1);
  // Without the first two lines it says nothing of itself: it is a new one then, or one of before.
  for (const end of lineEnds.slice(2)) {
    const copy = temporaryDirectory(t);
    writeFileSync(join(copy, 'bucket.log'), whole.subarray(0, end));
    const cut = open(copy, [CREDS, KEY]);
    assert.equal(cut.wasDamaged, end < durable, `${end} of ${durable}`);
    if (end < durable) assert.deepEqual([cut.get(CREDS)?.local, cut.get(KEY)?.local], ['changed', 'changed']);
    const again = reopened(cut, copy, [CREDS, KEY]);
    assert.equal(again.wasDamaged, false, 'once');
    again.close();
  }
});

test('no crash of a process makes a file count as cut, whatever it was doing', async (t) => {
  const cachePath = temporaryDirectory(t);
  const ledger = open(cachePath);
  const copy = temporaryDirectory(t);
  for (let step = 0; step < 4_000; step++) {
    ledger.same(KEY, { ...version, generation: String(step) });
    if (step % 100 === 0) await ledger.changed([CREDS], []);
    if (step % 200 !== 0) continue;
    writeFileSync(join(copy, 'bucket.log'), readFileSync(join(cachePath, 'bucket.log')));
    const next = open(copy, []);
    assert.equal(next.wasDamaged, false, `step ${step}`);
    next.close();
    await nextTurn();
  }
  ledger.close();
});

test('a file that does not say how long it was is written anew, and says so then', async (t) => {
  const cachePath = temporaryDirectory(t);
  const path = join(cachePath, 'bucket.log');
  writeFileSync(path, lineOf(['ledger', 1, 'id', 'gs://b']) + lineOf(['same', CREDS, '7', 1, 2, 3]));
  const ledger = open(cachePath, [CREDS]);
  assert.deepEqual([ledger.wasDamaged, ledger.get(CREDS)?.local], [false, 'same']);
  ledger.close();
  const [, second = ''] = readFileSync(path, 'utf8').split('\n');
  assert.deepEqual(parseLine(second), ['length', String(statSync(path).size).padStart(15, '0')]);
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
    ...{
      id: 'i',
      bucket: 'b',
      name: CREDS,
      ms: 1,
      upload: 'u',
      digits: '000000000000123',
      generation: '7',
      crc32c: 1,
      size: 2,
      boolean: true,
    },
  };
  assert.equal(shown.length, 11);
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

test('a ledger that is longer than any string is read, and so is what lies behind a line that is none', (t) => {
  const cachePath = temporaryDirectory(t);
  const path = join(cachePath, 'bucket.log');
  const ledger = open(cachePath);
  ledger.same(CREDS, version);
  ledger.close();
  const secondLineAt = readFileSync(path).indexOf('\n') + 1;
  truncateSync(path, 600 * 2 ** 20);
  appendFileSync(path, `\n${lineOf(['same', KEY, '8', 1, 2, 3])}`);
  const fd = openSync(path, 'r+');
  writeSync(fd, lengthLine(statSync(path).size), secondLineAt);
  closeSync(fd);
  const again = open(cachePath, [CREDS, KEY]);
  assert.deepEqual(shape(again, CREDS), { local: 'changed', remote: version, attempted: false });
  assert.deepEqual(again.get(KEY)?.remote, { ...version, generation: '8' });
  assert.ok(statSync(path).size < 10_000, 'it was written anew');
  again.close();
});

test('lines that lie across the chunks of a read are read whole', (t) => {
  const cachePath = temporaryDirectory(t);
  const path = join(cachePath, 'bucket.log');
  open(cachePath).close();
  const names = Array.from({ length: 20_000 }, (_, index) => `sessions/u/+${index}/${'n'.repeat(200)}.json`);
  appendFileSync(path, names.map((name) => lineOf(['same', name, '7', 1, 2, 3])).join(''));
  const ledger = open(cachePath, names);
  assert.equal(ledger.inBucket().objects, names.length);
  assert.equal(ledger.dirtyCount, 0, 'no line was damaged');
  ledger.close();
});

test('a ledger is written anew while it is in use, and loses nothing that is noted meanwhile', async (t) => {
  const cachePath = temporaryDirectory(t);
  const path = join(cachePath, 'bucket.log');
  const ledger = open(cachePath);
  const names = Array.from({ length: 50 }, (_, index) => `sessions/u/+1/${index}.json`);
  const backups = 20_000;
  let longest = 0;
  for (let backup = 0; backup < backups; backup++) {
    const name = names[backup % names.length] ?? '';
    ledger.same(name, { ...version, generation: String(backup) });
    if (backup % 50 === 0) await nextTurn();
    if (backup % 1000 !== 0) continue;
    await ledger.changed([`sessions/v/+2/${backup}.json`], []);
    await sleep(1);
    longest = Math.max(longest, statSync(path).size);
  }
  const expected = names.map((name) => [name, shape(ledger, name)]);
  const dirty = ledger.dirtySessions.flatMap((session) => ledger.dirtyOf(session).map(({ name }) => name));
  assert.equal(dirty.length, backups / 1000);
  // A quarter more than what it says, its spare thousand lines, and what was noted between two looks.
  assert.ok(longest < 600_000, `${longest} bytes`);
  const next = reopened(ledger, cachePath, names);
  assert.deepEqual(
    names.map((name) => [name, shape(next, name)]),
    expected,
  );
  assert.deepEqual(
    next.dirtySessions.flatMap((session) => next.dirtyOf(session).map(({ name }) => name)).sort(),
    dirty.sort(),
  );
  next.close();
});

test('a ledger that needs several lines for each file is not written anew again and again', async (t) => {
  const cachePath = temporaryDirectory(t);
  const inode = () => statSync(join(cachePath, 'bucket.log')).ino;
  const ledger = open(cachePath);
  const names = Array.from({ length: 2_000 }, (_, index) => `sessions/u/+1/${index}.json`);
  for (const name of names) ledger.same(name, version);
  const first = inode();
  await ledger.changed(names, []);
  while (inode() === first) await nextTurn();
  const second = inode();
  for (const name of names.slice(0, 100)) ledger.ours(name, { ...version, generation: '8' });
  for (let turn = 0; turn < 500; turn++) await nextTurn();
  assert.equal(inode(), second);
  ledger.close();
});

test('what was moved to another session is known to the next process, also after the ledger was written anew', async (t) => {
  const cachePath = temporaryDirectory(t);
  const [from, to, further] = ['sessions/u/+1/a.json', 'sessions/v/+2/a.json', 'sessions/w/+3/a.json'];
  let ledger = open(cachePath);
  ledger.same(from, version);
  await ledger.changed([to], [from], [{ deleted: [from], put: [to] }]);
  for (const round of ['written', 'read', 'written anew']) {
    assert.deepEqual(ledger.moveTargetsOf('u-+1', new Set()), ['v-+2'], round);
    if (round === 'read') for (let line = 0; line < 1500; line++) void ledger.attempt(to, '0', 1);
    ledger = reopened(ledger, cachePath);
  }
  await ledger.changed([further], [to], [{ deleted: [to], put: [further] }]);
  ledger = reopened(ledger, cachePath);
  assert.deepEqual(ledger.moveTargetsOf('u-+1', new Set()), ['w-+3'], 'it was moved on');
  ledger.same(further, version);
  assert.deepEqual(ledger.moveTargetsOf('u-+1', new Set()), []);
  ledger.close();
});

test('what is noted in the last moment before a new file is used is in it, and one that is given up leaves nothing', async (t) => {
  const cachePath = temporaryDirectory(t);
  const path = join(cachePath, 'bucket.log');
  const state = new LedgerState();
  state.apply(['ledger', 1, 'id', 'gs://b']);
  for (const isOver of [true, false]) {
    const late = ['first', 'last'].map((name) => lineOf(['changed', `sessions/u/+1/${name}`, 7]));
    const since = () => ({ bytes: Buffer.from(late.shift() ?? ''), lines: 1 });
    let used = 0;
    await rewriteInUse(
      path,
      state,
      since,
      () => isOver,
      ({ size }) => {
        used = size;
      },
    );
    assert.deepEqual(readdirSync(cachePath), isOver ? [] : ['bucket.log']);
    if (isOver) continue;
    assert.equal(statSync(path).size, used);
    assert.equal(
      readLedger(path)?.state.durableLength,
      used,
      'also after a power cut that tears the next line',
    );
    assert.match(readFileSync(path, 'utf8'), /first.*\n.*last.*\n$/);
  }
});

test('an upload of a file that is made again while the ledger is written anew is not forgotten', async (t) => {
  const path = join(temporaryDirectory(t), 'bucket.log');
  const state = new LedgerState();
  state.apply(['ledger', 1, 'id', 'gs://b']);
  state.apply(['same', CREDS, ...fieldsOf(version)]);
  state.apply(['attempt', KEY, 'upload', '0', 1, 7]);
  for (let file = 0; file < 2_000; file++)
    state.apply(['same', `sessions/v/+2/${file}.json`, ...fieldsOf(version)]);
  const made: LedgerRecord = ['changed', KEY, 8];
  let since = '';
  const isOver = () => {
    if (state.get(KEY) !== undefined) return false;
    state.apply(made);
    since = lineOf(made);
    return false;
  };
  const takeSince = () => {
    const bytes = Buffer.from(since);
    since = '';
    return { bytes, lines: 1 };
  };
  await rewriteInUse(path, state, takeSince, isOver, () => {});
  const read = readLedger(path)?.state;
  assert.deepEqual([read?.get(KEY)?.local, read?.attempts.get(KEY)?.length], ['changed', 1]);
});

test('from one bucket to another and back: the first one’s ledger is taken up again, compared with the cache', async (t) => {
  const cachePath = temporaryDirectory(t);
  const names = ['kept', 'changed', 'new', 'lost', 'remote'].map((file) => `sessions/u/+1/${file}.json`);
  const [kept = '', changed = '', added = '', lost = '', remote = ''] = names;
  const write = (name: string, text: string) => {
    mkdirSync(dirname(join(cachePath, name)), { recursive: true });
    writeFileSync(join(cachePath, name), text);
  };
  const versionOf = (text: string) => ({
    ...version,
    size: text.length,
    crc32c: crc32c(Buffer.from(text)),
  });
  const first = open(cachePath, [], 'gs://one');
  for (const name of [kept, changed, lost]) {
    write(name, 'ok 1');
    first.same(name, versionOf('ok 1'));
  }
  first.absent(remote, version);
  const { id } = first;
  first.close();
  const second = open(cachePath, [kept, changed, lost], 'gs://two');
  assert.deepEqual([second.leftBehind, second.dirtyCount], [['u-+1'], 3]);
  write(changed, 'ok 2');
  write(added, 'ok');
  rmSync(join(cachePath, lost));
  second.close();
  const back = open(cachePath, [kept, changed, added], 'gs://one');
  assert.equal(back.id, id);
  assert.deepEqual(
    names.map((name) => back.get(name)?.local),
    ['same', 'changed', 'changed', 'absent', 'absent'],
  );
  assert.equal(
    back.get(changed)?.remote?.generation,
    version.generation,
    'it replaces the version that is there',
  );
  assert.deepEqual(readdirSync(cachePath).sort(), ['bucket.log', `bucket.log.${second.id}`, 'sessions']);
  back.close();
  // Starts with the second bucket, and then with the first one, that died before they had taken up any.
  renameSync(join(cachePath, 'bucket.log'), join(cachePath, `bucket.log.${id}`));
  const again = open(cachePath, [kept, changed, added], 'gs://one');
  assert.deepEqual([again.id, again.get(kept)?.local, again.get(lost)?.local], [id, 'same', 'absent']);
  again.close();
});
