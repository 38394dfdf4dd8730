/** What the dispatcher needs of whoever owns the connection. */
import type { Unstored } from '../../fs/contract.ts';
import type { SessionfsError } from '../../lib/errors.ts';
import type { NegotiatedSession } from '../host/messages.ts';

/** None of these may call back into the dispatcher. */
export interface DispatchHost {
  /**
   * Gives the first `length` bytes to the kernel before it returns; the buffer is used again then. False when the kernel
   * no longer waits for this reply: what it handed out is taken back.
   */
  send(reply: Buffer, length: number): boolean;
  /** A request must wait: keeps it for the next server where the kernel does not send it again. Answers where; 0: nowhere. */
  keep(request: Buffer): number;
  /** What was kept there is answered. */
  release(slot: number): void;
  /** Answer this request with success once everything journaled so far is on stable storage; then release its slot. */
  syncThenReply(uniqueLo: number, uniqueHi: number, slot: number): void;
  /** The request of this number was carried out: `answerStored` is to be called once that is in the bucket. */
  store(request: number, unstored: Unstored): void;
  /** It was answered. `interrupted`: by EINTR, without that call. */
  answered(request: number, interrupted: boolean): void;
  /** The kernel asks for the end of a request that is not waiting here: true if it may have been lost, and is to get EINTR. */
  mayBeLost(): boolean;
  /**
   * A change was refused because the disk is full. True: room is being made; the request is parked, and `retryParked` follows.
   * Without it, or when it answers false, the caller gets the error.
   */
  makeRoom?(): boolean;
  initialized(session: NegotiatedSession): void;
  /** This kernel cannot be served; it has been told. */
  refused(error: SessionfsError): void;
  /** Something was thrown that should not have been; the request was answered with an error. */
  unexpected(error: unknown, opcode: number): void;
}
