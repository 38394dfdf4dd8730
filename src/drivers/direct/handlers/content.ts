/** A file's content and a directory's listing. Open files have no state here: every request names a node. */
import { constants } from 'node:fs';
import { Errno } from '../../../lib/errno.ts';
import { AWAIT_SYNC } from '../../host/outcome.ts';
import {
  FUSE_WRITE_CACHE,
  fuse_fallocate_in,
  fuse_fsync_in,
  fuse_read_in,
  fuse_syncfs_in,
  fuse_write_in,
} from '../abi/files.ts';
import { Opcode } from '../abi/opcodes.ts';
import { PAYLOAD } from '../reply.ts';
import type { Exchange, Operation } from './exchange.ts';

const FALLOC_FL_KEEP_SIZE = 1;

function read({ fs, request, reply }: Exchange): number {
  const offset = request.u64(fuse_read_in.offset);
  const size = request.u32(fuse_read_in.size);
  // A short answer would mean the end of the file: what does not fit is refused. The mount's max_read keeps it from coming.
  if (offset === undefined || size > reply.capacity) return Errno.EINVAL;
  return fs.read(request.node, offset, size, reply.bytes, PAYLOAD);
}

function write(exchange: Exchange): number {
  const { fs, request, reply } = exchange;
  const offset = request.u64(fuse_write_in.offset);
  const data = request.rest();
  if (data.length !== request.u32(fuse_write_in.size)) return Errno.EIO;
  if (offset === undefined) return Errno.EFBIG;
  const fromPageCache = (request.u32(fuse_write_in.write_flags) & FUSE_WRITE_CACHE) !== 0;
  const append = !fromPageCache && (request.u32(fuse_write_in.flags) & constants.O_APPEND) !== 0;
  const written = fs.write(request.node, offset, data, append, fromPageCache ? 'kernel' : request.caller.pid);
  return written < 0 ? written : reply.written(written);
}

/** Also for a directory, and (SYNCFS) for the whole filesystem: one journal holds it all. */
function fsync({ fs, request }: Exchange): number {
  const status = fs.fsync(request.node);
  return status === 0 ? AWAIT_SYNC : status;
}

function fallocate({ fs, request }: Exchange): number {
  const mode = request.u32(fuse_fallocate_in.mode);
  if (mode !== 0 && mode !== FALLOC_FL_KEEP_SIZE) return Errno.EOPNOTSUPP;
  const offset = request.u64(fuse_fallocate_in.offset);
  const length = request.u64(fuse_fallocate_in.length);
  if (offset === undefined || length === undefined || !Number.isSafeInteger(offset + length))
    return Errno.EFBIG;
  return fs.fallocate(request.node, offset, length, mode === FALLOC_FL_KEEP_SIZE);
}

function readdir(exchange: Exchange): number {
  return list(exchange, false);
}

function readdirplus(exchange: Exchange): number {
  return list(exchange, true);
}

function list({ fs, request, listing }: Exchange, plus: boolean): number {
  const offset = request.u64(fuse_read_in.offset);
  if (offset === undefined) return Errno.EINVAL;
  listing.begin(request.u32(fuse_read_in.size), plus);
  listing.addDots(offset);
  const withoutChildren = listing.length;
  const status = fs.readdir(request.node, listing.coreOffset(offset), listing.add);
  // Children already looked up must reach the kernel; it meets the error when it comes back for more.
  if (status !== 0 && listing.length === withoutChildren) return status;
  return listing.length === 0 && listing.isFull ? Errno.EINVAL : listing.length;
}

export const contentOperations: ReadonlyArray<readonly [Opcode, Operation]> = [
  [Opcode.FUSE_READ, { argumentBytes: fuse_read_in.SIZE, run: read }],
  [Opcode.FUSE_WRITE, { argumentBytes: fuse_write_in.SIZE, run: write }],
  [Opcode.FUSE_FSYNC, { argumentBytes: fuse_fsync_in.SIZE, run: fsync }],
  [Opcode.FUSE_FSYNCDIR, { argumentBytes: fuse_fsync_in.SIZE, run: fsync }],
  [Opcode.FUSE_SYNCFS, { argumentBytes: fuse_syncfs_in.SIZE, run: fsync }],
  [Opcode.FUSE_FALLOCATE, { argumentBytes: fuse_fallocate_in.SIZE, run: fallocate }],
  [Opcode.FUSE_READDIR, { argumentBytes: fuse_read_in.SIZE, run: readdir }],
  [Opcode.FUSE_READDIRPLUS, { argumentBytes: fuse_read_in.SIZE, run: readdirplus, gives: 'listing' }],
];
