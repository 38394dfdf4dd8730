import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import type { Scope } from './cleanup.ts';
import { biome, repository } from './repository.ts';
import { temporaryDirectory } from './temporary-directory.ts';

interface Layer {
  /** A file of the layer. */
  file: string;
  /** The layers that it may import besides its own. */
  imports: string[];
}

const lowest = ['lib', 'config'];
const belowFs = [...lowest, 'store', 'bucket', 'observe'];
const belowKernel = [...belowFs, 'crypto', 'lease', 'sync', 'fs'];

const layers: Record<string, Layer> = {
  lib: { file: 'src/lib/a.ts', imports: [] },
  config: { file: 'src/config.ts', imports: ['lib'] },
  crypto: { file: 'src/crypto/a.ts', imports: lowest },
  store: { file: 'src/store/a.ts', imports: lowest },
  bucket: { file: 'src/bucket/a.ts', imports: lowest },
  observe: { file: 'src/observe/a.ts', imports: lowest },
  lease: { file: 'src/lease/a.ts', imports: belowFs },
  sync: { file: 'src/sync/a.ts', imports: belowFs },
  fs: { file: 'src/fs/a.ts', imports: [...belowFs, 'crypto'] },
  kernel: { file: 'src/kernel/abi/a.ts', imports: belowKernel },
  daemon: { file: 'src/daemon.ts', imports: [...belowKernel, 'kernel', 'supervisor'] },
  supervisor: { file: 'src/supervisor.ts', imports: [...belowKernel, 'kernel', 'daemon'] },
  cli: { file: 'src/cli/a.ts', imports: [...belowKernel, 'kernel', 'daemon', 'supervisor'] },
  test: { file: 'test/fs/a.ts', imports: [...belowKernel, 'kernel', 'daemon', 'supervisor', 'cli'] },
};

/** What `importer` writes to import a file of layer `imported`. */
function importPath(importer: string, imported: string): string {
  const target = layer(imported).file.replace('/a.ts', '/b.ts');
  const path = relative(dirname(layer(importer).file), target);
  return path.startsWith('.') ? path : `./${path}`;
}

function layer(name: string): Layer {
  const found = layers[name];
  assert.ok(found);
  return found;
}

/** Writes each pair of layers as one file in an empty checkout with this one's biome.json; answers the refused pairs. */
function refusedPairs(scope: Scope, pairs: readonly string[], statement: (path: string) => string): string[] {
  const directory = temporaryDirectory(scope);
  copyFileSync(join(repository, 'biome.json'), join(directory, 'biome.json'));
  const fileOf = new Map(pairs.map((pair) => [pair, pairFile(pair)]));
  for (const [pair, file] of fileOf) {
    const [importer = '', imported = ''] = pair.split(' -> ');
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), statement(importPath(importer, imported)));
  }
  const args = ['lint', '--vcs-enabled=false', '--max-diagnostics=none', '--only=style/noRestrictedImports'];
  const lint = spawnSync(biome, [...args, '--reporter=github', '.'], { cwd: directory, encoding: 'utf8' });
  assert.doesNotMatch(lint.stderr, /configuration/, lint.stderr);
  return pairs.filter((pair) => lint.stdout.includes(`/${fileOf.get(pair)},`));
}

/** Beside the importer's own file, and matched by the same override of biome.json. */
function pairFile(pair: string): string {
  const [importer = '', imported = ''] = pair.split(' -> ');
  return layer(importer).file.replace(/(a)?\.ts$/, `-${imported}.ts`);
}

const names = Object.keys(layers);
const pairs = names.flatMap((importer) => names.map((imported) => `${importer} -> ${imported}`));
const isAllowed = (pair: string) => {
  const [importer = '', imported = ''] = pair.split(' -> ');
  return importer === imported || layer(importer).imports.includes(imported);
};

for (const [kind, statement] of Object.entries({
  import: (path: string) => `import { x } from '${path}';\nexport const y = x;\n`,
  're-export': (path: string) => `export * from '${path}';\n`,
  'dynamic import': (path: string) => `export const y = await import('${path}');\n`,
})) {
  test(`the linter refuses each ${kind} against the import direction, and only those`, (t) => {
    assert.deepEqual(
      refusedPairs(t, pairs, statement),
      pairs.filter((pair) => !isAllowed(pair)),
    );
  });
}

test('the linter lets every layer use node and npm modules whose names resemble a layer', (t) => {
  const statement = () =>
    "import 'node:fs';\nimport 'node:crypto';\nimport 'node:test';\nimport 'node:fs/promises';\n";
  assert.deepEqual(refusedPairs(t, pairs, statement), []);
});
