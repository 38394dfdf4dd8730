/** The rooms of src/ import each other as the picture in docs/architecture.md says, and the linter enforces just that. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { test } from 'node:test';
import type { Scope } from './cleanup.ts';
import { biome, repository } from './repository.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const ROOMS_MAX = 20;
const FLOORS_MAX = 8;

/** The rooms that each room of the picture imports, from the top of the picture down. */
const picture = readPicture();
const rooms = [...picture.keys()];

function readPicture(): Map<string, string[]> {
  const text = readFileSync(join(repository, 'docs/architecture.md'), 'utf8');
  const [, block] = /```text\nroom +what it does +imports\n([\s\S]*?)```/.exec(text) ?? [];
  assert.ok(block, 'docs/architecture.md has no picture of the rooms');
  const first = text.split('\n').find((line) => line.startsWith('room '));
  const column = first?.indexOf('imports') ?? 0;
  return new Map(
    block
      .trimEnd()
      .split('\n')
      .map((line) => {
        const imported = line.slice(column).trim();
        return [line.split(' ', 1)[0] ?? '', imported === '-' ? [] : imported.split(' ')];
      }),
  );
}

const everyFile = readdirSync(join(repository, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .sort();

/** Paths below src/ that a file of it imports. */
function importsOf(path: string): string[] {
  const text = readFileSync(join(repository, 'src', path), 'utf8');
  const statements = text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'(\.{1,2}\/[^']+)'/g);
  return [...statements]
    .map(([, target = '']) => normalize(join(dirname(path), target)))
    .filter((target) => !target.startsWith('..'));
}

/** Every folder with the folders that its files import, itself left out. */
function folderGraph(folderOf: (path: string) => string): Map<string, Set<string>> {
  const graph = new Map<string, Set<string>>();
  for (const path of everyFile) {
    const arrows = graph.get(folderOf(path)) ?? new Set();
    graph.set(folderOf(path), arrows);
    for (const target of importsOf(path))
      if (folderOf(target) !== folderOf(path)) arrows.add(folderOf(target));
  }
  return graph;
}

/** How many floors a graph has; throws where it goes in a circle. */
function floorsOf(graph: Map<string, Set<string>>): number {
  const floors = new Map<string, number>();
  const floor = (node: string, above: readonly string[]): number => {
    assert.ok(!above.includes(node), `a circle of imports: ${[...above, node].join(' -> ')}`);
    const known = floors.get(node);
    if (known !== undefined) return known;
    const below = [...(graph.get(node) ?? [])].map((next) => floor(next, [...above, node]));
    floors.set(node, Math.max(0, ...below) + 1);
    return Math.max(0, ...below) + 1;
  };
  return Math.max(...[...graph.keys()].map((node) => floor(node, [])));
}

const roomOf = (path: string) => path.split('/', 1)[0] ?? '';

test('the picture in docs/architecture.md shows every room with every arrow, and no other', () => {
  const entries = readdirSync(join(repository, 'src'), { withFileTypes: true });
  assert.deepEqual(
    entries.filter((entry) => !entry.isDirectory()),
    [],
    'nothing but folders lies at the root of src/',
  );
  assert.deepEqual(entries.map(({ name }) => name).sort(), [...rooms].sort());
  const drawn = Object.fromEntries(rooms.map((room) => [room, [...(picture.get(room) ?? [])].sort()]));
  const measured = [...folderGraph(roomOf)].map(([room, arrows]) => [room, [...arrows].sort()] as const);
  assert.deepEqual(drawn, Object.fromEntries(measured));
});

test('the rooms are few, stand on few floors, and import one way', () => {
  assert.ok(rooms.length <= ROOMS_MAX, `${rooms.length} rooms`);
  const floors = floorsOf(folderGraph(roomOf));
  assert.ok(floors <= FLOORS_MAX, `${floors} floors`);
});

/** A folder and the one it lies in are one room: only arrows between others count. */
function innerGraph(): Map<string, Set<string>> {
  const isWithin = (folder: string, other: string) => `${folder}/`.startsWith(`${other}/`);
  return new Map(
    [...folderGraph(dirname)].map(([from, arrows]) => [
      from,
      new Set([...arrows].filter((to) => !isWithin(from, to) && !isWithin(to, from))),
    ]),
  );
}

test('no file and no folder is part of a circle of imports, and no inner folder bears the name of a room', () => {
  floorsOf(folderGraph((path) => path));
  floorsOf(innerGraph());
  const inner = new Set(everyFile.flatMap((path) => dirname(path).split('/').slice(1)));
  assert.deepEqual(
    [...inner].filter((name) => rooms.includes(name)),
    [],
  );
});

/** A file that matches the override of its room in biome.json; that of the pair is beside it. */
const fileOf = (room: string) => (room === 'test' ? 'test/fs/a.ts' : `src/${room}/a.ts`);
const pairFile = (importer: string, imported: string) => fileOf(importer).replace('/a.ts', `/${imported}.ts`);
const everyone = [...rooms, 'test'];
const pairs = everyone.flatMap((importer) =>
  everyone.map((imported): [string, string] => [importer, imported]),
);

/** Writes each pair of rooms as one file in an empty checkout with this one's biome.json; returns the refused pairs. */
function refusedPairs(scope: Scope, statement: (path: string) => string): string[] {
  const directory = temporaryDirectory(scope);
  copyFileSync(join(repository, 'biome.json'), join(directory, 'biome.json'));
  for (const [importer, imported] of pairs) {
    const file = join(directory, pairFile(importer, imported));
    const target = relative(dirname(fileOf(importer)), fileOf(imported).replace('/a.ts', '/b.ts'));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, statement(target.startsWith('.') ? target : `./${target}`));
  }
  const args = ['lint', '--vcs-enabled=false', '--max-diagnostics=none', '--only=style/noRestrictedImports'];
  const lint = spawnSync(biome, [...args, '--reporter=github', '.'], { cwd: directory, encoding: 'utf8' });
  assert.doesNotMatch(lint.stderr, /configuration/, lint.stderr);
  return pairs.filter((pair) => lint.stdout.includes(`/${pairFile(...pair)},`)).map(String);
}

const mayImport = ([importer, imported]: [string, string]) =>
  importer === imported || importer === 'test' || (picture.get(importer)?.includes(imported) ?? false);

for (const [kind, statement] of Object.entries({
  import: (path: string) => `import { x } from '${path}';\nexport const y = x;\n`,
  're-export': (path: string) => `export * from '${path}';\n`,
  'dynamic import': (path: string) => `export const y = await import('${path}');\n`,
})) {
  test(`the linter refuses each ${kind} that the picture does not show, and only those`, (t) => {
    assert.deepEqual(refusedPairs(t, statement), pairs.filter((pair) => !mayImport(pair)).map(String));
  });
}

test('the linter lets every room use node and npm modules whose names resemble a room', (t) => {
  const statement = () =>
    "import 'node:fs';\nimport 'node:crypto';\nimport 'node:test';\nimport 'node:fs/promises';\n";
  assert.deepEqual(refusedPairs(t, statement), []);
});
