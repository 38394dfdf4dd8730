/** `sessionfs restore`: brings back a removed session, or the credentials that one lost, or lists what could be brought back. */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { locateMount, requireWritable, statusOf } from '../api/locate.ts';
import { type Config, loadConfig } from '../config/load.ts';
import { KEPT_SOON, listRestorable } from '../kit/export/restorable.ts';
import { type RestoredSession, restoreSession, restoreTo } from '../kit/export/restore-session.ts';
import { usage } from '../lib/errors.ts';
import { columns, countText, momentText, secondText } from '../lib/human.ts';
import { quote } from '../lib/quote.ts';
import { flagValue, type Invocation, printEither, warn } from './command.ts';
import { mountPointsOf, type NamedPath, pathNamed, sessionNamed, withoutLastSlash } from './named-session.ts';
import { flagsOf } from './setting-flags.ts';
import { shield } from './shield.ts';

export async function run(invocation: Invocation): Promise<number> {
  return invocation.given.has('--list') ? list(invocation) : restore(invocation);
}

async function list(invocation: Invocation): Promise<number> {
  const { session: asked, mountPoint } = listed(invocation);
  const config = configOf(invocation, mountPoint);
  const kept = (await listRestorable(config, asked, warn)).map(({ session, what, ms, sinceMs, source }) => ({
    session,
    what,
    at: timeOf(ms),
    ...(sinceMs === undefined ? {} : { since: timeOf(sinceMs) }),
    source,
  }));
  const rows = kept.map(({ session, what, at, since, source }) => [
    momentText(at, Date.now()),
    session,
    since === undefined ? what : `${what}, as it was at any time since ${secondText(since)}`,
    source,
  ]);
  printEither(
    invocation,
    kept,
    rows.length > 0
      ? columns([['kept', 'session', 'what', 'source'], ...rows]).join('\n')
      : `Nothing is kept that could be brought back. ${KEPT_SOON}`,
  );
  return 0;
}

/** A mount point, unless it is a path below one, or no folder but a mere name: that of a session, as without --list. */
function listed({ directory: named, env }: Invocation): Pick<NamedPath, 'mountPoint' | 'session'> {
  if (named === undefined) return { mountPoint: undefined, session: undefined };
  const isMountPoint = mountPointsOf(env);
  const isBelow = !isMountPoint(named) && isMountPoint(dirname(named));
  const isName = !withoutLastSlash(named).includes('/') && !existsSync(named);
  return isBelow || isName ? pathNamed(named, isMountPoint) : { mountPoint: named, session: undefined };
}

async function restore(invocation: Invocation): Promise<number> {
  if (invocation.directory === undefined) throw usage('which session?');
  const { session, mountPoint: directory } = sessionNamed(invocation.directory);
  const atMs = flagValue<number | undefined>(invocation, '--at', parseTime, undefined);
  const to = invocation.given.get('--to');
  const config = configOf(invocation, directory);
  const env = { ...invocation.env, ...invocation.secrets };
  if (to !== undefined) {
    const restored = await restoreTo({ session, config, atMs, folder: resolve(to), shield }, env, warn);
    printRestored(
      invocation,
      restored,
      'No mount was changed. The files are not encrypted: delete them when they are not needed.',
    );
    return 0;
  }
  const mountPoint = await locateMount(config.mountPoint);
  requireWritable((await statusOf(mountPoint, 'to write to it')).status);
  const restored = await restoreSession({ session, mountPoint, config, atMs, shield }, env, warn);
  printRestored(invocation, restored, 'Start the application now: it goes on with this account.');
  return 0;
}

function printRestored(
  invocation: Invocation,
  { session, folder, files, what, keptMs, source }: RestoredSession,
  next: string,
): void {
  const at = timeOf(keptMs);
  const restored =
    what === 'session' ? `${countText(files, 'file')} of ${folder}` : `the credentials in ${folder}`;
  const text = `Restored ${restored} as of ${secondText(at)} (${source})\n${next}`;
  printEither(invocation, { session, what, folder, files, at, source }, text);
}

function configOf(invocation: Invocation, directory: string | undefined): Config {
  const env = { ...invocation.env, ...invocation.secrets };
  return loadConfig(env, flagsOf({ given: invocation.given, directory }));
}

const LAST_MS = 999;

/** Without a fraction it is the end of the second: what `--list` shows is rounded down. */
function parseTime(text: string): number {
  const ms = Date.parse(text) + (/\d\.\d/.test(text) ? 0 : LAST_MS);
  if (Number.isNaN(ms)) throw new Error(`takes a time as 2026-05-22T10:00:00Z, not ${quote(text)}`);
  return ms;
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
