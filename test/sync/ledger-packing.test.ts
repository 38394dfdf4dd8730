import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { crc32c } from '../../src/lib/crc32c.ts';
import { sessionOf } from '../../src/naming/session-path.ts';
import { rewriteLedger } from '../../src/sync/ledger/file.ts';
import { type LedgerRecord, lineOf } from '../../src/sync/ledger/format.ts';
import type { ObjectEntry } from '../../src/sync/ledger/object-entry.ts';
import { readLedger } from '../../src/sync/ledger/reading.ts';
import { LedgerState } from '../../src/sync/ledger/state.ts';
import { ListedNames } from '../../src/sync/reconcile/listed-names.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { parseLine } from './ledger-line.ts';

const FIRST: LedgerRecord = ['ledger', 1, 'id', 'gs://b'];
const NAMES = [
  ...[
    'creds.json',
    'creds.json.bak',
    'a.json',
    'a.json.bak',
    'b',
    'deep/a.json',
    'deep/b',
    '%dir',
    'é',
    'é.json',
  ].map((rest) => `sessions/u/+1/${rest}`),
  ...['creds.json', 'creds.json.bak', 'b', '+2', '%dir'].map((rest) => `sessions/u/${rest}`),
  ...['creds.json', 'creds.json.bak', 'a.json', 'a.json.bak', 'key-1.json', 'key-2.json', 'key-3.json'].map(
    (rest) => `sessions/v/+2/${rest}`,
  ),
  ...['x.json', 'x.json.bak', 'y%'].map((rest) => `sessions/${rest}`),
  ...['sessions//foreign', 'sessions/u/%zz', 'elsewhere'],
];

const name = fc.constantFrom(...NAMES);
const generation = fc.constantFrom('1', '2', '1764000000000000', 'etag.x', '"\\');
const size = fc.constantFrom(0, 5, 700, 2 ** 40);
const atMs = fc.oneof(fc.constantFrom(1, 7, 9.001, 9.002, 1764000000000), fc.constant(-3));
const upload = fc.constantFrom('i', 'j');
/** The most by far. */
const settled = fc.tuple(
  fc.constantFrom('same' as const, 'absent' as const),
  fc.constantFrom(...NAMES.filter((each) => each.startsWith('sessions/v/'))),
  ...[generation, size, size, fc.constant(7)],
) as fc.Arbitrary<LedgerRecord>;
const record: fc.Arbitrary<LedgerRecord> = fc.oneof(
  fc.tuple(fc.constantFrom('changed' as const, 'deleted' as const), name, atMs),
  fc.tuple(fc.constant('attempt' as const), name, upload, generation, size, size),
  fc.tuple(fc.constant('answered' as const), name, upload),
  fc.tuple(
    fc.constantFrom('same' as const, 'stored' as const, 'absent' as const),
    name,
    generation,
    size,
    size,
    atMs,
  ),
  settled,
  fc.tuple(fc.constant('gone' as const), name),
  fc.constant(['mount'] as LedgerRecord),
  fc.tuple(fc.constant('listed' as const), fc.boolean()),
  fc.tuple(fc.constant('serving' as const), fc.constantFrom('u-+1', 'v-+2')),
  fc.tuple(fc.constant('epoch' as const), fc.constantFrom('u-+1', 'v-+2'), fc.nat(3)),
) as fc.Arbitrary<LedgerRecord>;

function rowOf({ siblings: _, ...row }: ObjectEntry): Omit<ObjectEntry, 'siblings'> {
  return row;
}

/** All that it says, in no order. */
function contentOf(state: LedgerState): unknown {
  const sessions = [...state.sessions].map(([session, { size: files, absent, dirty, totals }]) => {
    const rows = new Map(
      [...(state.entriesOf(session)?.values() ?? [])].map((entry) => [entry.name, rowOf(entry)]),
    );
    return [
      session,
      { files, absent, totals, dirty: new Set([...dirty].map((entry) => entry.name)), rows },
    ] as const;
  });
  return {
    sessions: new Map(sessions),
    entries: state.entryCount,
    attempts: state.attempts,
    serving: state.serving,
    listed: [state.listed, state.wasListed],
    epochs: state.epochs,
    awaited: new Map(
      [...state.entries()].map((entry) => [entry.name, new Set(state.targetsOf(entry).map(rowOf))]),
    ),
    moves: NAMES.map((each) => state.movesFrom(sessionOf(each) ?? '')),
    records: state.records,
  };
}

/** What a file that is written anew tells: not of a deletion where the bucket is known to have nothing. */
function rewrittenOf(state: LedgerState): unknown {
  const rows = [...state.entries()].filter(
    ({ name: each, local, remote }) =>
      local !== 'deleted' || remote !== undefined || state.attempts.has(each),
  );
  return new Map(rows.map(({ name: each, local, remote, shadowed }) => [each, { local, remote, shadowed }]));
}

/** Nothing of it was ever packed. */
function applied(records: readonly LedgerRecord[]): LedgerState {
  const state = new LedgerState();
  for (const each of records) state.apply(each);
  return state;
}

test('a session that rests between two lines is what it would be without', () => {
  const step = fc.record({
    record,
    rests: fc.array(fc.constantFrom('', 'u', 'u-+1', 'v-+2')),
    refreshes: fc.option(name, { nil: undefined }),
    loses: fc.option(name, { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const plain = new LedgerState();
      const packing = new LedgerState();
      const held = new Map<string, ObjectEntry>();
      for (const { record: each, rests, refreshes, loses } of steps) {
        for (const state of [plain, packing]) {
          state.apply(each);
          for (const session of state === packing ? rests : []) state.rest(session, true);
          const refreshed = refreshes === undefined ? undefined : state.get(refreshes);
          if (refreshed !== undefined) state.refresh(refreshed);
          const lost = loses === undefined ? undefined : state.get(loses);
          for (const session of state === packing ? rests : []) state.rest(session, true);
          if (lost !== undefined && lost.local !== 'absent') state.removed(lost);
          for (const session of state === packing ? rests : []) state.rest(session, true);
        }
        for (const [each, entry] of held) {
          // What is made again is another row.
          if (plain.get(each) === undefined) held.delete(each);
          else if (packing.get(each) === entry) assert.equal(entry.name, each);
        }
        for (const entry of packing.entries()) {
          const before = held.get(entry.name);
          if (before?.siblings === entry.siblings) assert.equal(before, entry, 'the row has one object');
          held.set(entry.name, entry);
        }
      }
      assert.deepEqual(contentOf(packing), contentOf(plain));
    }),
    { numRuns: 300 },
  );
});

test('whatever lines a file has, read at once they say what they say one by one; so does the file written anew', (t) => {
  const path = join(temporaryDirectory(t), 'bucket.log');
  fc.assert(
    fc.property(fc.oneof(fc.array(record, { maxLength: 60 }), fc.array(settled)), (records) => {
      const lines = [FIRST, ...records];
      writeFileSync(path, lines.map(lineOf).join(''));
      const read = readLedger(path);
      assert.equal(read?.damaged, false);
      assert.deepEqual(contentOf(read.state), contentOf(applied(lines)));
      rewriteLedger(path, read.state);
      const again = readLedger(path)?.state;
      assert.deepEqual(again && rewrittenOf(again), rewrittenOf(read.state));
    }),
    { numRuns: 200 },
  );
});

test('a line is read as JSON says, however it is written', (t) => {
  const path = join(temporaryDirectory(t), 'bucket.log');
  const of = (tail: string, head = '["same",') => `${head}"sessions/u/+1/a",${tail}`;
  const texts = [
    ...[
      '"7",1,2,3]',
      '"7",1,2,3]]',
      '"7",1,2,3] ',
      '"7",1,2,3',
      '"7",1,2,3,4]',
      '"7",1,2]',
      '"7", 1,2,3]',
      '"7",01,2,3]',
    ],
    ...[
      '"7",1,2,3e2]',
      '"7",1,2,3.5]',
      '"7",-1,2,3]',
      '"7",1,2,-3]',
      '7,1,2,3]',
      '"\\u0037",1,2,3]',
      '"7\\n",1,2,3]',
      '"",1,2,3]',
    ],
    ...[
      '"007",1,2,3]',
      '"9007199254740993",9007199254740992,2,3]',
      '"7",9007199254740991,2,9007199254740992]',
      '"é",1,2,3]',
    ],
  ].map((tail) => of(tail));
  texts.push(of('"7",1,2,3]', '["absent",'), of('"7",1,2,3]', '[ "same",'), of('"7",1,2,3]', '["seme",'));
  for (const text of texts) {
    const line = `${crc32c(Buffer.from(text)).toString(16).padStart(8, '0')} ${text}`;
    const parsed = parseLine(line);
    writeFileSync(path, `${lineOf(FIRST)}${line}\n`);
    const read = readLedger(path);
    assert.equal(read?.damaged, parsed === undefined, text);
    const expected = applied(parsed === undefined ? [FIRST] : [FIRST, parsed]);
    assert.deepEqual(contentOf(read.state), contentOf(expected), text);
  }
});

test('a deletion of a session that was not compared yet stays, also where it is compared later', (t) => {
  const path = join(temporaryDirectory(t), 'bucket.log');
  const object = 'sessions/v/+2/a.json';
  const removed: LedgerRecord[] = [
    ['changed', object, 7],
    ['deleted', object, 7],
  ];
  const later: LedgerRecord[] = [
    ['listed', true],
    ['epoch', 'v-+2', 1],
  ];
  for (const compared of later) {
    writeFileSync(path, [FIRST, ...removed, compared].map(lineOf).join(''));
    assert.equal(readLedger(path)?.state.get(object)?.local, 'deleted', compared[0]);
  }
});

test('of a move from one session to another the targets are known first, in whatever order the sessions came', (t) => {
  const path = join(temporaryDirectory(t), 'bucket.log');
  const [from, to] = ['sessions/u/+1/deep/a.json', 'sessions/v/+2/a.json'];
  const lines: LedgerRecord[] = [FIRST, same(from), ['changed', to, 9.001], ['deleted', from, 9.001]];
  writeFileSync(path, lines.map(lineOf).join(''));
  const state = readLedger(path)?.state;
  assert.deepEqual(state?.movesFrom('u-+1'), new Set([9.001]));
  const deleted = state?.get(from);
  assert.deepEqual(deleted && state?.targetsOf(deleted).map((target) => target.name), [to]);
});

test('an entry is the same object for as long as any of its session is in use, wherever it was packed meanwhile', () => {
  const state = applied([FIRST, ...['a', 'b'].map((each) => same(`sessions/u/+1/${each}`))]);
  const held = state.get('sessions/u/+1/a');
  const remote = held?.remote;
  for (let round = 0; round < 3; round++) {
    state.rest('u-+1', true);
    assert.equal(state.looseEntries, 0);
    assert.equal([...state.entries()][0], held);
    assert.equal(state.looseEntries, 0, 'looking through all of them leaves them packed');
    assert.equal(state.get('sessions/u/+1/a'), held);
    assert.equal(state.looseEntries, 2);
    assert.equal(held?.remote, remote);
  }
});

test('what is noted of an entry that is only looked at is noted of its row', () => {
  const object = 'sessions/u/+1/a';
  const state = applied([FIRST, same(object)]);
  state.rest('u-+1', false);
  for (const entry of state.entries()) state.refresh(entry);
  for (let round = 0; round < 2; round++) {
    assert.equal(state.get(object)?.refresh, true);
    state.rest('u-+1', false);
  }
  for (const entry of state.entries()) state.removed(entry);
  assert.equal(state.get(object)?.remote, undefined);
});

test('a session is not packed while a move of one of its files waits, though nothing of it is to be stored', () => {
  const backup = 'sessions/u/+1/a.json.bak';
  const state = applied([FIRST, same('sessions/u/+1/a.json'), ['changed', backup, 9.001]]);
  assert.equal(state.sessions.get('u-+1')?.dirty.size, 0);
  state.rest('u-+1', false);
  assert.deepEqual(state.get(backup)?.movedBy, [9.001]);
});

test('of many sessions those are packed that rest longest; what waits to be stored is not', () => {
  let nowMs = 0;
  const state = new LedgerState(() => nowMs);
  const rows = 1000;
  for (let session = 0; session < 60; session++) {
    nowMs += 500;
    for (let row = 0; row < rows; row++) state.apply(same(`sessions/u/+${session}/${row}`));
    if (session === 3) state.apply(['changed', `sessions/u/+${session}/0`, 7]);
  }
  assert.ok(state.looseEntries <= 30_000 + rows, `${state.looseEntries}`);
  assert.equal(state.entryCount, 60 * rows);
  assert.equal(state.sessions.get('u-+3')?.dirty.size, 1);
  const [dirty] = state.sessions.get('u-+3')?.dirty ?? [];
  assert.equal(state.get('sessions/u/+3/0'), dirty);
  for (let round = 0; round < 20; round++)
    for (let session = 0; session < 60; session++)
      assert.equal(state.get(`sessions/u/+${session}/1`)?.local, 'same');
  assert.equal(
    state.looseEntries,
    60 * rows,
    'within a moment nothing is packed that is used again and again',
  );
  nowMs += 5_000;
  for (let round = 0; round < 10; round++) state.get(`sessions/u/+${round % 2}/1`);
  assert.ok(state.looseEntries <= 30_000 + rows, 'later it is, by and by');
});

function same(object: string): LedgerRecord {
  return ['same', object, '1764000000000000', 4_000_000_000, 700, 1764000000000];
}

test('a session at rest takes at most 120 bytes a file in memory', (t) => {
  const path = join(temporaryDirectory(t), 'bucket.log');
  const files = 45_000;
  const lines = Array.from({ length: files }, (_, file) => {
    const session = Math.floor(file / 900);
    return lineOf(same(`sessions/user${session}/+1555000${session}/pre-key-${1000 + (file % 900)}.json`));
  });
  writeFileSync(path, lineOf(FIRST) + lines.join(''));
  const reading = pathToFileURL(join(repository, 'dist/src/sync/ledger/reading.js')).href;
  const program = `
    const { readLedger } = await import('${reading}');
    const used = () => { gc(); gc(); return process.memoryUsage().heapUsed + process.memoryUsage().external; };
    const before = used();
    const { state } = readLedger('${path}');
    const opened = (used() - before) / state.entryCount;
    let local = 0;
    for (const entry of state.entries()) if (entry.local === 'same') local++;
    await new Promise((resolve) => setTimeout(resolve));
    console.log(local, opened, (used() - before) / local);`;
  const args = ['--expose-gc', '--input-type=module', '-e', program];
  const [local, ...bytes] = execFileSync(process.execPath, args, { encoding: 'utf8' }).split(' ').map(Number);
  assert.equal(local, files);
  for (const each of bytes) assert.ok(each <= 120, `${each} bytes`);
});

test('names of a listing are known at its end, in whatever order they came', () => {
  fc.assert(
    fc.property(fc.array(name), fc.array(name), (listed, asked) => {
      const names = new ListedNames();
      for (const each of listed) names.add(each, sessionOf(each) ?? '');
      for (const each of asked)
        assert.equal(names.has(each, sessionOf(each) ?? ''), listed.includes(each), each);
    }),
  );
});
