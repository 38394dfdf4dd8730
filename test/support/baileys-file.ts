/** Baileys in one file, for processes that load it: as it is installed it is hundreds of files, and 0.7 s of processor time. */
import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Script } from 'node:vm';
import type * as Baileys from '@whiskeysockets/baileys';
import { repository } from './repository.ts';

const cache = join(repository, '.cache');
let made: string | undefined;

/** The environment of a workload that takes Baileys from that file. */
export function baileysInOneFile(): { WORKLOAD_BAILEYS: string } {
  return { WORKLOAD_BAILEYS: theFile() };
}

/** For a test that makes credentials itself. */
export function loadBaileys(): typeof Baileys {
  const filename = theFile();
  return run(scriptOf(filename, readFileSync(`${filename}.cache`)), filename);
}

function theFile(): string {
  made ??= make();
  return made;
}

/** Of these packages and this Node.js, unless it is there; whichever of several processes is last. */
function make(): string {
  const packages = readFileSync(join(repository, 'package-lock.json'));
  const key = createHash('sha256').update(packages).update(process.version).digest('hex').slice(0, 16);
  const file = join(cache, `baileys-${key}.cjs`);
  if (existsSync(file)) return file;
  mkdirSync(cache, { recursive: true });
  const temporary = join(cache, `baileys-${randomUUID()}.cjs`);
  try {
    bundle(temporary);
    writeFileSync(`${temporary}.cache`, compiled(temporary));
    // The one that is looked for comes last.
    renameSync(`${temporary}.cache`, `${file}.cache`);
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
    rmSync(`${temporary}.cache`, { force: true });
  }
  return file;
}

function bundle(file: string): void {
  const esbuild = join(repository, 'node_modules/esbuild/bin/esbuild');
  const format = ['--bundle', '--format=cjs', '--platform=node', '--target=node20', '--log-level=error'];
  execFileSync(process.execPath, [esbuild, ...format, `--outfile=${file}`], {
    cwd: repository,
    input: "export * from '@whiskeysockets/baileys';",
  });
}

/** After it has run, so that what a start needs is compiled. */
function compiled(filename: string): Buffer {
  const script = scriptOf(filename);
  run(script, filename);
  return script.createCachedData();
}

/** Wrapped as test/baileys/workload/baileys.mjs wraps it. */
function scriptOf(filename: string, cachedData?: Buffer): Script {
  const text = `(function (exports, require, module) {${readFileSync(filename, 'utf8')}\n})`;
  return new Script(text, cachedData === undefined ? { filename } : { filename, cachedData });
}

function run(script: Script, filename: string): typeof Baileys {
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(filename), module);
  return module.exports as typeof Baileys;
}
