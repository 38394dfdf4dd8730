/** The calls that applications make: how one is carried out by the core, and what the model says of it. */
import { type Entry, emptyAttributes, type FileSystemOperations } from '../../../src/fs/contract.ts';
import { S_IFREG } from '../../../src/lib/file-type.ts';
import {
  type ModelDirectory,
  type ModelFile,
  type ModelNode,
  ReferenceModel,
} from '../../fs/reference-model.ts';

/** What the kernel holds: a number of the daemon's, and the node of the model that it must mean. */
export interface Handle {
  id: number;
  node: ModelNode;
  /** Looked up since the kernel last forgot it. */
  lookups: number;
  /** Unlinked before a take-over: nothing of it is left. `perhaps`: the last request on it may have been repeated. */
  stale: false | 'perhaps' | true;
  /** Its number could perhaps not be written down (a full disk): the next daemon may not know it. */
  unwritten: boolean;
}

export type Call =
  | { do: 'mkdir' | 'mknod'; at: Handle; name: string; mode: number }
  | { do: 'symlink'; at: Handle; name: string; target: string }
  | { do: 'unlink' | 'rmdir' | 'lookup'; at: Handle; name: string }
  | { do: 'rename'; at: Handle; name: string; to: Handle; newName: string; flags: number }
  | { do: 'write'; at: Handle; offset: number; data: Buffer; append: boolean }
  | { do: 'truncate'; at: Handle; size: number }
  | { do: 'chmod'; at: Handle; mode: number }
  | { do: 'fsync' | 'getattr'; at: Handle }
  | { do: 'read'; at: Handle }
  | { do: 'list'; at: Handle; offset: number; count: number };

/** What the core gave beside its status. */
export interface Given {
  entry: Entry;
  bytes: Buffer;
  names: string[];
  nextOffset: number;
}

export const CALLER = { uid: 1000, gid: 1000, pid: 1 };
const READ_BYTES = 1 << 16;

export function newGiven(): Given {
  return {
    entry: { ...emptyAttributes(), nodeId: 0, entryValidMs: 0 },
    bytes: Buffer.alloc(0),
    names: [],
    nextOffset: 0,
  };
}

export function carryOut(fs: FileSystemOperations, call: Call, given: Given): number {
  const { id } = call.at;
  switch (call.do) {
    case 'mkdir':
      return fs.mkdir(id, call.name, call.mode, CALLER, given.entry);
    case 'mknod':
      return fs.mknod(id, call.name, S_IFREG | call.mode, CALLER, given.entry);
    case 'symlink':
      return fs.symlink(id, call.name, call.target, CALLER, given.entry);
    case 'lookup':
      return fs.lookup(id, call.name, given.entry);
    case 'unlink':
      return fs.unlink(id, call.name);
    case 'rmdir':
      return fs.rmdir(id, call.name);
    case 'rename':
      return fs.rename(id, call.name, call.to.id, call.newName, call.flags);
    case 'write':
      return fs.write(id, call.offset, call.data, call.append);
    case 'truncate':
      return fs.setattr(id, { size: call.size }, given.entry);
    case 'chmod':
      return fs.setattr(id, { mode: call.mode }, given.entry);
    case 'fsync':
      return fs.fsync(id);
    case 'getattr':
      return fs.getattr(id, given.entry);
    case 'read':
      return read(fs, call.at, given);
    case 'list':
      return list(fs, call, given);
  }
}

function read(fs: FileSystemOperations, { id, node }: Handle, given: Given): number {
  if (node.kind === 'symlink') {
    const target = fs.readlink(id);
    if (typeof target === 'number') return target;
    given.bytes = Buffer.from(target);
    return given.bytes.length;
  }
  const out = Buffer.alloc(READ_BYTES);
  const length = fs.read(id, 0, out.length, out, 0);
  given.bytes = out.subarray(0, Math.max(0, length));
  return length;
}

function list(fs: FileSystemOperations, call: Extract<Call, { do: 'list' }>, given: Given): number {
  given.names = [];
  given.nextOffset = call.offset;
  return fs.readdir(call.at.id, call.offset, (entry) => {
    if (given.names.length === call.count) return false;
    given.names.push(entry.name);
    given.nextOffset = entry.nextOffset;
    return true;
  });
}

/** Carries the call out in the model. A node: it was made or found. */
export function expected(model: ReferenceModel, call: Call): number | ModelNode {
  const directory = call.at.node as ModelDirectory;
  const file = call.at.node as ModelFile;
  switch (call.do) {
    case 'mkdir':
      return model.mkdir(directory, call.name, call.mode);
    case 'mknod':
      return model.mknod(directory, call.name, call.mode);
    case 'symlink':
      return model.symlink(directory, call.name, call.target);
    case 'lookup':
      return lookup(model, directory, call.name);
    case 'unlink':
    case 'rmdir':
      return model[call.do](directory, call.name);
    case 'rename':
      return model.rename(directory, call.name, call.to.node as ModelDirectory, call.newName, call.flags);
    case 'write':
      return model.write(file, call.offset, call.data, call.append);
    case 'truncate':
      return model.truncate(file, call.size);
    case 'chmod':
      file.mode = call.mode;
      if (file.kind === 'file' && file.parent !== undefined) model.commitPlain(file);
      return 0;
    case 'read':
      return model.visible(file).length;
    case 'fsync':
      // It has committed the file before it is answered (Kernel.carriedOut).
      return 0;
    case 'getattr':
    case 'list':
      return 0;
  }
}

const ENOENT = -2;

/** A hidden file's name is refused; one that is not there is answered by "nothing". */
function lookup(model: ReferenceModel, directory: ModelDirectory, name: string): number | ModelNode {
  const child = directory.children.get(name);
  if (child !== undefined && ReferenceModel.isHidden(child)) return ENOENT;
  return model.lookup(directory, name) ?? 0;
}

export function tell(call: Call): string {
  const where = `${call.do} ${pathOf(call.at.node)}#${call.at.id}`;
  switch (call.do) {
    case 'rename':
      return `${where} ${call.name} to ${pathOf(call.to.node)}#${call.to.id} ${call.newName} flags ${call.flags}`;
    case 'write':
      return `${where} ${call.append ? 'append' : call.offset} ${JSON.stringify(call.data.toString().slice(0, 40))} ${call.data.length}`;
    case 'truncate':
      return `${where} to ${call.size}`;
    case 'chmod':
      return `${where} ${call.mode.toString(8)}`;
    case 'list':
      return `${where} from ${call.offset}`;
    case 'fsync':
    case 'getattr':
    case 'read':
      return where;
    default:
      return `${where} ${call.name}`;
  }
}

export function pathOf(node: ModelNode): string {
  if (node.parent === undefined) return node.name === '' ? '/' : `(${node.name})`;
  const above = pathOf(node.parent);
  return `${above === '/' ? '' : above}/${node.name}`;
}
