import { appendFileSync, mkdirSync, renameSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tree } from './session-files.ts';

/** One change that is there after a crash as a whole or not at all. */
interface Step {
  run(directory: string): void;
  /** The same in a model. */
  apply(tree: Tree): void;
}

/** Which steps there are, in turn; what they do depends on the number alone. */
const kinds: readonly ((n: number) => Step)[] = [
  (n) => put(`session-${n % 7}.json`, document(n, 300 + (n % 50))),
  (n) => append('events.log', `event ${n}\n`),
  () => put('creds.json.tmp', ''),
  (n) => append('creds.json.tmp', document(n, 2000)),
  () => rename('creds.json.tmp', 'creds.json'),
  (n) => put(`pre-key-${n}.json`, document(n, 100)),
  (n) => remove(`pre-key-${n - 1}.json`),
  (n) => put('sender-key.json', document(n, 700_000)),
  (n) => makeFolder(`group-${n}/`),
  (n) => removeFolder(`group-${n - 1}/`),
];

export function step(n: number): Step {
  return (kinds[n % kinds.length] as (n: number) => Step)(n);
}

/** What is there after the steps from `first` up to, not including, `end`. */
export function treeAfter(tree: Tree, first: number, end: number): Tree {
  const after = { ...tree };
  for (let n = first; n < end; n++) step(n).apply(after);
  return after;
}

/** What the steps find. */
export const beforeAll: Tree = { 'events.log': '' };

function document(n: number, length: number): string {
  return JSON.stringify({ n, filler: 'x'.repeat(length) });
}

function put(name: string, content: string): Step {
  return {
    run: (directory) => writeFileSync(join(directory, name), content),
    apply: (tree) => {
      tree[name] = content;
    },
  };
}

function append(name: string, text: string): Step {
  return {
    run: (directory) => appendFileSync(join(directory, name), text),
    apply: (tree) => {
      tree[name] += text;
    },
  };
}

function rename(from: string, to: string): Step {
  return {
    run: (directory) => renameSync(join(directory, from), join(directory, to)),
    apply: (tree) => {
      tree[to] = tree[from] ?? '';
      delete tree[from];
    },
  };
}

function remove(name: string): Step {
  return {
    run: (directory) => unlinkSync(join(directory, name)),
    apply: (tree) => {
      delete tree[name];
    },
  };
}

function makeFolder(name: string): Step {
  return {
    run: (directory) => mkdirSync(join(directory, name)),
    apply: (tree) => {
      tree[name] = '';
    },
  };
}

function removeFolder(name: string): Step {
  return {
    run: (directory) => rmdirSync(join(directory, name)),
    apply: (tree) => {
      delete tree[name];
    },
  };
}
