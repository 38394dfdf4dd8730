/**
 * What changes or asks for a name in a directory. A request that an earlier server carried out and could not answer is
 * none of these handlers' business: the core knows it by its number (FileSystemOperations.begin).
 */

import { RENAME_EXCHANGE, RENAME_NOREPLACE } from '../../../fs/contract.ts';
import { Errno } from '../../../lib/errno.ts';
import { S_IFDIR, S_IFMT, S_IFREG } from '../../../lib/file-type.ts';
import { LOOK_AGAIN } from '../../host/outcome.ts';
import { fuse_link_in, fuse_mkdir_in, fuse_mknod_in, fuse_rename_in, fuse_rename2_in } from '../abi/names.ts';
import { Opcode } from '../abi/opcodes.ts';
import type { Exchange, Operation } from './exchange.ts';

const PERMISSION_BITS = 0o7777;

function lookup({ fs, request, reply, entry }: Exchange): number {
  const name = request.nextName();
  if (typeof name !== 'string') return name;
  const status = fs.lookup(request.node, name, entry);
  return status === 0 ? reply.entry(entry) : status;
}

function mknod(exchange: Exchange): number {
  const { fs, request, entry } = exchange;
  const mode = request.u32(fuse_mknod_in.mode) & (S_IFMT | PERMISSION_BITS);
  const name = request.nextName();
  if (typeof name !== 'string') return name;
  const status = fs.mknod(request.node, name, mode, request.caller, entry);
  const isFile = (mode & S_IFMT) === 0 || (mode & S_IFMT) === S_IFREG;
  return isFile && status === Errno.EEXIST ? LOOK_AGAIN : created(exchange, status);
}

function mkdir(exchange: Exchange): number {
  const { fs, request, entry } = exchange;
  const mode = S_IFDIR | (request.u32(fuse_mkdir_in.mode) & PERMISSION_BITS);
  const name = request.nextName();
  if (typeof name !== 'string') return name;
  return created(exchange, fs.mkdir(request.node, name, mode, request.caller, entry));
}

function symlink(exchange: Exchange): number {
  const { fs, request, entry } = exchange;
  const name = request.nextName();
  if (typeof name !== 'string') return name;
  const target = request.nextTarget();
  if (target === Errno.EINVAL) return Errno.ENOENT; // As symlink(2) says of an empty target.
  if (typeof target !== 'string') return target;
  return created(exchange, fs.symlink(request.node, name, target, request.caller, entry));
}

function created({ reply, entry }: Exchange, status: number): number {
  return status === 0 ? reply.entry(entry) : status;
}

function unlink({ fs, request }: Exchange): number {
  const name = request.nextName();
  return typeof name === 'string' ? fs.unlink(request.node, name) : name;
}

function rmdir({ fs, request }: Exchange): number {
  const name = request.nextName();
  return typeof name === 'string' ? fs.rmdir(request.node, name) : name;
}

function rename(exchange: Exchange): number {
  return renameTo(exchange, exchange.request.u64(fuse_rename_in.newdir), 0);
}

function rename2(exchange: Exchange): number {
  const { request } = exchange;
  return renameTo(exchange, request.u64(fuse_rename2_in.newdir), request.u32(fuse_rename2_in.flags));
}

function renameTo(exchange: Exchange, newParent: number | undefined, flags: number): number {
  const { fs, request } = exchange;
  const name = request.nextName();
  if (typeof name !== 'string') return name;
  const newName = request.nextName();
  if (typeof newName !== 'string') return newName;
  if (newParent === undefined) return Errno.EIO;
  if (flags !== 0 && flags !== RENAME_NOREPLACE && flags !== RENAME_EXCHANGE) return Errno.EINVAL;
  return fs.rename(request.node, name, newParent, newName, flags);
}

/** Hard links: one file is one object in the bucket, so they are refused as filesystems without them do. */
function link(): number {
  return Errno.EPERM;
}

export const nameOperations: ReadonlyArray<readonly [Opcode, Operation]> = [
  [Opcode.FUSE_LOOKUP, { argumentBytes: 0, run: lookup, gives: 'entry' }],
  [Opcode.FUSE_MKNOD, { argumentBytes: fuse_mknod_in.SIZE, run: mknod, gives: 'entry' }],
  [Opcode.FUSE_MKDIR, { argumentBytes: fuse_mkdir_in.SIZE, run: mkdir, gives: 'entry' }],
  [Opcode.FUSE_SYMLINK, { argumentBytes: 0, run: symlink, gives: 'entry' }],
  [Opcode.FUSE_UNLINK, { argumentBytes: 0, run: unlink }],
  [Opcode.FUSE_RMDIR, { argumentBytes: 0, run: rmdir }],
  [Opcode.FUSE_RENAME, { argumentBytes: fuse_rename_in.SIZE, run: rename }],
  [Opcode.FUSE_RENAME2, { argumentBytes: fuse_rename2_in.SIZE, run: rename2 }],
  [Opcode.FUSE_LINK, { argumentBytes: fuse_link_in.SIZE, run: link }],
];
