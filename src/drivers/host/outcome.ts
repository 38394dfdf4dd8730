/**
 * What a handler decided, as one number, so that an answer costs no object: 0 or more is success and the length of the
 * payload it put into the reply; a negative errno is a failure; the names below (and PARKED) lie outside both.
 */
import { type FileSystemOperations, PARKED, type Unstored } from '../../fs/contract.ts';
import { Errno, isDiskFull } from '../../lib/errno.ts';

/** The kernel wants no answer to this request. */
export const NO_REPLY = PARKED - 1;
/** All is done except that the journal must reach stable storage: the host answers then. */
export const AWAIT_SYNC = PARKED - 2;

/** Two error numbers that only the protocol needs. */
export const EPROTO = -71;
export const ENOTTY = -25;

/**
 * A file is to be made, and its name is there. The kernel has looked it up and did not find it: the *.json was unfinished then,
 * and its maker has completed it since. open(2) without O_EXCL must not fail of that, and whether it has O_EXCL is not told. With
 * this error the kernel looks the name up once more, and does what the caller wants with the file that it finds.
 */
export const LOOK_AGAIN = Errno.ESTALE;

/** The kernel refuses a reply whose error is not above this. */
const ERROR_LIMIT = -512;

export type OutcomeKind = 'no-reply' | 'parked' | 'await-sync' | 'disk-full' | 'failed' | 'done';

export function kindOf(outcome: number): OutcomeKind {
  switch (outcome) {
    case NO_REPLY:
      return 'no-reply';
    case PARKED:
      return 'parked';
    case AWAIT_SYNC:
      return 'await-sync';
  }
  if (outcome >= 0) return 'done';
  return isDiskFull(outcome) ? 'disk-full' : 'failed';
}

/**
 * How a request ends. 'drop': without a reply. 'park': it is carried out again later. 'sync': the host replies once the journal
 * is on stable storage. 'answer': now. What it has changed (cloud mode): the reply waits until that is stored.
 */
export type Ending = 'drop' | 'park' | 'sync' | 'answer' | Unstored;

export interface EndingHost {
  /**
   * A change was refused because the disk is full. True: room is being made, the request is parked and carried out again.
   * Without it, or when it returns false, the caller gets the error.
   */
  makeRoom?(): boolean;
}

/**
 * The one rule for both drivers. A request that is carried out again leaves what it may have changed (`takeUnstored`) to its
 * next run, which then waits for that too.
 */
export function classify(
  outcome: number,
  fs: Pick<FileSystemOperations, 'takeUnstored'>,
  host: EndingHost,
): Ending {
  const kind = kindOf(outcome);
  if (kind === 'no-reply') return 'drop';
  if (kind === 'parked' || (kind === 'disk-full' && host.makeRoom?.() === true)) return 'park';
  const unstored = fs.takeUnstored();
  if (kind === 'disk-full' || kind === 'failed') return 'answer';
  return unstored ?? (kind === 'await-sync' ? 'sync' : 'answer');
}

/** What may go into `fuse_out_header.error` for a failed outcome. */
export function replyableError(outcome: number, otherwise: number): number {
  return outcome > ERROR_LIMIT && outcome < 0 ? outcome : otherwise;
}
