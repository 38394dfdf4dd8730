import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  isCredentials,
  isTemporary,
  sessionOf,
  sessionOfCreds,
  sessionOfPath,
} from '../../src/naming/session-path.ts';

test('a path belongs to the folder in the root that it is or lies in; a file in the root to none', () => {
  assert.equal(sessionOfPath('u-+1/deep/a.json', 'file'), 'u-+1');
  assert.equal(sessionOfPath('u-+1', 'directory'), 'u-+1');
  assert.equal(sessionOfPath('a.json', 'file'), '');
});

test('an object belongs to the session of its path, the attributes of a session folder too', () => {
  assert.equal(sessionOf('sessions/u/+1/creds.json'), 'u-+1');
  assert.equal(sessionOf('sessions/u/+1/%dir'), 'u-+1');
  assert.equal(sessionOf('sessions/u/+1/deep/%dir'), 'u-+1');
  assert.equal(sessionOf('sessions/a.json'), '');
  assert.equal(sessionOf('sessions/%dir'), '');
  for (const foreign of ['sessions//a', 'sessions/a%2fb/x', 'elsewhere/u/+1/creds.json'])
    assert.equal(sessionOf(foreign), undefined, foreign);
});

test('only the creds.json directly in a session folder makes the session', () => {
  assert.equal(sessionOfCreds('u-+1/creds.json'), 'u-+1');
  for (const path of ['creds.json', 'u-+1/deep/creds.json', 'u-+1/creds.json.tmp', 'u-+1/my-creds.json'])
    assert.equal(sessionOfCreds(path), undefined, path);
});

test('credentials and temporary files are told by their names', () => {
  assert.deepEqual(
    ['sessions/u/+1/creds.json', 'sessions/u/+1/xcreds.json', 'sessions/creds.json.tmp'].map((name) => [
      isCredentials(name),
      isTemporary(name),
    ]),
    [
      [true, false],
      [false, false],
      [false, true],
    ],
  );
});

test('the session of an object does not depend on what was asked for before', () => {
  const part = fc.constantFrom(
    'u',
    '+1',
    'v-+2',
    'a.json',
    'creds.json',
    '%dir',
    '.',
    '..',
    '',
    'x%',
    '%zz',
    '-',
    '+',
  );
  const objects = fc.array(
    fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => ['sessions', ...parts].join('/')),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(objects, (names) => {
      const alone = names.map((name) => {
        assert.equal(sessionOf('sessions/another/+0/a'), 'another-+0');
        return sessionOf(name);
      });
      assert.deepEqual(
        names.map((name) => sessionOf(name)),
        alone,
      );
    }),
    { numRuns: 2_000 },
  );
});
