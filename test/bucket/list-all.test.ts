import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listAll } from '../../src/bucket/list-all.ts';
import { listOwners } from '../../src/lease/records/owner.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { ofKind } from './subjects.ts';

test('a listing that comes back to a page that it had ends, and fails', async (t) => {
  for (const next of [
    { '': 'a', a: 'a' },
    { '': 'a', a: 'b', b: 'c', c: 'a' },
  ]) {
    const bucket = new MemoryBucket();
    const pages = new Map<string, string>(Object.entries(next));
    let asked = 0;
    t.mock.method(bucket, 'list', async (_: string, page = '') => {
      if (++asked > 100) throw new Error('it is asked for ever');
      return { objects: [], nextPage: pages.get(page) };
    });
    await assert.rejects(listAll(bucket, ''), ofKind('unreachable', /does not go on/));
    asked = 0;
    await assert.rejects(listOwners(bucket), ofKind('unreachable', /does not go on/));
  }
});
