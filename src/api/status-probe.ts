/**
 * Runs in a process of its own, see mount-status.ts: prints the status file of a mount, or the error's code, as JSON. What lies there
 * may be another user's (a session that is bind-mounted, a namespace): no link is followed, nothing but a regular file is read, and
 * no more of it than a status has.
 */
import fs from 'node:fs';
import { OpenDirectory, within } from '../lib/open-directory.ts';
import { ignoreDebugSignal } from '../lib/process-protection.ts';
import { codeOf, systemError } from '../lib/system-error.ts';

/** A reader that straddles the end of a daemon can get the next one's text, cut at the size that the first one told. */
const READS = 5;
/** A status has some hundred bytes a session. */
const BYTES_MAX = 128 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;

function read(mountPoint: string, folder: string, name: string): { text: string } | { code: string } {
  const readOnce = () =>
    within(OpenDirectory.open(mountPoint), (mount) =>
      within(mount.directory(folder), (control) => control.withFile(name, textOf)),
    );
  try {
    let text = readOnce();
    for (let reads = 1; reads < READS && !isJson(text); reads++) text = readOnce();
    return isJson(text) ? { text } : { code: 'EINVAL' };
  } catch (error) {
    return { code: codeOf(error) ?? 'EIO' };
  }
}

function textOf(fd: number): string {
  const chunks: Buffer[] = [];
  for (let length = 0; ; ) {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const bytes = fs.readSync(fd, chunk);
    if (bytes === 0) return Buffer.concat(chunks).toString('utf8');
    length += bytes;
    if (length > BYTES_MAX) throw systemError('EFBIG', 'read', 'it is no status');
    chunks.push(chunk.subarray(0, bytes));
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

ignoreDebugSignal();
const [, , mountPoint = '', folder = '', name = ''] = process.argv;
process.stdout.write(JSON.stringify(read(mountPoint, folder, name)));
