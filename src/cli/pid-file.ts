/** A file that names the serving process, for service managers. It appears whole, and goes only if it is still ours. */
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { SessionfsError } from '../lib/errors.ts';
import { requirePrivatePath } from '../lib/private-path.ts';
import { messageOf } from '../lib/system-error.ts';

export class PidFile {
  readonly path: string;
  readonly #text: string;

  private constructor(path: string, text: string) {
    this.path = path;
    this.#text = text;
  }

  /** Replaces a file that a dead process left. Throws CONFIG_INVALID where the path cannot be written, UNSAFE_PATH. */
  static write(path: string, pid: number = process.pid): PidFile {
    const text = `${pid}\n`;
    requirePrivatePath(path, 'the pid file', '--pid-file');
    const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`;
    try {
      writeFileSync(temporary, text, { mode: 0o600, flag: 'wx' });
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw new SessionfsError('CONFIG_INVALID', `cannot write the pid file ${path}: ${messageOf(error)}`, {
        hint: 'Name another file with --pid-file, in a directory that exists.',
        cause: error,
      });
    }
    return new PidFile(path, text);
  }

  remove(): void {
    try {
      if (readFileSync(this.path, 'utf8') === this.#text) rmSync(this.path);
    } catch {
      // Gone already, or no longer readable: not ours to care about.
    }
  }
}
