import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import {
  OpHeader,
  RecordHeader,
  recordCrc,
  recordCrcOf,
  SEGMENT_VERSION,
  SegmentHeader,
} from '../../src/store/journal/format.ts';
import { JournalProgress } from '../../src/store/journal/progress.ts';
import { JournalWriter } from '../../src/store/journal/writer.ts';
import { append, put, type Replayed, remove, replay, temporaryDirectory } from './support.ts';

/** A journal of `counts.length` segments with so many records each, named f0, f1… */
function journal(t: TestContext, ...counts: number[]) {
  const directory = temporaryDirectory(t);
  const writer = new JournalWriter(directory, {
    nextSegment: 1,
    nextSeq: 1,
    progress: new JournalProgress(),
  });
  let record = 0;
  for (const count of counts) {
    for (let i = 0; i < count; i++, record++)
      append(writer, [put(`f${record}`, `content ${record}`), remove('x')], record);
    writer.roll();
  }
  writer.close();
  const path = (number: number) => join(directory, `${String(number).padStart(10, '0')}.log`);
  return { directory, path };
}

function names({ seen }: Replayed): (string | undefined)[] {
  return seen.map((ops) => ops[0]?.path);
}

const prefix = (count: number) => Array.from({ length: count }, (_, i) => `f${i}`);

test('an empty journal starts at 1', (t) => {
  const { nextSegment, nextSeq, segments, records } = replay(temporaryDirectory(t));
  assert.deepEqual(
    { nextSegment, nextSeq, segments, records },
    { nextSegment: 1, nextSeq: 1, segments: [], records: 0 },
  );
});

test('cut at any byte of its last record, a journal replays all the others, and is sound again', (t) => {
  const { directory, path } = journal(t, 2, 3);
  const whole = fs.readFileSync(path(2));
  const recordBytes = (whole.length - SegmentHeader.SIZE) / 3;
  for (let cut = whole.length - recordBytes; cut < whole.length; cut++) {
    fs.writeFileSync(path(2), whole.subarray(0, cut));
    const result = replay(directory);
    assert.deepEqual(names(result), prefix(4));
    assert.equal(result.droppedBytes, cut - (whole.length - recordBytes));
    assert.equal(fs.statSync(path(2)).size, whole.length - recordBytes);
    assert.deepEqual([result.nextSegment, result.nextSeq], [3, 5]);
    assert.equal(replay(directory).droppedBytes, 0);
  }
});

test('cut at any byte of its header, the last segment counts as empty', (t) => {
  const { directory, path } = journal(t, 2, 1);
  const whole = fs.readFileSync(path(2));
  for (let cut = 0; cut <= SegmentHeader.SIZE; cut++) {
    fs.writeFileSync(path(2), whole.subarray(0, cut));
    assert.deepEqual(names(replay(directory)), prefix(2));
  }
});

test('any flipped bits in the last segment leave a prefix of the records, never more, never an exception', (t) => {
  const { directory, path } = journal(t, 1, 4);
  const whole = fs.readFileSync(path(2));
  const bit = fc.integer({ min: SegmentHeader.SIZE * 8, max: whole.length * 8 - 1 });
  let damaged = 0;
  fc.assert(
    fc.property(fc.uniqueArray(bit, { minLength: 1, maxLength: 4 }), (bits) => {
      const bytes = Buffer.from(whole);
      for (const index of bits) bytes[index >> 3] = (bytes[index >> 3] as number) ^ (1 << (index & 7));
      fs.writeFileSync(path(2), bytes);
      const result = replay(directory);
      const first = Math.min(...bits) / 8 - SegmentHeader.SIZE;
      const sound = Math.floor(first / ((whole.length - SegmentHeader.SIZE) / 4));
      assert.deepEqual(names(result), prefix(1 + sound));
      damaged++;
    }),
    { numRuns: 2000 },
  );
  assert.ok(damaged >= 2000);
});

test('every record that was replayed is what was written, whole', (t) => {
  const { directory } = journal(t, 3);
  for (const [index, ops] of replay(directory).seen.entries()) {
    assert.deepEqual(
      ops.map(({ data }) => data),
      [`content ${index}`, ''],
    );
  }
});

test('a header of which only the first bytes reached the disk is a torn end', (t) => {
  const { directory, path } = journal(t, 2, 1);
  const whole = fs.readFileSync(path(2));
  for (let cut = 0; cut < SegmentHeader.SIZE; cut++) {
    const header = whole.subarray(0, cut);
    fs.writeFileSync(path(2), Buffer.concat([header, Buffer.alloc(100)]));
    assert.deepEqual(names(replay(directory)), prefix(2), `${cut} bytes`);
  }
});

test('torn segments without a whole record do not stop the start after the next one', (t) => {
  const { directory, path } = journal(t, 1);
  fs.truncateSync(path(1), SegmentHeader.SIZE + 1);
  fs.writeFileSync(path(2), 'torn');
  const { nextSegment, nextSeq } = replay(directory);
  const writer = new JournalWriter(directory, { nextSegment, nextSeq, progress: new JournalProgress() });
  append(writer, [put('after', 'the power cut')]);
  writer.close();
  assert.equal(replay(directory).records, 1);
});

for (const [what, size] of [
  ['empty', 0],
  ['shorter than a header', 8],
  ['a header of zeros', SegmentHeader.SIZE],
] as const) {
  test(`a segment that is ${what}, after a full disk and a power cut, does not stop a start`, (t) => {
    const { directory, path } = journal(t, 2);
    const { nextSegment } = replay(directory);
    fs.unlinkSync(path(1));
    fs.writeFileSync(path(nextSegment), Buffer.alloc(size));
    const copy = fs.readFileSync(path(nextSegment));
    assert.equal(replay(directory).nextSegment, nextSegment + 1);
    // The disk takes no change of it back: the next segment comes after it as it was.
    fs.writeFileSync(path(nextSegment), copy);
    const options = { nextSegment: nextSegment + 1, nextSeq: 3, progress: new JournalProgress() };
    const writer = new JournalWriter(directory, options);
    append(writer, [put('after', 'the power cut')]);
    writer.close();
    assert.deepEqual(names(replay(directory)), ['after']);
  });
}

test('where a segment ends torn, the next is taken when it goes on with the next record', (t) => {
  const { directory, path } = journal(t, 2, 2);
  fs.appendFileSync(path(1), 'half a record');
  const result = replay(directory);
  assert.deepEqual(names(result), prefix(4));
  assert.equal(result.droppedBytes, 'half a record'.length);
  const again = replay(directory);
  assert.deepEqual(names(again), prefix(4));
  assert.equal(again.droppedBytes, 0, 'the torn end is gone');
});

test('records that are missing before others stop the start and say what to do', (t) => {
  const { directory, path } = journal(t, 2, 2, 2);
  const damage: (() => void)[] = [
    () => fs.unlinkSync(path(2)),
    () => fs.truncateSync(path(2), fs.statSync(path(2)).size - 1),
    () => fs.truncateSync(path(2), 3),
    () => fs.truncateSync(path(1), SegmentHeader.SIZE + 1),
  ];
  const copy = new Map([1, 2, 3].map((number) => [number, fs.readFileSync(path(number))]));
  for (const hurt of damage) {
    for (const [number, bytes] of copy) fs.writeFileSync(path(number), bytes);
    hurt();
    assert.throws(
      () => replay(directory),
      (error: { code?: string; hint?: string }) =>
        error.code === 'JOURNAL_CORRUPT' && (error.hint?.length ?? 0) > 0,
    );
  }
});

test('damage that nothing follows is a torn end, even when later segments have a header', (t) => {
  const { directory, path } = journal(t, 2, 2, 1);
  fs.truncateSync(path(2), fs.statSync(path(2)).size - 1);
  fs.truncateSync(path(3), SegmentHeader.SIZE);
  assert.deepEqual(names(replay(directory)), prefix(3));
});

test('a journal whose first segments were retired goes on from there', (t) => {
  const { directory, path } = journal(t, 2, 2);
  fs.unlinkSync(path(1));
  const result = replay(directory);
  assert.deepEqual(names(result), ['f2', 'f3']);
  assert.deepEqual([result.nextSegment, result.nextSeq], [3, 5]);
});

test('a segment of another version is not touched', (t) => {
  const { directory, path } = journal(t, 1);
  const bytes = fs.readFileSync(path(1));
  bytes.writeUInt32LE(SEGMENT_VERSION + 1, SegmentHeader.VERSION);
  fs.writeFileSync(path(1), bytes);
  assert.throws(() => replay(directory), { code: 'CACHE_FORMAT' });
  assert.deepEqual(fs.readFileSync(path(1)), bytes);
});

test('a segment of version 1, whose records have another checksum, is replayed, and goes on in version 2', (t) => {
  const { directory, path } = journal(t, 3, 2);
  const bytes = fs.readFileSync(path(1));
  bytes.writeUInt32LE(1, SegmentHeader.VERSION);
  const crc = recordCrcOf(1);
  assert.ok(crc);
  for (let at: number = SegmentHeader.SIZE; at < bytes.length; ) {
    const end = at + RecordHeader.SIZE + bytes.readUInt32LE(at + RecordHeader.LENGTH);
    bytes.writeUInt32LE(crc(bytes, at, end), at + RecordHeader.CRC);
    at = end;
  }
  fs.writeFileSync(path(1), bytes);
  assert.deepEqual(names(replay(directory)), prefix(5));
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  fs.writeFileSync(path(1), bytes);
  assert.throws(() => replay(directory), { code: 'JOURNAL_CORRUPT' });
});

test('a segment under the name of another one counts as damaged', (t) => {
  const { directory, path } = journal(t, 1);
  fs.renameSync(path(1), path(2));
  assert.equal(replay(directory).records, 0);
});

test('other files in the directory are left alone', (t) => {
  const { directory } = journal(t, 1);
  fs.writeFileSync(join(directory, 'notes.txt'), 'x');
  assert.deepEqual(names(replay(directory)), prefix(1));
});

test('a record whose checksum is right and whose content is not is refused', (t) => {
  const { directory, path } = journal(t, 1);
  const whole = fs.readFileSync(path(1));
  const record = SegmentHeader.SIZE;
  const op = record + RecordHeader.SIZE;
  const wrong: [what: string, change: (bytes: Buffer) => void][] = [
    ['type 0', (bytes) => bytes.writeUInt8(0, op + OpHeader.TYPE)],
    ['type 10', (bytes) => bytes.writeUInt8(10, op + OpHeader.TYPE)],
    ['flag', (bytes) => bytes.writeUInt8(2, op + OpHeader.FLAGS)],
    ['path beyond the record', (bytes) => bytes.writeUInt16LE(0xffff, op + OpHeader.PATH_BYTES)],
    ['data beyond the record', (bytes) => bytes.writeUInt32LE(0xffffffff, op + OpHeader.DATA_BYTES)],
    ['data short of it', (bytes) => bytes.writeUInt32LE(1, op + OpHeader.DATA_BYTES)],
    ['argument of 2^63', (bytes) => bytes.writeUInt32LE(0x80000000, op + OpHeader.ARG + 4)],
    ['absolute path', (bytes) => bytes.write('/0', op + OpHeader.SIZE)],
    ['trailing slash', (bytes) => bytes.write('f/', op + OpHeader.SIZE)],
    ['NUL in the path', (bytes) => bytes.write('f\0', op + OpHeader.SIZE)],
    [
      'empty path',
      (bytes) => {
        bytes.writeUInt16LE(0, op + OpHeader.PATH_BYTES);
        bytes.writeUInt32LE(bytes.readUInt32LE(op + OpHeader.DATA_BYTES) + 2, op + OpHeader.DATA_BYTES);
      },
    ],
    ['seq of 2^63', (bytes) => bytes.writeUInt32LE(0x80000000, record + RecordHeader.SEQ + 4)],
  ];
  for (const [what, change] of wrong) {
    const bytes = Buffer.from(whole);
    change(bytes);
    bytes.writeUInt32LE(recordCrc(bytes, record, bytes.length), record + RecordHeader.CRC);
    fs.writeFileSync(path(1), bytes);
    assert.equal(replay(directory).records, 0, what);
  }
});
