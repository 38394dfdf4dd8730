import assert from 'node:assert/strict';
import { closeSync, readdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SessionfsError } from '../../src/lib/errors.ts';
import { openInFlight } from '../../src/supervisor/resources.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('the calls under way are kept in the first place that takes a file, and leave no name there', (t) => {
  const folder = temporaryDirectory(t);
  const fd = openInFlight(undefined, [join(folder, 'missing'), folder]);
  t.after(() => closeSync(fd));
  assert.equal(writeSync(fd, 'x'), 1);
  assert.deepEqual(readdirSync(folder), []);
});

test('a machine with no place for them is told which ones were tried', (t) => {
  const folder = temporaryDirectory(t);
  const places = [join(folder, 'one'), join(folder, 'two')];
  assert.throws(
    () => openInFlight(undefined, places),
    (error: unknown) =>
      error instanceof SessionfsError &&
      error.code === 'MEMORY_UNAVAILABLE' &&
      places.every((place) => error.message.includes(place)) &&
      /TMPDIR/.test(error.hint ?? ''),
  );
});
