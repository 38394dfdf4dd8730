import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { syncFileOperations } from '../../src/lib/file-operations.ts';
import {
  keptVersionObjectName,
  keptVersionPrefix,
  parseKeptVersionName,
} from '../../src/naming/kept-version-name.ts';
import {
  KEPT_VERSIONS_MAX,
  KeptVersions,
  listKeptVersions,
} from '../../src/store/set-aside/kept-versions.ts';
import { faultySync, Rig } from './support.ts';

const CREDS = 's-+1/creds.json';
const keep = (kept: KeptVersions, text: string, nowMs: number, path = CREDS) =>
  kept.keep(path, Buffer.from(text), nowMs);

test('versions are listed by time, each file’s by itself', (t) => {
  const { cachePath } = new Rig(t);
  const kept = new KeptVersions(cachePath, syncFileOperations);
  assert.deepEqual(listKeptVersions(cachePath), []);
  keep(kept, 'second', 20.7);
  keep(kept, 'other', 5, 's-+1/creds.json.bak');
  keep(kept, 'first in time, last in name', 9, 's-+10/creds.json');
  keep(kept, 'a clock that went back', 3);
  fs.writeFileSync(join(cachePath, 'set-aside', 'a user’s notes'), '');
  assert.deepEqual(
    kept.list(CREDS).map((version) => [version.ms, kept.read(version).toString()]),
    [
      [20, 'second'],
      [21, 'a clock that went back'],
    ],
  );
  assert.deepEqual(
    listKeptVersions(cachePath).map(({ ms }) => ms),
    [5, 9, 20, 21],
  );
});

test('a name that is taken meanwhile is left alone', (t) => {
  const { cachePath } = new Rig(t);
  const link = (from: string, to: string) => {
    if (to.endsWith('.100')) fs.writeFileSync(to, 'the other thread');
    syncFileOperations.link(from, to);
  };
  const kept = new KeptVersions(cachePath, { ...syncFileOperations, link });
  keep(kept, 'mine', 100);
  assert.deepEqual(
    kept.list(CREDS).map((version) => [version.ms, kept.read(version).toString()]),
    [
      [100, 'the other thread'],
      [101, 'mine'],
    ],
  );
});

test('whatever step fails, the error is told, nothing is lost and no half file has the name', (t) => {
  for (let step = 0; ; step++) {
    const { cachePath } = new Rig(t);
    const good = new KeptVersions(cachePath, syncFileOperations);
    for (let ms = 1; ms <= KEPT_VERSIONS_MAX; ms++) keep(good, `version ${ms}`, ms);
    let isReached = false;
    const files = faultySync((operation, index) => {
      isReached ||= index === step;
      return index === step && operation !== 'close' ? 'EIO' : undefined;
    });
    const failing = new KeptVersions(cachePath, files);
    let error: unknown;
    try {
      keep(failing, 'new', 100);
    } catch (thrown) {
      error = thrown;
    }
    const texts = good.list(CREDS).map((version) => good.read(version).toString());
    const isThere = texts.includes('new');
    assert.ok(error !== undefined || isThere, `step ${step}: kept nothing and said nothing`);
    assert.ok(texts.length >= KEPT_VERSIONS_MAX && texts.includes('version 2'), `step ${step}: ${texts}`);
    if (!isReached) {
      assert.deepEqual([texts.at(0), texts.at(-1), texts.length], ['version 2', 'new', KEPT_VERSIONS_MAX]);
      assert.ok(step > 8, `only ${step} steps`);
      return;
    }
  }
});

test('a long name keeps its end, and a short one can be told from it', () => {
  const long = `${'x'.repeat(200)}-+${'1'.repeat(60)}/creds.json`;
  const prefix = keptVersionPrefix(long);
  assert.equal(Buffer.byteLength(prefix), 230);
  assert.ok(prefix.endsWith('%2Fcreds.json'));
  assert.equal(keptVersionObjectName(keptVersionPrefix('100%2F-+1/a#b')), 'sessions/100%252F/+1/a%23b');
  for (const name of ['', 'a', '.1', 'a.', 'a.x', 'a.1 ', `a.${'1'.repeat(16)}`])
    assert.equal(parseKeptVersionName(name), undefined, name);
});
