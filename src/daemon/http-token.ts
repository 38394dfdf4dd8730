/** The token of the status page. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import type { Config } from '../config/load.ts';
import { SessionfsError } from '../lib/errors.ts';
import type { Secrets } from '../lib/secrets.ts';
import { codeOf, messageOf } from '../lib/system-error.ts';

const VARIABLE = 'SESSION_HTTP_TOKEN';
/** What can be guessed protects nothing. */
const CHARACTERS_MIN = 16;
const FILE_BYTES_MAX = 1 << 16;
const HINT = 'Make a token with `openssl rand -hex 32`.';

/** Undefined: there is none. Throws CONFIG_INVALID. */
export function httpToken({ httpTokenFile }: Config, secrets: Secrets): string | undefined {
  const given = secrets[VARIABLE]?.trim() || undefined;
  if (httpTokenFile === undefined) return given && checked(given, VARIABLE);
  if (given !== undefined)
    throw new SessionfsError('CONFIG_INVALID', `${VARIABLE} and ${VARIABLE}_FILE are both set`, {
      hint: 'Unset one of them.',
    });
  return checked(readToken(httpTokenFile), `the file ${httpTokenFile}`);
}

function readToken(file: string): string {
  try {
    return readSmall(file).trim();
  } catch (error) {
    const reason = codeOf(error) ?? messageOf(error);
    throw new SessionfsError('CONFIG_INVALID', `the token file ${file} cannot be read: ${reason}`, {
      cause: error,
      hint: `Set ${VARIABLE}_FILE to a file that the mount may read.`,
    });
  }
}

/** A FIFO would hold up the start, and a device never end. */
function readSmall(file: string): string {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new Error('it is not a regular file');
    if (stats.size > FILE_BYTES_MAX) throw new Error(`it has ${stats.size} bytes`);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

function checked(token: string, source: string): string {
  if (/^[\x21-\x7e]+$/.test(token) && token.length >= CHARACTERS_MIN) return token;
  throw new SessionfsError(
    'CONFIG_INVALID',
    `${source} must hold a token of at least ${CHARACTERS_MIN} printable characters without spaces; it has ${token.length}`,
    { hint: HINT },
  );
}
