/**
 * What a handler decided, as one number, so that answering costs no object: 0 or more is success and the length of the
 * payload it put into the reply; a negative errno is a failure; the names below (and PARKED) lie outside both.
 */
import { PARKED } from '../../fs/contract.ts';

/** The kernel wants no answer to this request. */
export const NO_REPLY = PARKED - 1;
/** All is done except that the journal must reach stable storage: the host answers then. */
export const AWAIT_SYNC = PARKED - 2;

/** Two error numbers that only the protocol needs. */
export const EPROTO = -71;
export const ENOTTY = -25;

/** The kernel refuses a reply whose error is not above this. */
const ERROR_LIMIT = -512;

/** What may go into `fuse_out_header.error` for a failed outcome. */
export function replyableError(outcome: number, otherwise: number): number {
  return outcome > ERROR_LIMIT && outcome < 0 ? outcome : otherwise;
}
