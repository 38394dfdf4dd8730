/** What applications find in a filesystem: every name, mode and content. */

import type { FileNode } from '../../../src/fs/model/node.ts';
import { readFile } from '../../../src/fs/operations/file-content.ts';
import type { Harness } from '../../fs/harness.ts';

export type Snapshot = Readonly<Record<string, string>>;

const SIZE_MAX = 1 << 20;
const out = Buffer.alloc(SIZE_MAX);

/** Asks the core itself, past the names that a kernel would look up: looking changes the journal. */
export function snapshot({ opened: { core } }: Harness): Snapshot {
  const seen: Record<string, string> = {};
  for (const node of core.tree.below(core.tree.root)) {
    const path = core.tree.pathOf(node);
    if (node.kind === 'directory') seen[`${path}/`] = node.mode.toString(8);
    if (node.kind !== 'file' || node.hidden) continue;
    if (!node.loaded) core.contents.load(node, path);
    seen[path] = `${node.mode.toString(8)} ${contentOf(node)}`;
  }
  return Object.fromEntries(Object.entries(seen).sort(([a], [b]) => (a < b ? -1 : 1)));

  function contentOf(node: FileNode): string {
    const length = readFile(core, node, 0, SIZE_MAX, out, 0);
    return length < 0 ? `error ${length}` : out.toString('utf8', 0, length);
  }
}

/** For a message: what one has and the other has not. */
export function differences(actual: Snapshot, expected: Snapshot): string[] {
  const paths = Object.keys({ ...expected, ...actual });
  return paths
    .filter((path) => actual[path] !== expected[path])
    .map((path) => `${path}: ${actual[path]?.slice(0, 80)} instead of ${expected[path]?.slice(0, 80)}`);
}

export function same(a: Snapshot, b: Snapshot): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
