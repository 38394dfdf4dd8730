/**
 * Requests that a server had read when it died, and had not noted yet, on kernels that send nothing again: the kernel waits for
 * answers that no server can give. Their numbers tell which ones they are: the kernel gives numbers out in order.
 */
import { Errno } from '../../lib/errno.ts';
import { fuse_out_header } from './abi/headers.ts';
import { putOutHeader, putU64 } from './reply.ts';

/** Numbers grow by this; an odd one is an INTERRUPT's. */
const STEP = 2;
/** A FORGET gets its number when it is read, so what was read after it may have a lower one. */
const BEFORE = 1024 * STEP;
const AFTER = 256 * STEP;

export interface LostRequestsParts {
  /** The highest number that is known to have been read; 0: none is. */
  last: number;
  /** It is kept, or was carried out. */
  isKnown: (number: number) => boolean;
  /** The kernel ignores what it does not wait for. */
  send: (reply: Buffer, length: number) => void;
}

/**
 * Ends them with EINTR: nothing of them was carried out, and libuv repeats a call that ends so. Call it before anything
 * else is read: until then all that the kernel has handed out was handed to servers that are dead.
 */
export function endLostRequests({ last, isKnown, send }: LostRequestsParts): void {
  const memory = new ArrayBuffer(fuse_out_header.SIZE);
  const reply = Buffer.from(memory);
  const view = new DataView(memory);
  putOutHeader(view, reply.length, Errno.EINTR, 0, 0);
  const middle = last - (last % STEP);
  for (let number = Math.max(STEP, middle - BEFORE); number <= middle + AFTER; number += STEP) {
    if (isKnown(number)) continue;
    putU64(view, fuse_out_header.unique, number);
    send(reply, reply.length);
  }
}
