import { write } from 'node:fs';
import type { Invalidator } from '../../fs/contract.ts';
import { LITTLE_ENDIAN } from './abi/layout.ts';
import { fuse_notify_inval_entry_out, fuse_notify_inval_inode_out, NotifyCode } from './abi/notifications.ts';
import { isSubjectGone, writeMessage } from './device.ts';
import { PAYLOAD, putOutHeader, putU64 } from './reply.ts';

/**
 * Speaks to the kernel from a thread that does not serve requests.
 *
 * An invalidation waits in the kernel for locks that a request in flight may hold: INVAL_INODE for the pages a READ is to
 * fill, INVAL_ENTRY for the directory that a LOOKUP or MKNOD is in. When that request is parked, only this process can
 * release it. So an invalidation never blocks the calling thread: they are written one after the other on a thread of the
 * pool, and occupy at most one. Replies and RESEND wait for nothing and are written at once.
 */
export class KernelNotifier implements Invalidator {
  readonly #fd: number;
  readonly #onError: (error: unknown) => void;
  #last: Promise<void> = Promise.resolve();

  /** `onError`: what the kernel should not have answered; a node or name that it does not hold is no error. */
  constructor(fd: number, onError: (error: unknown) => void) {
    this.#fd = fd;
    this.#onError = onError;
  }

  inode(node: number, offset: number, length: number): void {
    const { bytes, view } = newMessage(fuse_notify_inval_inode_out.SIZE, NotifyCode.FUSE_NOTIFY_INVAL_INODE);
    putU64(view, PAYLOAD + fuse_notify_inval_inode_out.ino, node);
    putU64(view, PAYLOAD + fuse_notify_inval_inode_out.off, offset);
    putU64(view, PAYLOAD + fuse_notify_inval_inode_out.len, length);
    this.#enqueue(bytes);
  }

  entry(parent: number, name: string): void {
    const nameBytes = Buffer.byteLength(name);
    const size = fuse_notify_inval_entry_out.SIZE + nameBytes + 1;
    const { bytes, view } = newMessage(size, NotifyCode.FUSE_NOTIFY_INVAL_ENTRY);
    putU64(view, PAYLOAD + fuse_notify_inval_entry_out.parent, parent);
    view.setUint32(PAYLOAD + fuse_notify_inval_entry_out.namelen, nameBytes, LITTLE_ENDIAN);
    bytes.write(name, PAYLOAD + fuse_notify_inval_entry_out.SIZE, 'utf8');
    this.#enqueue(bytes);
  }

  /**
   * Resolves when every invalidation asked for so far has taken effect. Never await it before releasing a parked request:
   * an invalidation may be waiting for just that one.
   */
  settled(): Promise<void> {
    return this.#last;
  }

  /** Makes the kernel send again what an earlier server read and did not answer. Only where `canResend(session)`. */
  resend(): void {
    const { bytes } = newMessage(0, NotifyCode.FUSE_NOTIFY_RESEND);
    writeMessage(this.#fd, bytes, bytes.length);
  }

  /** Replies to a request that the serving thread left to this one. `error` is 0 for success, or a negative errno. */
  replyError(uniqueLo: number, uniqueHi: number, error: number): void {
    const { bytes, view } = newMessage(0, 0);
    putOutHeader(view, bytes.length, error, uniqueLo, uniqueHi);
    writeMessage(this.#fd, bytes, bytes.length);
  }

  #enqueue(bytes: Buffer): void {
    this.#last = this.#last.then(() => this.#write(bytes));
  }

  #write(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      write(this.#fd, bytes, 0, bytes.length, null, (error) => {
        if (error !== null && !isSubjectGone(error)) this.#onError(error);
        resolve();
      });
    });
  }
}

function newMessage(payloadBytes: number, code: number): { bytes: Buffer; view: DataView } {
  const memory = new ArrayBuffer(PAYLOAD + payloadBytes);
  const view = new DataView(memory);
  putOutHeader(view, memory.byteLength, code, 0, 0);
  return { bytes: Buffer.from(memory), view };
}
