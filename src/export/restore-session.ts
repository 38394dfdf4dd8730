/** Brings back what a session lost: its kept credentials. They are written through its mount, as an application writes them. */
import { chownSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSealed } from '../crypto/sealed-file.ts';
import { SessionfsError } from '../lib/errors.ts';
import { codeOf } from '../lib/system-error.ts';
import { type ExportRequest, findVersions, keyringOf, sourcesOf } from './export-session.ts';
import type { KeptVersion } from './versions.ts';

export interface RestoreRequest extends Pick<ExportRequest, 'session' | 'config'> {
  /** Of a mount that answers. */
  mountPoint: string;
  /** Nothing newer, in ms since the epoch; undefined: the newest there is. */
  atMs: number | undefined;
}

export interface RestoredCredentials {
  session: string;
  /** The file that was written. */
  file: string;
  /** When this version was kept, in ms since the epoch. */
  keptMs: number;
}

const CREDS = 'creds.json';

/**
 * Puts the newest kept version of the session's credentials in its place. Credentials that log in are not replaced. Throws
 * SESSION_NOT_FOUND (nothing is kept), RESTORE_REFUSED, KEY_WRONG, KEY_MISSING, BUCKET_UNAVAILABLE, CONFIG_INVALID and system errors.
 */
export async function restoreCredentials(
  { session, mountPoint, config, atMs }: RestoreRequest,
  env: NodeJS.ProcessEnv,
  warn: (text: string) => void,
): Promise<RestoredCredentials> {
  const sources = sourcesOf(config, undefined);
  const keyring = keyringOf({ config, ...sources }, env);
  try {
    const request = { session, folder: '', onlyKeptVersions: true, config, from: undefined, ...sources };
    const { keptVersions } = await findVersions(request, warn);
    const found = newest(keptVersions, session, atMs);
    if (found === undefined) throw nothingKept(session, atMs);
    const folder = join(mountPoint, session);
    refuseIfPaired(session, folder);
    write(folder, openSealed(keyring, found.path, found.sealed).plain);
    return { session, file: join(folder, CREDS), keptMs: found.ms };
  } finally {
    keyring.destroy();
  }
}

function newest(kept: readonly KeptVersion[], session: string, atMs = Number.POSITIVE_INFINITY) {
  return kept.filter(({ path, ms }) => path === `${session}/${CREDS}` && ms <= atMs).at(-1);
}

function nothingKept(session: string, atMs: number | undefined): SessionfsError {
  const until = atMs === undefined ? '' : ` until ${new Date(atMs).toISOString()}`;
  return new SessionfsError('SESSION_NOT_FOUND', `no credentials of ${session} were kept${until}`, {
    hint: 'sessionfs restore --list DIR lists what can be brought back.',
  });
}

/** What is there may be newer than what was kept, and the account goes on with it. */
function refuseIfPaired(session: string, folder: string): void {
  let text: string;
  try {
    text = readFileSync(join(folder, CREDS), 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  if (!isPaired(text)) return;
  throw new SessionfsError('RESTORE_REFUSED', `${session} has credentials that log in`, {
    hint: `Stop the application. If they are the wrong ones, move ${join(folder, CREDS)} away, and try again.`,
  });
}

function isPaired(text: string): boolean {
  try {
    const creds = JSON.parse(text) as { me?: { id?: unknown } } | null;
    return typeof creds?.me?.id === 'string' && creds.me.id !== '';
  } catch {
    return false;
  }
}

/** Whole at once, and owned as its folder is. */
function write(folder: string, plain: Buffer): void {
  const { uid, gid } = statSync(folder);
  const temporary = join(folder, `${CREDS}.tmp`);
  try {
    writeFileSync(temporary, plain, { mode: 0o600 });
    chownSync(temporary, uid, gid);
    renameSync(temporary, join(folder, CREDS));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
