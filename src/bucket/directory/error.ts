import { codeOf } from '../../lib/system-error.ts';
import { BucketError, type BucketErrorKind } from '../bucket-error.ts';

const KINDS: Readonly<Record<string, BucketErrorKind>> = {
  EACCES: 'permission',
  EPERM: 'permission',
  EROFS: 'permission',
  EMFILE: 'throttled',
  ENFILE: 'throttled',
  ENOMEM: 'throttled',
  EEXIST: 'rejected',
  EISDIR: 'rejected',
  ENOTDIR: 'rejected',
  ENOTEMPTY: 'rejected',
  ENAMETOOLONG: 'rejected',
  EINVAL: 'rejected',
  EILSEQ: 'rejected',
};

const NO_RIGHT = 'Give this process’s user the right to read and write the directory and all that is in it.';
const TWO_OF_A_NAME =
  'A directory cannot hold both a file and a folder of the same name: remove the older of the two.';

const HINTS: Readonly<Record<string, string>> = {
  EACCES: NO_RIGHT,
  EPERM: NO_RIGHT,
  EROFS: 'Mount the disk for writing.',
  EMFILE: 'Raise the limit of open files (ulimit -n).',
  ENOSPC: 'Free space on the disk; until then nothing new is backed up.',
  EDQUOT: 'Raise the quota of this process’s user; until then nothing new is backed up.',
  EIO: 'The disk, or the server it is on, fails: see the kernel’s log.',
  ESTALE: 'The file server no longer knows the directory: mount it again.',
  EEXIST: TWO_OF_A_NAME,
  EISDIR: TWO_OF_A_NAME,
  ENOTDIR: TWO_OF_A_NAME,
  ENOTEMPTY: TWO_OF_A_NAME,
};

/** `what` begins the message. A disk that is full, broken or away may be well again later: that is 'unreachable'. */
export function directoryError(what: string, error: unknown): BucketError {
  if (error instanceof BucketError) return error;
  const code = codeOf(error) ?? 'unknown error';
  const hint = HINTS[code];
  return new BucketError(KINDS[code] ?? 'unreachable', `${what}: ${code}`, {
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  });
}

/** What `work` gives, or undefined where the file is not there. */
export async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
