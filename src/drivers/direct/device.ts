/** /dev/fuse: opening it, and what the errors of reading and writing it mean. */

import { openSync, readSync, writeSync } from 'node:fs';
import { endianness } from 'node:os';
import { SessionfsError } from '../../lib/errors.ts';
import { codeOf, messageOf } from '../../lib/system-error.ts';
import { CONTAINER_HINT } from '../../mount/hints.ts';

/** `readRequest`: nothing to serve this time; read again. */
export const NOTHING = -1;
/** `readRequest`: the connection has ended, by unmount or abort. */
export const GONE = -2;

/**
 * A new connection, not yet mounted. It lives as long as any process holds the descriptor.
 * Throws FUSE_DEVICE_MISSING, MOUNT_NOT_PERMITTED, or DRIVER_UNAVAILABLE where the protocol has another byte order.
 */
export function openFuseDevice(path = '/dev/fuse'): number {
  if (endianness() !== 'LE') {
    throw new SessionfsError('DRIVER_UNAVAILABLE', 'the direct driver speaks to little-endian kernels only', {
      hint: 'Set SESSION_FUSE_DRIVER=fuse-native.',
    });
  }
  return open(path);
}

/**
 * For a supervisor whose daemon mounts by itself: it is never read. By it other commands know that the process serves a mount, and
 * that it may be opened is what libfuse needs too. Throws FUSE_DEVICE_MISSING, MOUNT_NOT_PERMITTED.
 */
export function openUnusedDevice(platform: string = process.platform): number {
  return open(platform === 'linux' ? '/dev/fuse' : '/dev/null');
}

function open(path: string): number {
  try {
    return openSync(path, 'r+');
  } catch (cause) {
    throw openError(path, cause);
  }
}

function openError(path: string, cause: unknown): SessionfsError {
  const code = codeOf(cause);
  if (code === 'ENOENT' || code === 'ENODEV' || code === 'ENXIO') {
    return new SessionfsError('FUSE_DEVICE_MISSING', `${path} is not there, or its driver is not loaded`, {
      cause,
      hint: `Load the driver on the host (modprobe fuse). ${CONTAINER_HINT}`,
    });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new SessionfsError('MOUNT_NOT_PERMITTED', `${path} may not be opened (${code})`, {
      cause,
      hint: CONTAINER_HINT,
    });
  }
  return new SessionfsError('MOUNT_FAILED', `cannot open ${path}: ${messageOf(cause)}`, { cause });
}

/**
 * Waits for a request and reads it to the beginning of `buffer`, which must hold REQUEST_BUFFER_BYTES. Returns its
 * length, NOTHING or GONE; throws what no kernel should answer.
 */
export function readRequest(fd: number, buffer: Buffer): number {
  try {
    const length = readSync(fd, buffer, 0, buffer.length, null);
    return length === 0 ? GONE : length;
  } catch (error) {
    switch (codeOf(error)) {
      case 'ENODEV':
      case 'ECONNABORTED':
        return GONE;
      case 'ENOENT': // The request was aborted while it was being handed over.
      case 'EINTR':
        return NOTHING;
      case 'EAGAIN': // Another process made the shared descriptor non-blocking: degrade to polling.
        pause();
        return NOTHING;
      default:
        throw error;
    }
  }
}

const pauseWord = new Int32Array(new SharedArrayBuffer(4));

function pause(): void {
  Atomics.wait(pauseWord, 0, 0, 1);
}

/** Writes a reply or a notification, whole. False when the kernel knows its subject no longer; other errors are thrown. */
export function writeMessage(fd: number, bytes: Uint8Array, length: number): boolean {
  try {
    writeSync(fd, bytes, 0, length);
    return true;
  } catch (error) {
    if (isSubjectGone(error)) return false;
    throw error;
  }
}

/** The request was answered or aborted, the node or name is not cached, or the connection has ended. */
export function isSubjectGone(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOENT' || code === 'ENODEV' || code === 'ECONNABORTED';
}
