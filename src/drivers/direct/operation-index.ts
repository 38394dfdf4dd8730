/** The place of each opcode in `operationNames`, as the counters want it: looked up for every request. */
import { type OperationName, operationNames } from '../../observe/filesystem-counters.ts';
import { OPCODE_LIMIT, Opcode } from './abi/opcodes.ts';

const NAMES: ReadonlyArray<readonly [Opcode, OperationName]> = [
  [Opcode.FUSE_LOOKUP, 'lookup'],
  [Opcode.FUSE_GETATTR, 'getattr'],
  [Opcode.FUSE_SETATTR, 'setattr'],
  [Opcode.FUSE_READLINK, 'readlink'],
  [Opcode.FUSE_MKNOD, 'create'],
  [Opcode.FUSE_MKDIR, 'mkdir'],
  [Opcode.FUSE_SYMLINK, 'symlink'],
  [Opcode.FUSE_UNLINK, 'unlink'],
  [Opcode.FUSE_RMDIR, 'rmdir'],
  [Opcode.FUSE_RENAME, 'rename'],
  [Opcode.FUSE_RENAME2, 'rename'],
  [Opcode.FUSE_READ, 'read'],
  [Opcode.FUSE_WRITE, 'write'],
  [Opcode.FUSE_FSYNC, 'fsync'],
  [Opcode.FUSE_FSYNCDIR, 'fsync'],
  [Opcode.FUSE_SYNCFS, 'fsync'],
  [Opcode.FUSE_READDIR, 'readdir'],
  [Opcode.FUSE_READDIRPLUS, 'readdir'],
  [Opcode.FUSE_STATFS, 'statfs'],
];

const OTHER = operationNames.indexOf('other');
const indexes = new Uint8Array(OPCODE_LIMIT).fill(OTHER);
for (const [opcode, name] of NAMES) indexes[opcode] = operationNames.indexOf(name);

export function operationIndex(opcode: number): number {
  return indexes[opcode] ?? OTHER;
}
