/** Names from outside: no name leads out of its folder, none is taken for another one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeComponent, encodeComponent } from '../../src/naming/component.ts';
import { fromObjectName, isStorableName, toObjectName } from '../../src/naming/object-name.ts';

test('dots lead nowhere: neither alone nor as a folder', () => {
  assert.deepEqual(['.', '..'].map(encodeComponent), ['%2E', '%2E%2E']);
  for (const name of ['...', '.a', '..b']) assert.equal(encodeComponent(name), name);
  assert.equal(toObjectName('../../etc', 'file'), 'sessions/%2E%2E/%2E%2E/etc');
});

test('escapes that are not UTF-8 are no name, and a byte-order mark is one', () => {
  for (const text of ['%FF', '%C3', '%ED%A0%80', 'a%80b'])
    assert.equal(decodeComponent(text), undefined, text);
  assert.equal(decodeComponent('%EF%BB%BFa'), '\ufeffa');
  for (const name of ['\ufeffa', '\ufeff', 'a\ufeff*']) {
    const path = `u-+1/${name}`;
    assert.equal(fromObjectName(toObjectName(path, 'file'))?.path, path);
  }
});

test('what the objects of other programs may be called is no file of a mount', () => {
  for (const name of [
    'sessions//a',
    'sessions/u//+1/a',
    'sessions/u/+1/',
    'sessions/u/+1/%2F',
    'sessions/u/+1/a%2Fb',
    'sessions/u/+1/..%2Fcreds.json',
    'sessions/u/%2B1/creds.json/',
    'other/u/+1/creds.json',
    'sessions',
  ])
    assert.equal(fromObjectName(name), undefined, name);
});

test('a name is storable only if each part fits a disk, and all of it a bucket', () => {
  const long = 'x'.repeat(255);
  assert.equal(isStorableName(`u-+1/${long}`), true);
  assert.equal(isStorableName(`u-+1/${long}x`), false);
  assert.equal(isStorableName(`u-+1/${'*'.repeat(86)}`), false, 'it is escaped to three times its length');
  const deep = ['u-+1', long, long, long].join('/');
  assert.equal(isStorableName(deep), true);
  assert.equal(isStorableName(`${deep}/${long}`), false);
});
