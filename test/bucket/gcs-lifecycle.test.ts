import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deletesAfterDays, otherDeletions, trashDeletedAfterDays } from '../../src/bucket/gcs/lifecycle.ts';

const deleting = (condition: object) => [{ action: { type: 'Delete' as const }, condition }];
const TRASH = ['.sessionfs/trash/'];

test('rules that delete live sessions by other things than the age are told by their conditions', () => {
  for (const [condition, told] of [
    [{ createdBefore: '2026-01-01' }, 'createdBefore'],
    [{ daysSinceCustomTime: 3, matchesPrefix: ['sessions/'] }, 'daysSinceCustomTime and matchesPrefix'],
    [{ customTimeBefore: '2026-01-01' }, 'customTimeBefore'],
    [{ numNewerVersions: 0 }, 'numNewerVersions'],
    [{ isLive: true }, 'isLive'],
  ] as const) {
    assert.deepEqual(otherDeletions(deleting(condition)), [told]);
    assert.equal(deletesAfterDays(deleting(condition)), undefined);
  }
  for (const harmless of [
    { age: 30 },
    { createdBefore: '2026-01-01', isLive: false },
    { createdBefore: '2026-01-01', numNewerVersions: 1 },
    { createdBefore: '2026-01-01', daysSinceNoncurrentTime: 0 },
    { noncurrentTimeBefore: '2026-01-01' },
    { createdBefore: '2026-01-01', matchesPrefix: ['logs/', ...TRASH] },
  ])
    assert.deepEqual(otherDeletions(deleting(harmless)), [], JSON.stringify(harmless));
  assert.deepEqual(
    otherDeletions([{ action: { type: 'SetStorageClass' }, condition: { createdBefore: '2026-01-01' } }]),
    [],
  );
});

test('no newer version is what the newest one has', () => {
  assert.equal(deletesAfterDays(deleting({ age: 3, numNewerVersions: 0 })), 3);
  assert.equal(deletesAfterDays(deleting({ age: 3, numNewerVersions: 1 })), undefined);
});

test('the least age of rules for the trash alone is told', () => {
  const rules = [
    ...deleting({ age: 9, matchesPrefix: TRASH }),
    ...deleting({ age: 4, matchesPrefix: TRASH }),
    ...deleting({ age: 2, matchesPrefix: TRASH, isLive: false }),
    ...deleting({ age: 1, matchesPrefix: ['logs/'] }),
  ];
  assert.equal(trashDeletedAfterDays(rules), 4);
  assert.equal(trashDeletedAfterDays(deleting({ age: 3 })), undefined);
});
