import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configurationTable } from '../src/config-table.ts';
import { sealRefusals } from '../src/crypto/seal-error.ts';
import { exitStatus } from '../src/lib/errors.ts';
import { markdownTable } from './support/markdown-table.ts';

const expected = configurationTable.map((row) => [
  row.variable,
  row.flag ?? '',
  row.default ?? '',
  row.meaning,
]);

for (const file of ['README.md', 'docs/operations.md']) {
  test(`the configuration table of ${file} says what the program does`, () => {
    assert.deepEqual(markdownTable(file, ['variable', 'flag', 'default', 'meaning']), expected);
  });
}

test('docs/operations.md lists every exit status, and no other', () => {
  const rows = markdownTable('docs/operations.md', ['status', 'code', 'meaning and what to do']);
  const listed = rows.map(([status, code]) => [code, Number(status)]);
  assert.deepEqual(listed, Object.entries(exitStatus));
  for (const [, code, meaning] of rows) assert.ok((meaning ?? '').length > 20, `${code} is not explained`);
});

test('docs/operations.md explains every reason for which a sealed file is refused', () => {
  const rows = markdownTable('docs/operations.md', ['in the log', 'meaning']);
  assert.deepEqual(
    rows.map(([reason]) => reason),
    sealRefusals,
  );
});
