/**
 * Every failure that a user can cause or cure: a stable code, an exit status, what happened, and what to do about it.
 * docs/operations.md lists this table; a test compares the two.
 */
export const exitStatus = {
  INTERNAL: 1,
  USAGE: 2,
  CONFIG_INVALID: 3,
  OUTPUT_NOT_WRITTEN: 4,
  MOUNT_POINT_MISSING: 10,
  MOUNT_POINT_NOT_A_DIRECTORY: 11,
  MOUNT_POINT_BUSY: 12,
  MOUNT_POINT_NOT_EMPTY: 13,
  FUSE_DEVICE_MISSING: 14,
  MOUNT_NOT_PERMITTED: 15,
  MOUNT_FAILED: 16,
  NOT_MOUNTED: 17,
  DRIVER_UNAVAILABLE: 18,
  MOUNT_NOT_ANSWERING: 19,
  KEY_MALFORMED: 20,
  KEY_MISSING: 21,
  KEY_WRONG: 22,
  KEY_FILE_EXISTS: 23,
  KEY_FILE_NOT_WRITABLE: 24,
  CACHE_NOT_WRITABLE: 30,
  CACHE_ON_MOUNT: 31,
  CACHE_FORMAT: 32,
  CACHE_LOCKED: 33,
  JOURNAL_CORRUPT: 34,
  MEMORY_UNAVAILABLE: 35,
  CACHE_CASE_INSENSITIVE: 36,
  UNSAFE_PATH: 37,
  IMPORT_REFUSED: 38,
  UNMOUNT_TIMEOUT: 40,
  DAEMON_FAILED: 41,
  NOT_SUPERVISED: 42,
  MOUNT_IN_USE: 43,
  LIMITS_TOO_LOW: 44,
  FLUSH_FAILED: 45,
  LOG_NOT_FOUND: 46,
  MOUNT_READ_ONLY: 47,
  HTTP_ADDRESS_UNAVAILABLE: 50,
  DOCTOR_WARNING: 51,
  DOCTOR_FAILED: 52,
  SESSION_NOT_FOUND: 60,
  EXPORT_TARGET: 61,
  EXPORT_INCOMPLETE: 62,
  BUCKET_UNAVAILABLE: 63,
  BUCKET_MISSING: 64,
  BUCKET_FORBIDDEN: 65,
  BUCKET_CREDENTIALS: 66,
  PACKAGE_MISSING: 67,
  RESTORE_REFUSED: 68,
  BUCKET_UNCONDITIONAL: 69,
  FILE_NOT_FOUND: 70,
  FILE_REFUSED: 71,
  VERIFY_FAILED: 72,
  BUCKET_NOT_CREATED: 73,
  BUCKET_UNFINISHED: 74,
  BUCKET_IN_USE: 75,
  COPY_CONFLICT: 76,
  COPY_FAILED: 77,
  REKEY_UNFINISHED: 79,
} as const;

export type ErrorCode = keyof typeof exitStatus;

export interface ErrorDetails {
  /** What the user can do about it, as a whole sentence. */
  hint?: string | undefined;
  cause?: unknown;
}

export class SessionfsError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'SessionfsError';
    this.code = code;
    this.hint = details.hint;
  }

  get exitStatus(): number {
    return exitStatus[this.code];
  }
}

export const USAGE_HINT = 'sessionfs --help lists what there is.';

/** A command line that is not understood. */
export function usage(message: string, details: { hint?: string } = {}): SessionfsError {
  return new SessionfsError('USAGE', message, { hint: USAGE_HINT, ...details });
}
