/** What the dispatcher needs of the connection's owner. */
import type { Unstored } from '../../fs/contract.ts';
import type { SessionfsError } from '../../lib/errors.ts';
import type { NegotiatedSession } from '../host/messages.ts';
import type { EndingHost } from '../host/outcome.ts';
import type { SlotHost } from './parking.ts';

/** None of these may call back into the dispatcher. */
export interface DispatchHost extends SlotHost, EndingHost {
  /**
   * Gives the first `length` bytes to the kernel before it returns; the buffer is used again then. False when the kernel
   * no longer waits for this reply: what it handed out is taken back.
   */
  send(reply: Buffer, length: number): boolean;
  /** Answer this request with success once everything journaled so far is on stable storage; then release its slot. */
  syncThenReply(uniqueLo: number, uniqueHi: number, slot: number): void;
  /** The request of this number was carried out: `answerStored` is to be called once that is in the bucket. */
  store(request: number, unstored: Unstored): void;
  /** It was answered. `interrupted`: by EINTR, without that call. */
  answered(request: number, interrupted: boolean): void;
  /**
   * A call of an application was answered by this thread, with `error` (0 or a negative errno), after `ms`. Not what the kernel
   * asks for its own sake, nor what `syncThenReply` answers.
   */
  measured(opcode: number, error: number, ms: number): void;
  /** The kernel asks for the end of a request that is not waiting here: true if it may have been lost, and is to get EINTR. */
  mayBeLost(): boolean;
  initialized(session: NegotiatedSession): void;
  /** This kernel cannot be served; it has been told. */
  refused(error: SessionfsError): void;
  /** Daemon after daemon died of this request; it gets EIO. `name`: of the child of `node` that it is about, if it is. */
  gaveUp(opcode: number, node: number, name: string | undefined): void;
  /** Something was thrown that should not have been; the request was answered with an error. */
  unexpected(error: unknown, opcode: number): void;
}
