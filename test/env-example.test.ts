import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../src/config/load.ts';
import { configurationTable, settings } from '../src/config/settings.ts';
import { SessionfsError } from '../src/lib/errors.ts';
import { repository } from './support/repository.ts';

const lines = readFileSync(join(repository, '.env.production.example'), 'utf8').split('\n');

interface Assignment {
  readonly name: string;
  readonly value: string;
  readonly active: boolean;
}

const assignments: Assignment[] = lines.flatMap((line) => {
  const [, mark, name, value] = /^(#?)([A-Z][A-Z_]*)=(.*)$/.exec(line) ?? [];
  return name === undefined ? [] : [{ name, value: value ?? '', active: mark === '' }];
});
const active = Object.fromEntries(
  assignments.filter(({ active }) => active).map(({ name, value }) => [name, value]),
);

/** Read by Google's library, not by sessionfs. */
const FOREIGN = 'GOOGLE_APPLICATION_CREDENTIALS';

test('the example for production has every variable of the table, each once, and no other', () => {
  const names = assignments.map(({ name }) => name).filter((name) => name !== FOREIGN);
  assert.deepEqual(names.toSorted(), configurationTable.map(({ variable }) => variable).toSorted());
});

test('every line of the example is a comment, empty, or one assignment that every reader of such files understands', () => {
  for (const line of lines) assert.match(line, /^(#.*|[A-Z_]+=[^\s"'#]*|)$/);
});

test('what the example shows is the default, or an example that parses', () => {
  for (const setting of Object.values(settings)) {
    const { value, active } = assignments.find(({ name }) => name === setting.variable) ?? assert.fail();
    if (active) continue;
    if (setting.default === undefined) assert.doesNotThrow(() => setting.parse(value), setting.variable);
    else assert.equal(value, setting.default, setting.variable);
  }
});

test('the example is hybrid mode once the bucket and the key are filled in', () => {
  const config = loadConfig(
    { ...active, STORAGE_BUCKET: 'some-bucket', SESSION_ENCRYPTION_KEY: '0f'.repeat(32) },
    {},
  );
  assert.deepEqual(
    [config.storageType, config.bucket, config.warnings],
    ['hybrid', { kind: 'gcs', name: 'some-bucket' }, []],
  );
  assert.deepEqual(
    Object.entries(active).flatMap(([name, value]) => (value === '' ? [name] : [])),
    ['STORAGE_BUCKET', 'SESSION_ENCRYPTION_KEY'],
  );
});

test('the example as it is does not start with a bucket or a key that is not its user’s', () => {
  assert.throws(
    () => loadConfig(active, {}),
    (error) => error instanceof SessionfsError && error.message.includes('STORAGE_BUCKET, which is not set'),
  );
});
