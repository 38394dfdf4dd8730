/** A file that a start reads from its cache. A disk that was damaged or copied may have anything under its name. */
import fs, { constants } from 'node:fs';
import { SessionfsError } from './errors.ts';

/** To be read. Throws system errors, and CACHE_FORMAT for what is no regular file: a FIFO would be waited for without end. */
export function openCacheFile(path: string, hint: string): number {
  const fd = fs.openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  if (fs.fstatSync(fd).isFile()) return fd;
  fs.closeSync(fd);
  throw new SessionfsError('CACHE_FORMAT', `${path} is not a regular file`, { hint });
}

/** Whole. Throws as `openCacheFile` does, and CACHE_FORMAT for more than `maxBytes`. */
export function readCacheFile(path: string, maxBytes: number, hint: string): string {
  const fd = openCacheFile(path, hint);
  try {
    const { size } = fs.fstatSync(fd);
    if (size <= maxBytes) return fs.readFileSync(fd, 'utf8');
    throw new SessionfsError('CACHE_FORMAT', `${path} has ${size} bytes: sessionfs did not write it`, {
      hint,
    });
  } finally {
    fs.closeSync(fd);
  }
}
