/** docs/semantics.md, heading by heading: each deviation from POSIX that it states has one test of that name. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { driverUnderTest, isExcluded, isNative, notOnFuseNative } from '../support/driver.ts';
import { repository } from '../support/repository.ts';
import { attributeDeviations } from './deviations/attributes.ts';
import { contentDeviations } from './deviations/content.ts';
import { nativeDeviations } from './deviations/fuse-native.ts';
import { gateCompleteness } from './deviations/gate-completeness.ts';
import { gateReaders } from './deviations/gate-readers.ts';
import { nameDeviations } from './deviations/names.ts';
import { sharedMount } from './support/shared-mount.ts';

const subjects = [
  gateReaders,
  gateCompleteness,
  nameDeviations,
  attributeDeviations,
  contentDeviations,
  nativeDeviations,
];
const deviations = subjects.flatMap((subject) => Object.entries(subject));

function headings(): string[] {
  const page = readFileSync(join(repository, 'docs/semantics.md'), 'utf8');
  return page.split('\n').flatMap((line) => (line.startsWith('### ') ? [line.slice(4)] : []));
}

const shared = await sharedMount();

test('each deviation that docs/semantics.md states has a test, and each test a heading there', () => {
  assert.deepEqual(
    deviations.map(([heading]) => heading),
    headings(),
  );
});

test('what is not tried with fuse-native is listed by name, under a heading that says why', (t) => {
  const stated = headings();
  for (const [heading, names] of Object.entries(notOnFuseNative)) {
    assert.ok(stated.includes(heading), heading);
    if (isNative) for (const name of names) t.diagnostic(`not with ${driverUnderTest}: ${name}`);
  }
});

for (const [heading, prove] of deviations) {
  if (isExcluded(heading) || (!isNative && heading in nativeDeviations)) continue;
  test(heading, (t) => prove({ t, mounted: shared.mounted, folder: shared.folder() }));
}

test('the mount that all of this was tried on still unmounts cleanly', () => shared.mounted.unmount());
