import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Path below a directory -> content; a folder ends in a slash and has none. */
export type Tree = Record<string, string>;

/** Everything below `directory`, as its readers see it. */
export function readTree(directory: string, prefix = ''): Tree {
  const tree: Tree = {};
  for (const name of readdirSync(directory).sort()) {
    const path = join(directory, name);
    if (statSync(path).isDirectory()) {
      Object.assign(tree, { [`${prefix}${name}/`]: '' }, readTree(path, `${prefix}${name}/`));
    } else {
      tree[`${prefix}${name}`] = readFileSync(path, 'utf8');
    }
  }
  return tree;
}

export function writeTree(directory: string, tree: Tree): void {
  for (const [path, content] of Object.entries(tree)) {
    if (path.endsWith('/')) mkdirSync(join(directory, path), { recursive: true });
    else writeFileSync(join(directory, path), content);
  }
}

/** A session as Baileys leaves it. */
export function sessionTree(name: string, mark = name): Tree {
  return {
    [`${name}/`]: '',
    [`${name}/app-state-sync-version-critical_block.json`]: JSON.stringify({ mark, version: 3 }),
    [`${name}/creds.json`]: JSON.stringify({ mark, me: { id: `${mark}@s.whatsapp.net` } }),
    [`${name}/pre-key-1.json`]: JSON.stringify({ mark, public: 'AAAA', private: 'BBBB' }),
  };
}

/** Gives every file below `directory` that modification time. */
export function setTimes(directory: string, time: Date): void {
  for (const path of Object.keys(readTree(directory))) utimesSync(join(directory, path), time, time);
}

/** A line for each path that differs; deepEqual would print megabytes. */
export function difference(actual: Tree, expected: Tree): string[] {
  const paths = [...new Set([...Object.keys(actual), ...Object.keys(expected)])].sort();
  return paths
    .filter((path) => actual[path] !== expected[path])
    .map((path) => `${path}: ${shown(actual[path])} instead of ${shown(expected[path])}`);
}

function shown(content: string | undefined): string {
  return content === undefined ? 'nothing' : `${content.length} bytes ${content.slice(-20)}`;
}
