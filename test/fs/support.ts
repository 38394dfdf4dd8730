/** Calls of the filesystem core by path, for tests of what it does and not of how it is asked. */

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { ROOT_NODE } from '../../src/fs/contract.ts';
import type { BucketView } from '../../src/fs/state/remote.ts';
import { S_IFREG } from '../../src/lib/file-type.ts';
import { CALLER, Harness, type HarnessOptions, newAttributes, newEntry } from './harness.ts';

export function harness(t: TestContext, options: HarnessOptions = {}): Harness {
  const made = new Harness(options);
  t.after(() => made.remove());
  return made;
}

/** A bucket that has nothing. */
export const BUCKET: BucketView = { absent: [], namesKnown: true, rootListable: false };

/** What is in a folder, in the order of names. */
export function names(h: Harness, path: string): string[] {
  const found: string[] = [];
  assert.equal(
    h.fs.readdir(find(h, path), 0, ({ name }) => found.push(name) > 0),
    0,
  );
  return found.sort();
}

/** The folders in the root whose content is in memory. */
export function foldersInMemory(h: Harness): string[] {
  const folders = [...h.opened.core.tree.root.children.values()];
  return folders.flatMap((node) => (node.kind === 'directory' && node.isRead ? [node.name] : [])).sort();
}

/** 0: there is none. */
export function find(h: Harness, path: string): number {
  const entry = newEntry();
  let node: number = ROOT_NODE;
  for (const name of path.split('/').filter((part) => part !== '')) {
    if (node === 0 || h.fs.lookup(node, name, entry) !== 0) return 0;
    node = entry.nodeId;
  }
  return node;
}

function splitPath(h: Harness, path: string): [folder: number, name: string] {
  const slash = path.lastIndexOf('/');
  return [find(h, path.slice(0, Math.max(0, slash))), path.slice(slash + 1)];
}

export function mkdir(h: Harness, path: string): number {
  const entry = newEntry();
  const [folder, name] = splitPath(h, path);
  assert.equal(h.fs.mkdir(folder, name, 0o700, CALLER, entry), 0);
  return entry.nodeId;
}

/** As writeFile does; without content nothing is written. Returns the file's number. */
export function write(h: Harness, path: string, content: string | Buffer = ''): number {
  let node = find(h, path);
  if (node === 0) {
    const entry = newEntry();
    assert.equal(h.fs.mknod(...splitPath(h, path), S_IFREG | 0o600, CALLER, entry), 0);
    node = entry.nodeId;
  } else {
    assert.equal(h.fs.setattr(node, { size: 0 }, newAttributes()), 0);
  }
  const data = typeof content === 'string' ? Buffer.from(content) : content;
  assert.equal(h.fs.write(node, 0, data, false), data.length);
  return node;
}

export function read(h: Harness, path: string): string {
  const node = find(h, path);
  const out = Buffer.alloc(1 << 20);
  const length = node === 0 ? 0 : h.fs.read(node, 0, out.length, out, 0);
  return node === 0 ? 'no such file' : length < 0 ? `error ${length}` : out.toString('utf8', 0, length);
}

export function unlink(h: Harness, path: string): void {
  assert.equal(h.fs.unlink(...splitPath(h, path)), 0);
}
