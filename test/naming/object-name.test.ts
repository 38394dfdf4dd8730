import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  directoryMetaName,
  type EntryKind,
  fromObjectName,
  isStorableName,
  toObjectName,
} from '../../src/naming/object-name.ts';

const hostile = [
  '%',
  '+',
  '-',
  '-+',
  'a-+',
  '-+1',
  'a-+1',
  'a-+1-+2',
  'a-+1.json',
  'c.json-+1',
  'a',
  'a.json',
  '+1',
  '++',
  '%2B1',
  '%dir',
  'x%',
  'new\nline',
  '\x7f\x85',
  '\ufffd',
  '...',
  'é中\u{1F600}',
  '#1',
  'a*?[]',
  '_$folder$',
  'a'.repeat(255),
  'é'.repeat(127),
];
const anyName = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 12 })
  .filter((name) => !name.includes('/') && !name.includes('\0') && name !== '.' && name !== '..');
const crafted = fc
  .array(fc.constantFrom('a', '-', '+', '-+', '%', '.json', '%25', '%2B'), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join(''));
const component = fc.oneof(fc.constantFrom(...hostile), anyName, crafted);
const pathOf = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const kindOf = fc.constantFrom<EntryKind>('file', 'directory');

test('every path comes back from its object name', () => {
  fc.assert(
    fc.property(pathOf, kindOf, (path, kind) => {
      const name = toObjectName(path, kind);
      assert.ok(name.startsWith('sessions/'));
      assert.deepEqual(fromObjectName(name, kind), { path, directoryMeta: false });
    }),
    { numRuns: 20_000 },
  );
});

test('the attributes of a directory are recognised and come back', () => {
  fc.assert(
    fc.property(fc.oneof(pathOf, fc.constant('')), (path) => {
      assert.deepEqual(fromObjectName(directoryMetaName(path)), { path, directoryMeta: true });
    }),
    { numRuns: 5000 },
  );
});

test('two entries that can exist together never need one name, nor one a file where the other needs a directory', () => {
  const entry = fc.record({ path: pathOf, kind: kindOf });
  fc.assert(
    fc.property(entry, entry, (one, two) => {
      fc.pre(one.path !== two.path);
      const first = toObjectName(one.path, one.kind);
      const second = toObjectName(two.path, two.kind);
      assert.notEqual(first, second);
      const nested = two.path.startsWith(`${one.path}/`);
      if (one.kind === 'file' && !nested)
        assert.ok(!second.startsWith(`${first}/`), `${first} and ${second}`);
    }),
    { numRuns: 20_000 },
  );
});

test('what fromObjectName accepts is the image of what it answers; the rest is foreign', () => {
  const part = fc.oneof(
    component,
    fc.constantFrom('%0A', '%2b', '%', '%41', '%2F', '%FF', '%dir', '', '.', '..'),
  );
  const nameOf = fc.array(part, { maxLength: 4 }).map((parts) => ['sessions', ...parts].join('/'));
  fc.assert(
    fc.property(nameOf, kindOf, (name, kind) => {
      const identity = fromObjectName(name, kind);
      if (!identity) return;
      const { path, directoryMeta } = identity;
      assert.equal(directoryMeta ? directoryMetaName(path) : toObjectName(path, kind), name);
    }),
    { numRuns: 20_000 },
  );
});

const foreign: [name: string, why: string][] = [
  ['sessions', 'the root is no file'],
  ['sessions/', 'empty component'],
  ['other/a/b', 'another prefix'],
  ['.sessionfs/owner', 'a lease'],
  ['sessions/a/+1', 'a session is a directory'],
  ['sessions/a-+1/file', 'such a directory is always split'],
  ['sessions/a/+1-+2/file', 'it would split elsewhere'],
  ['sessions/a/+/file', 'empty rest'],
  ['sessions/a//file', 'empty component'],
  ['sessions/a/%41', 'escaped without need'],
  ['sessions/a/%2b1', 'lower case'],
  ['sessions/a/line\nbreak', 'not escaped'],
  ['sessions/a/%FF', 'not UTF-8'],
  ['sessions/a/%2F', 'a slash in a name'],
  ['sessions/README', 'a top-level file is marked'],
  ['sessions/a.json%', 'a top-level .json file is not'],
  ['sessions/c.json/+1/file', 'no user ends in .json'],
  ['sessions/a/\ufffd', 'not UTF-8 in the cache'],
];
for (const [name, why] of foreign) {
  test(`${JSON.stringify(name)} is foreign: ${why}`, () => {
    assert.equal(fromObjectName(name), undefined);
  });
}

test('names are storable up to 255 bytes a component and 1024 bytes in all, after escaping', () => {
  assert.equal(isStorableName(`s-+1/${'a'.repeat(255)}`), true);
  assert.equal(isStorableName(`s-+1/${'a'.repeat(256)}`), false);
  assert.equal(isStorableName(`s-+1/${'%'.repeat(85)}`), true);
  assert.equal(isStorableName(`s-+1/${'%'.repeat(86)}`), false);
  const deep = `${'d'.repeat(250)}/`.repeat(4);
  const room = 1024 - 'sessions/'.length - deep.length;
  assert.equal(isStorableName(deep + 'f'.repeat(room), 'file'), true);
  assert.equal(isStorableName(deep + 'f'.repeat(room + 1), 'file'), false);
  assert.equal(isStorableName(deep + 'f'.repeat(room), 'directory'), false);
  assert.equal(isStorableName(deep + 'f'.repeat(room - '/%dir'.length), 'directory'), true);
});
