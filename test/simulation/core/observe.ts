/** Reads everything that a daemon serves, at once, as no particular user. */
import { emptyAttributes, type FileSystemOperations, ROOT_NODE } from '../../../src/fs/contract.ts';
import { S_IFDIR, S_IFLNK, S_IFMT } from '../../../src/lib/file-type.ts';
import { Violation } from '../violation.ts';
import type { Seen, State } from './history.ts';

const READ_BYTES = 1 << 16;
const NOTHING = Buffer.alloc(0);

export function observe(fs: FileSystemOperations): State {
  const state = new Map<string, Seen>();
  fs.begin(0);
  visit(fs, ROOT_NODE, '', state);
  return state;
}

function visit(fs: FileSystemOperations, directory: number, above: string, state: Map<string, Seen>): void {
  const names: string[] = [];
  expectDone(
    fs.readdir(directory, 0, (entry) => names.push(entry.name) > 0),
    `list ${above}`,
  );
  for (const name of names) {
    const path = `${above}${name}`;
    const entry = { ...emptyAttributes(), nodeId: 0, entryValidMs: 0 };
    expectDone(fs.lookup(directory, name, entry), `look up ${path}`);
    const { mode, nodeId } = entry;
    if (nodeId === 0) throw new Violation('a name that is listed is found', path);
    const type = mode & S_IFMT;
    const kind = type === S_IFDIR ? 'directory' : type === S_IFLNK ? 'symlink' : 'file';
    const content = kind === 'directory' ? NOTHING : contentOf(fs, nodeId, kind, path);
    if (kind === 'file' && content.length !== entry.size)
      throw new Violation(
        'a size is that of the content',
        `${path}: ${entry.size}, and ${content.length} bytes`,
      );
    state.set(path, { kind, mode: mode & 0o7777, content });
    if (kind === 'directory') visit(fs, nodeId, `${path}/`, state);
    fs.forget(nodeId, 1);
  }
}

function contentOf(fs: FileSystemOperations, node: number, kind: 'file' | 'symlink', path: string): Buffer {
  if (kind === 'symlink') return Buffer.from(String(fs.readlink(node)));
  const out = Buffer.alloc(READ_BYTES);
  const length = fs.read(node, 0, out.length, out, 0);
  if (length < 0) throw new Violation('every file can be read', `${path}: error ${length}`);
  return Buffer.from(out.subarray(0, length));
}

function expectDone(status: number, what: string): void {
  if (status !== 0) throw new Violation('every file can be read', `${what}: error ${status}`);
}
