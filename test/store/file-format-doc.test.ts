/** docs/file-format.md is right: its tables are the code's constants, its examples are what the code does. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  keptVersionName,
  keptVersionPrefix,
  parseKeptVersionName,
} from '../../src/naming/kept-version-name.ts';
import { keptVersionObject, parseKeptVersionObject } from '../../src/naming/kept-version-object.ts';
import {
  directoryMetaName,
  type EntryKind,
  fromObjectName,
  toObjectName,
} from '../../src/naming/object-name.ts';
import { FOR_CHECKPOINTS, FOR_REMOVALS } from '../../src/store/cache/ballast.ts';
import {
  OpFlag,
  OpHeader,
  OpType,
  RecordHeader,
  SEGMENT_VERSION,
  SegmentHeader,
  segmentPath,
} from '../../src/store/journal/format.ts';
import { JournalProgress } from '../../src/store/journal/progress.ts';
import { JournalWriter, SEGMENT_BYTES } from '../../src/store/journal/writer.ts';
import { append, KEY_ID, put, Rig, remove, replay, temporaryDirectory } from './support.ts';

/** The tests run from dist/, the page lies beside package.json. */
const page = fs.readFileSync(findUpward('docs/file-format.md'), 'utf8');

function findUpward(name: string): string {
  for (let at = import.meta.dirname; ; at = join(at, '..')) {
    const path = join(at, name);
    if (fs.existsSync(path)) return path;
    assert.notEqual(at, '/', `${name} is missing`);
  }
}

/** The cells of the first table behind `marker`, without its head. */
function table(marker: string): string[][] {
  const behind = page.slice(page.indexOf(marker) + marker.length);
  assert.notEqual(behind.length, page.length, `"${marker}" is missing`);
  const lines = behind.slice(behind.indexOf('\n|') + 1).split('\n');
  const rows = lines.slice(
    2,
    lines.findIndex((line) => !line.startsWith('|')),
  );
  return rows.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

test('the layout examples are what toObjectName and fromObjectName say', () => {
  const rows = table('lower-case hex) are foreign.');
  assert.ok(rows.length >= 12);
  for (const [kind, quotedPath, quotedName] of rows) {
    const path = (quotedPath ?? '').replaceAll('`', '');
    const name = (quotedName ?? '').replaceAll('`', '');
    if (kind === 'attributes') {
      assert.equal(directoryMetaName(path), name);
      assert.deepEqual(fromObjectName(name), { path, directoryMeta: true });
    } else {
      assert.equal(toObjectName(path, kind as EntryKind), name);
      assert.deepEqual(fromObjectName(name, kind as EntryKind), { path, directoryMeta: false });
    }
  }
});

const layouts: [marker: string, fields: Record<string, number>][] = [
  ['Segment header:', SegmentHeader],
  ['A record is atomic: all of its operations are replayed, or none.', RecordHeader],
  ['An operation:', OpHeader],
];
for (const [marker, { SIZE, ...fields }] of layouts) {
  test(`the offsets of the table behind "${marker}" are those of the code`, () => {
    const rows = table(marker).filter(([, size]) => /^\d+$/.test(size ?? ''));
    assert.deepEqual(
      rows.map(([offset]) => Number(offset)),
      Object.values(fields),
    );
    const [offset, size] = rows.at(-1) ?? [];
    assert.equal(Number(offset) + Number(size), SIZE);
    let end = 0;
    for (const [at, bytes] of rows) {
      assert.equal(Number(at), end, 'no gaps');
      end += Number(bytes);
    }
  });
}

test('the operation types are those of the code', () => {
  const rows = table('| 16+p | d | data |\n');
  assert.deepEqual(Object.fromEntries(rows.map(([type, name]) => [name, Number(type)])), OpType);
});

test('the flags in the text are those of the code', () => {
  const { NONE: _, ...flags } = OpFlag;
  for (const [name, value] of Object.entries(flags)) assert.ok(page.includes(`flag ${value}, ${name}`), name);
});

test('the numbers in the text are those of the code', () => {
  assert.match(page, new RegExp(`full \\(${SEGMENT_BYTES >> 20} MiB\\)`));
  assert.match(page, new RegExp(`version: ${SEGMENT_VERSION} `));
  assert.match(page, new RegExp(`\`${FOR_CHECKPOINTS.file}\` \\| ${FOR_CHECKPOINTS.bytes >> 20} MiB`));
  assert.match(page, new RegExp(`\`${FOR_REMOVALS.file}\` \\| ${FOR_REMOVALS.bytes >> 10} KiB`));
});

test('the example segment is what the writer writes, and reads as it says', (t) => {
  const hex = /```hex\n([^`]*)```/.exec(page)?.[1]?.replace(/\s/g, '') ?? '';
  const directory = temporaryDirectory(t);
  const writer = new JournalWriter(directory, {
    nextSegment: 1,
    nextSeq: 1,
    progress: new JournalProgress(),
  });
  append(writer, [remove('a')], 6);
  append(writer, [put('s-+1/f', 'DATA', OpFlag.KEEP_OLD)]);
  writer.close();
  assert.equal(fs.readFileSync(segmentPath(directory, 1), 'hex'), hex);
  fs.writeFileSync(segmentPath(directory, 1), Buffer.from(hex, 'hex'));
  assert.deepEqual(
    replay(directory)
      .seen.flat()
      .map(({ path, data }) => [path, data]),
    [
      ['a', ''],
      ['s-+1/f', 'DATA'],
    ],
  );
});

test('a cache holds what the table of its names lists, and nothing else', async (t) => {
  const rig = new Rig(t);
  await rig.cache.put('s-+1/f', Buffer.from('damaged'));
  append(rig.writer, [put('s-+1/f', 'new', OpFlag.KEEP_OLD)]);
  await rig.checkpoint();
  const listed = table('## Cache directory').map(([name]) => name?.replaceAll('`', '').replace(/\/$/, ''));
  const there = fs.readdirSync(rig.cachePath);
  assert.deepEqual(
    there.filter((name) => !listed.includes(name)),
    [],
  );
  assert.deepEqual(
    listed.filter((name) => !there.includes(name ?? '')),
    ['lock', 'images', 'trash', 'mount-id', 'bucket.log', 'bucket.log.<id>'],
    'made by the process that locks it, where a session is removed, and where there is a bucket',
  );
  assert.ok(page.includes(fs.readFileSync(join(rig.cachePath, 'format.json'), 'utf8').trim()));
  assert.equal(KEY_ID, '0123456789abcdef');
});

test('the examples of what was set aside are the names that the code gives, and reads', () => {
  const [name = '', object = ''] = [/^ {4}(sessions%2F.*)$/m, /^ {4}(\.sessionfs\/set-aside\/.*)$/m].map(
    (line) => line.exec(page)?.[1],
  );
  const ms = Number(/\d+$/.exec(name)?.[0]);
  assert.equal(keptVersionName(keptVersionPrefix('userId1-+1234567890/creds.json'), ms), name);
  assert.deepEqual(parseKeptVersionName(name), { name, prefix: name.slice(0, -14), ms });
  assert.equal(keptVersionObject(name), object);
  assert.deepEqual(parseKeptVersionObject(object), {
    objectName: toObjectName('userId1-+1234567890/creds.json', 'file'),
    ms,
  });
});
