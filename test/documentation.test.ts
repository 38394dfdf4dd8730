import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { settingOptions } from '../src/api/options.ts';
import { configurationTable, settings } from '../src/config/settings.ts';
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

test('each cell of the comparison in README.md links to its evidence', () => {
  const text = readFileSync(join(repository, 'README.md'), 'utf8');
  const [, section = ''] = /^## Comparison\n([\s\S]*?)^## /m.exec(text) ?? [];
  const [, , ...rows] = section.split('\n').filter((line) => line.startsWith('|'));
  assert.ok(rows.length > 5);
  for (const row of rows)
    for (const cell of row.split('|').slice(2, -1))
      assert.match(cell.trim(), /^(-|\[[^\]]+\]\([^)]+\))$/, row);
});

test('docs/api.md names the option of every setting', () => {
  const variables = [...settingOptions].map(([option, name]) => [option, settings[name].variable]);
  assert.deepEqual(markdownTable('docs/api.md', ['option', 'setting']), variables);
});

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

/** Every file below a folder of the checkout, as a path from the checkout on. */
function filesBelow(folder: string): string[] {
  return readdirSync(join(repository, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
    .map((entry) => relative(repository, join(entry.parentPath, entry.name)));
}

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CODE_OF_CONDUCT.md',
  'SECURITY.md',
  ...['docs', 'native-notes', '.github'].flatMap(filesBelow).filter((file) => file.endsWith('.md')),
];

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

const documented = ['src', 'test', 'scripts', 'bin', 'docs', 'native-notes', 'deploy', 'examples'];
const tree = documented.flatMap(filesBelow);
/** Each folder and each file, so that a page may name either. */
const paths = new Set(tree.flatMap((file) => [file, ...ancestors(file)]));

function ancestors(path: string): string[] {
  const parent = dirname(path);
  return parent === '.' ? [] : [parent, ...ancestors(parent)];
}

/** `*` and a word in capitals (test/ROOM) stand for one component, or a part of one. */
function pattern(path: string): RegExp {
  const source = path
    .replaceAll('.', '\\.')
    .replaceAll('*', '[^/]*')
    .replace(/(?<=\/)[A-Z]+(?=\/|$)/g, '[^/]+');
  return new RegExp(`^${source}$`);
}

/** What a page says of the code; of the changelog the part that is not released yet, as the rest is history. */
function textOf(page: string): string {
  const text = readFileSync(join(repository, page), 'utf8');
  return page === 'CHANGELOG.md' ? (/## Unreleased\n([\s\S]*?)(?=\n## |$)/.exec(text)?.[1] ?? '') : text;
}

/** The wrong paths of a text: `src/…` and the like that are not in the tree, and file names that no file or several have. */
function wrongPaths(text: string): string[] {
  const wrong: string[] = [];
  for (const [written] of text.matchAll(
    /(?<![\w./-])(?:dist\/)?(?:src|test|scripts|bin|docs|native-notes|deploy|examples)\/[\w*][\w./*-]*/g,
  )) {
    const path = written.replace(/[./]+$/, '');
    const source = path.startsWith('dist/') ? path.slice('dist/'.length).replace(/\.js$/, '.ts') : path;
    if (![...paths].some((known) => pattern(source).test(known)))
      wrong.push(`${path}: there is no such path`);
  }
  for (const [, name = ''] of text.matchAll(/(?<![\w./*-])((?:[\w-]+\/)*[\w-]+(?:\.test)?\.ts)\b/g)) {
    if (documented.some((folder) => name.startsWith(`${folder}/`))) continue;
    const bearers = tree.filter((file) => `/${file}`.endsWith(`/${name}`));
    if (bearers.length === 0) wrong.push(`${name}: no file has that name`);
    if (bearers.length > 1) wrong.push(`${name}: ${bearers.join(' and ')} have that name`);
  }
  return wrong;
}

for (const page of [...pages, 'CHANGELOG.md']) {
  test(`every path and every file name in ${page} is one of the source tree`, () => {
    assert.deepEqual(wrongPaths(textOf(page)), []);
  });
}

function commentsOf(source: string): string {
  return [...source.matchAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/ .*/g)].join('\n');
}

test('every path and every file name in a comment of src/ is one of the source tree', () => {
  const wrong = filesBelow('src').flatMap((file) => {
    const text = readFileSync(join(repository, file), 'utf8');
    // Within a folder a comment may use a name that files of other folders have too.
    const gone = wrongPaths(commentsOf(text)).filter((line) => !line.endsWith(' have that name'));
    return gone.map((line) => `${file}: ${line}`);
  });
  assert.deepEqual(wrong, []);
});

test('a path that is gone is found, whatever its form', () => {
  const gone = ['src/kernel/reply.ts', 'src/kernel', 'test/nothing-*.test.ts', 'dist/test/fs/gone.test.js'];
  const text = `${gone.join(', ')}. And gone-name.ts, status.ts, fs/gone-name.ts.`;
  assert.deepEqual(
    wrongPaths(text).map((line) => line.split(':', 1)[0]),
    [...gone, 'gone-name.ts', 'status.ts', 'fs/gone-name.ts'],
  );
  assert.deepEqual(
    wrongPaths('src/fs/contract.ts, test/ROOM, src/lib/, json-gate.ts, journal/reader.ts'),
    [],
  );
});

/** What a page quotes that reads like a line of the log; `…` stands for the rest of it. */
function quotedLogLines(page: string): string[] {
  const text = readFileSync(join(repository, page), 'utf8').replace(/```[\s\S]*?```/g, '');
  return [...text.matchAll(/`([A-Z][^`|<>=/]*)`/g)]
    .map(([, quoted = '']) => quoted.replace(/\s+/g, ' ').replace(/[:;.]? ?…$/, ''))
    .filter((quoted) => quoted.split(' ').length >= 4);
}

test('every line of the log that docs/ quotes is one that the program writes', () => {
  // A line that is longer than a line of code is written as 'one' + 'two'.
  const sources = filesBelow('src').map((file) =>
    readFileSync(join(repository, file), 'utf8').replace(/'\s*\+\s*'/g, ''),
  );
  const quoted = filesBelow('docs')
    .filter((file) => file.endsWith('.md'))
    .flatMap(quotedLogLines);
  assert.ok(quoted.length > 15, `only ${quoted.length} lines are quoted`);
  assert.deepEqual(
    quoted.filter((line) => !sources.some((source) => source.includes(line))),
    [],
  );
});

test('every variable of the tests that a page names is one that the code reads', () => {
  const code = ['src', 'test', 'scripts'].flatMap(filesBelow).filter((file) => !file.endsWith('.sealed'));
  const sources = code.map((file) => readFileSync(join(repository, file), 'utf8')).join('\n');
  for (const page of pages)
    for (const [name] of readFileSync(join(repository, page), 'utf8').matchAll(/\bSESSIONFS_[A-Z_]*[A-Z]\b/g))
      assert.ok(sources.includes(name) || readCompose().includes(name), `${page}: nothing reads ${name}`);
});

function readCompose(): string {
  return readFileSync(join(repository, 'docker-compose.yml'), 'utf8');
}

/** What docs/glossary.md and CONTRIBUTING.md ask for: name the thing that is meant. */
const RIDDLES = /\b(?:whoever|somebody|someone|nobody|anybody|everybody|in no case)\b/i;

for (const page of [...pages, 'CHANGELOG.md']) {
  test(`${page} names what it means`, () => {
    const riddles = readFileSync(join(repository, page), 'utf8')
      .split('\n')
      .filter((line) => RIDDLES.test(line));
    assert.deepEqual(riddles, []);
  });
}

/** CONTRIBUTING.md: "Returns …", never "Answers …". */
const ANSWERS = /^[\s/*]*Answers\b/;

test('comments, messages and log lines of src/ name what they mean', () => {
  const riddles = filesBelow('src').flatMap((file) => {
    const text = readFileSync(join(repository, file), 'utf8');
    const comments = commentsOf(text).split('\n');
    const lines = [
      ...text.split('\n').filter((line) => RIDDLES.test(line)),
      ...comments.filter((line) => ANSWERS.test(line)),
    ];
    return lines.map((line) => `${file}: ${line.trim()}`);
  });
  assert.deepEqual(riddles, []);
});

for (const [folder, column] of [
  ['native-notes', 'about'],
  ['docs/decisions', 'in one line'],
] as const) {
  test(`${folder}/README.md lists every page, in order`, () => {
    const numbered = readdirSync(join(repository, folder)).filter((name) => /^\d\d-.*\.md$/.test(name));
    const what = folder === 'native-notes' ? 'note' : 'decision';
    const listed = markdownTable(`${folder}/README.md`, [what, column]).map(([link]) => link);
    assert.deepEqual(
      listed,
      numbered.sort().map((name) => `[${name.slice(0, 2)}](${name})`),
    );
  });
}

test('every decision says context, decision, consequences and evidence', () => {
  const decisions = filesBelow('docs/decisions').filter((page) => !page.endsWith('README.md'));
  for (const page of decisions) {
    const text = readFileSync(join(repository, page), 'utf8');
    const sections = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    assert.deepEqual(sections, ['Context', 'Decision', 'Consequences', 'Evidence'], page);
  }
});
