/**
 * Requests that a server had read when it died, and had not noted yet, on kernels that send nothing again: the kernel waits for
 * answers that nobody can give. Which ones they are follows from their numbers, which the kernel gives out in order.
 */
import { Errno } from '../lib/errno.ts';
import { fuse_in_header, fuse_out_header } from './abi/headers.ts';

/** Numbers grow by this; the bit below tells an INTERRUPT from its request. */
const STEP = 2n;
/** A FORGET gets its number when it is read, so what was read after it may have a lower one. */
const BEFORE = 1024n * STEP;
const AFTER = 256n * STEP;

export interface LostRequestsParts {
  /** Of the last request that is known to have been read; 0: none is. */
  last: bigint;
  /** Those that wait for an answer of ours. */
  kept: readonly Buffer[];
  /** The kernel ignores what it does not wait for. */
  send: (reply: Buffer, length: number) => void;
}

/**
 * Answers them with EINTR: nothing of them was carried out, and libuv repeats a call that ends so. Call it before anything
 * else is read: until then all that the kernel has handed out was handed to servers that are dead.
 */
export function endLostRequests({ last, kept, send }: LostRequestsParts): void {
  const alive = new Set(kept.map(numberOf));
  const middle = last & ~(STEP - 1n);
  const reply = Buffer.alloc(fuse_out_header.SIZE);
  reply.writeUInt32LE(reply.length, fuse_out_header.len);
  reply.writeInt32LE(Errno.EINTR, fuse_out_header.error);
  for (let unique = middle > BEFORE ? middle - BEFORE : STEP; unique <= middle + AFTER; unique += STEP) {
    if (alive.has(unique)) continue;
    reply.writeBigUInt64LE(unique, fuse_out_header.unique);
    send(reply, reply.length);
  }
}

function numberOf(request: Buffer): bigint {
  return request.readBigUInt64LE(fuse_in_header.unique);
}
