/** A node's attributes: GETATTR, SETATTR, READLINK, STATFS; and the end of the kernel's interest in it: FORGET. */
import type { AttributeChange } from '../../../fs/contract.ts';
import { Errno } from '../../../lib/errno.ts';
import { NO_REPLY } from '../../host/outcome.ts';
import {
  FATTR_ATIME,
  FATTR_ATIME_NOW,
  FATTR_GID,
  FATTR_MODE,
  FATTR_MTIME,
  FATTR_MTIME_NOW,
  FATTR_SIZE,
  FATTR_UID,
  fuse_batch_forget_in,
  fuse_forget_in,
  fuse_forget_one,
  fuse_getattr_in,
  fuse_setattr_in,
} from '../abi/attributes.ts';
import { Opcode } from '../abi/opcodes.ts';
import type { Request } from '../request.ts';
import type { Exchange, Operation } from './exchange.ts';

const NANOSECONDS = 1_000_000_000;
const PERMISSION_BITS = 0o7777;

function getattr({ fs, request, reply, attributes }: Exchange): number {
  const status = fs.getattr(request.node, attributes);
  return status === 0 ? reply.attributes(attributes) : status;
}

function setattr({ fs, request, reply, attributes }: Exchange): number {
  const change = readChange(request);
  if (typeof change === 'number') return change;
  const status = fs.setattr(request.node, change, attributes);
  return status === 0 ? reply.attributes(attributes) : status;
}

/** chmod(2) comes with the file type in the mode; the type of a node never changes, so only permissions are handed on. */
function readChange(request: Request): AttributeChange | Errno {
  const valid = request.u32(fuse_setattr_in.valid);
  const change: AttributeChange = {};
  if (valid & FATTR_MODE) change.mode = request.u32(fuse_setattr_in.mode) & PERMISSION_BITS;
  if (valid & FATTR_UID) change.uid = request.u32(fuse_setattr_in.uid);
  if (valid & FATTR_GID) change.gid = request.u32(fuse_setattr_in.gid);
  if (valid & FATTR_SIZE) {
    const size = request.u64(fuse_setattr_in.size);
    if (size === undefined) return Errno.EFBIG;
    change.size = size;
  }
  if (valid & (FATTR_ATIME | FATTR_ATIME_NOW)) {
    const atime =
      valid & FATTR_ATIME_NOW ? 'now' : readTime(request, fuse_setattr_in.atime, fuse_setattr_in.atimensec);
    if (atime === undefined) return Errno.EINVAL;
    change.atime = atime;
  }
  if (valid & (FATTR_MTIME | FATTR_MTIME_NOW)) {
    const mtime =
      valid & FATTR_MTIME_NOW ? 'now' : readTime(request, fuse_setattr_in.mtime, fuse_setattr_in.mtimensec);
    if (mtime === undefined) return Errno.EINVAL;
    change.mtime = mtime;
  }
  return change;
}

function readTime(
  request: Request,
  secondsAt: number,
  nanosecondsAt: number,
): { sec: number; nsec: number } | undefined {
  const sec = request.i64(secondsAt);
  const nsec = request.u32(nanosecondsAt);
  return sec === undefined || nsec >= NANOSECONDS ? undefined : { sec, nsec };
}

function readlink({ fs, request, reply }: Exchange): number {
  const target = fs.readlink(request.node);
  return typeof target === 'string' ? reply.target(target) : target;
}

function statfs({ fs, reply, statistics }: Exchange): number {
  const status = fs.statfs(statistics);
  return status === 0 ? reply.statistics(statistics) : status;
}

function forget({ fs, request }: Exchange): number {
  fs.forget(request.node, countOf(request, fuse_forget_in.nlookup));
  return NO_REPLY;
}

/** The count in the request is not believed beyond the records that are there. */
function batchForget({ fs, request }: Exchange): number {
  const records = Math.floor((request.argumentBytes - fuse_batch_forget_in.SIZE) / fuse_forget_one.SIZE);
  const count = Math.min(request.u32(fuse_batch_forget_in.count), records);
  for (let index = 0; index < count; index++) {
    const at = fuse_batch_forget_in.SIZE + index * fuse_forget_one.SIZE;
    const node = request.u64(at + fuse_forget_one.nodeid);
    if (node !== undefined) fs.forget(node, countOf(request, at + fuse_forget_one.nlookup));
  }
  return NO_REPLY;
}

/** No kernel looks a node up 2^53 times: all of its lookups are meant then. */
function countOf(request: Request, at: number): number {
  return request.u64(at) ?? Number.MAX_SAFE_INTEGER;
}

export const attributeOperations: ReadonlyArray<readonly [Opcode, Operation]> = [
  [Opcode.FUSE_GETATTR, { argumentBytes: fuse_getattr_in.SIZE, run: getattr }],
  [Opcode.FUSE_SETATTR, { argumentBytes: fuse_setattr_in.SIZE, run: setattr }],
  [Opcode.FUSE_READLINK, { argumentBytes: 0, run: readlink }],
  [Opcode.FUSE_STATFS, { argumentBytes: 0, run: statfs }],
  [Opcode.FUSE_FORGET, { argumentBytes: fuse_forget_in.SIZE, run: forget }],
  [Opcode.FUSE_BATCH_FORGET, { argumentBytes: fuse_batch_forget_in.SIZE, run: batchForget }],
];
