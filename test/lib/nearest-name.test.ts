import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { editDistance, nearestName } from '../../src/lib/nearest-name.ts';

test('edit distance counts insertions, deletions and substitutions', () => {
  const worked: [from: string, to: string, distance: number][] = [
    ['', '', 0],
    ['', 'abc', 3],
    ['abc', '', 3],
    ['kitten', 'sitting', 3],
    ['SESSION_OWNR', 'SESSION_OWNER', 1],
    ['flaw', 'lawn', 2],
  ];
  for (const [from, to, distance] of worked)
    assert.equal(editDistance(from, to), distance, `${from} to ${to}`);
});

test('edit distance is a metric: zero only for equals, symmetric, and never over the longer length', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      const distance = editDistance(a, b);
      assert.equal(distance === 0, a === b);
      assert.equal(distance, editDistance(b, a));
      assert.ok(distance <= Math.max(a.length, b.length));
    }),
  );
});

test('a typo finds the name that was meant, and a foreign word finds none', () => {
  const known = ['mount', 'unmount', 'status'];
  assert.equal(nearestName('stauts', known), 'status');
  assert.equal(nearestName('umount', known), 'unmount');
  assert.equal(nearestName('backup', known), undefined);
  assert.equal(nearestName('mount', []), undefined);
});
