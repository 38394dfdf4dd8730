import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { configurationTable } from '../src/config/settings.ts';
import { sealRefusals } from '../src/crypto/seal-error.ts';
import { exitStatus } from '../src/lib/errors.ts';
import { markdownTable } from './support/markdown-table.ts';
import { repository } from './support/repository.ts';

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

const pages = [
  'README.md',
  ...['docs', 'native-notes'].flatMap((folder) =>
    readdirSync(join(repository, folder)).map((name) => join(folder, name)),
  ),
].filter((page) => page.endsWith('.md'));

/** As GitHub makes it of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');
}

function anchorsOf(page: string): string[] {
  const text = readFileSync(join(repository, page), 'utf8');
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading ?? ''));
}

for (const page of pages) {
  test(`every link of ${page} to another page, or within it, leads somewhere`, () => {
    const text = readFileSync(join(repository, page), 'utf8');
    for (const [link, path = '', anchor] of text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)) {
      const target = path === '' ? page : join(dirname(page), path);
      assert.ok(existsSync(join(repository, target)), `${link}: there is no ${target}`);
      if (anchor !== undefined)
        assert.ok(anchorsOf(target).includes(anchor), `${link}: no such heading in ${target}`);
    }
  });
}

test('native-notes/README.md lists every note, in order', () => {
  const notes = readdirSync(join(repository, 'native-notes')).filter((name) => /^\d\d-.*\.md$/.test(name));
  const listed = markdownTable('native-notes/README.md', ['note', 'about']).map(([note]) => note);
  assert.deepEqual(
    listed,
    notes.sort().map((name) => `[${name.slice(0, 2)}](${name})`),
  );
});
