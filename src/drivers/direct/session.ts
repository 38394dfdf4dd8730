/** The first exchange of a connection: which protocol both sides speak, and which of its options. */

import { SessionfsError } from '../../lib/errors.ts';
import { MAX_IO_BYTES, MAX_IO_BYTES_EVER } from '../../mount/io-size.ts';
import type { NegotiatedSession } from '../host/messages.ts';
import { FUSE_KERNEL_MINOR_VERSION, FUSE_KERNEL_VERSION } from './abi/headers.ts';
import { fuse_init_out } from './abi/init.ts';
import { hasInitFlag, InitFlag, type InitFlags, initFlags } from './abi/init-flags.ts';
import { LITTLE_ENDIAN } from './abi/layout.ts';
import { PAYLOAD, type Reply } from './reply.ts';

/** What a read of the device needs room for: the largest WRITE, its headers, and the kernel's own minimum. */
export const REQUEST_BUFFER_BYTES = MAX_IO_BYTES_EVER + 4096;
/** Pages of one request, where a page is 4 KiB. */
const MAX_PAGES = MAX_IO_BYTES / 4096;

/** Linux 5.4, the oldest kernel whose protocol is spoken. */
export const OLDEST_MINOR = 31;

/**
 * Flags that the driver asks for, where offered. Left out with intent:
 * - ATOMIC_O_TRUNC: without OPEN requests the server would never learn of the truncation.
 * - WRITEBACK_CACHE: each close would invalidate st_blocks, and a write(2) would return before it is journaled.
 * - EXPLICIT_INVAL_DATA: a size that differs must drop pages; the deferral of truncations relies on it.
 * - READDIRPLUS_AUTO: it falls back to READDIR, and each child then costs a LOOKUP. A session is listed to be read.
 * - EXPORT_SUPPORT: it promises lookups of "." and ".." of forgotten nodes, whose numbers this filesystem reuses.
 * - HANDLE_KILLPRIV: the kernel clears set-id bits itself, by a SETATTR.
 * - DONT_MASK, POSIX_ACL: modes arrive with the umask applied. POSIX_LOCKS, FLOCK_LOCKS: the kernel keeps locks itself.
 * - SECURITY_CTX, CREATE_SUPP_GROUP: nothing here reads the extensions they append.
 *
 * AUTO_INVAL_DATA is wanted: read(2) then asks for a size that is not known to be valid, also when it would end before
 * it. Without, a reader that does not fstat a *.json which is written in pieces gets zeros up to the size of the pieces.
 *
 * ASYNC_READ is wanted: a process that waits for a page of a background READ can be killed, and a signal does not turn
 * into an EINTR that read(2) would hand to the application.
 */
const WANTED: readonly InitFlag[] = [
  InitFlag.FUSE_ASYNC_READ,
  InitFlag.FUSE_AUTO_INVAL_DATA,
  InitFlag.FUSE_BIG_WRITES,
  InitFlag.FUSE_DO_READDIRPLUS,
  InitFlag.FUSE_NO_OPEN_SUPPORT,
  InitFlag.FUSE_PARALLEL_DIROPS,
  InitFlag.FUSE_MAX_PAGES,
  InitFlag.FUSE_CACHE_SYMLINKS,
  InitFlag.FUSE_NO_OPENDIR_SUPPORT,
  InitFlag.FUSE_INIT_EXT,
  InitFlag.FUSE_HAS_RESEND,
];
const wanted = initFlags(...WANTED);
const withoutResend = initFlags(...WANTED.filter((flag) => flag !== InitFlag.FUSE_HAS_RESEND));

/** What the kernel says in INIT. */
export interface InitOffer extends InitFlags {
  major: number;
  minor: number;
  maxReadaheadBytes: number;
}

export type Negotiation =
  | { kind: 'agreed'; session: NegotiatedSession }
  /** The kernel speaks a newer major version: it is told ours, and sends INIT again in that. */
  | { kind: 'again' }
  /** Answered with EPROTO; every later call on the mount then fails with ECONNREFUSED. */
  | { kind: 'refused'; error: SessionfsError };

/** `resend`: whether to ask for what only kernels since 6.9 offer; tests say no, to be served as an older one. */
export function negotiate(offer: InitOffer, resend = true): Negotiation {
  if (offer.major > FUSE_KERNEL_VERSION) return { kind: 'again' };
  if (offer.major < FUSE_KERNEL_VERSION || offer.minor < OLDEST_MINOR)
    return { kind: 'refused', error: tooOld(offer) };
  // Bits 32 and up mean something only to a kernel that offers FUSE_INIT_EXT.
  const offered2 = hasInitFlag(offer, InitFlag.FUSE_INIT_EXT) ? offer.flags2 : 0;
  return {
    kind: 'agreed',
    session: {
      major: FUSE_KERNEL_VERSION,
      minor: Math.min(offer.minor, FUSE_KERNEL_MINOR_VERSION),
      flags: (offer.flags & wanted.flags) >>> 0,
      flags2: (offered2 & (resend ? wanted : withoutResend).flags2) >>> 0,
      maxReadaheadBytes: Math.min(offer.maxReadaheadBytes, MAX_IO_BYTES),
      maxWriteBytes: MAX_IO_BYTES,
      maxPages: MAX_PAGES,
    },
  };
}

/** Whether the kernel sends again, when told to, what an earlier server read and never answered (Linux 6.9). */
export function canResend(session: NegotiatedSession): boolean {
  return hasInitFlag(session, InitFlag.FUSE_HAS_RESEND);
}

function tooOld(offer: InitOffer): SessionfsError {
  return new SessionfsError(
    'DRIVER_UNAVAILABLE',
    `the kernel speaks FUSE ${offer.major}.${offer.minor}; the direct driver needs ${FUSE_KERNEL_VERSION}.${OLDEST_MINOR}`,
    { hint: 'Use Linux 5.4 or newer, or SESSION_FUSE_DRIVER=fuse-native.' },
  );
}

/** Fills the payload of INIT's reply and returns its length; without a session only our version is told. */
export function putInitOut(reply: Reply, session: NegotiatedSession | undefined): number {
  const { view } = reply;
  reply.bytes.fill(0, PAYLOAD, PAYLOAD + fuse_init_out.SIZE);
  view.setUint32(PAYLOAD + fuse_init_out.major, FUSE_KERNEL_VERSION, LITTLE_ENDIAN);
  view.setUint32(PAYLOAD + fuse_init_out.minor, session?.minor ?? FUSE_KERNEL_MINOR_VERSION, LITTLE_ENDIAN);
  if (session !== undefined) {
    view.setUint32(PAYLOAD + fuse_init_out.max_readahead, session.maxReadaheadBytes, LITTLE_ENDIAN);
    view.setUint32(PAYLOAD + fuse_init_out.flags, session.flags, LITTLE_ENDIAN);
    view.setUint32(PAYLOAD + fuse_init_out.flags2, session.flags2, LITTLE_ENDIAN);
    view.setUint32(PAYLOAD + fuse_init_out.max_write, session.maxWriteBytes, LITTLE_ENDIAN);
    view.setUint32(PAYLOAD + fuse_init_out.time_gran, 1, LITTLE_ENDIAN);
    view.setUint16(PAYLOAD + fuse_init_out.max_pages, session.maxPages, LITTLE_ENDIAN);
  }
  return fuse_init_out.SIZE;
}
