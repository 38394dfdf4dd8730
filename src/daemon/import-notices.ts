/** What the terminal of a start says of the plain sessions that it found: the log has all of it in fields. */
import { join } from 'node:path';
import type { ImportReport, SkippedSession } from '../fs/startup/import-plain.ts';
import type { ImportBackup } from '../fs/startup/plain-sessions.ts';
import { listText } from '../lib/human.ts';

const SHOWN = 10;

export function importNotices(
  { imported, skipped, refused }: ImportReport,
  { directory, left }: ImportBackup,
  mountPoint: string,
): string[] {
  const placeOf = (name: string) =>
    left.includes(name) ? `${join(mountPoint, name)}, below the mount` : join(directory, name);
  const notices: string[] = [];
  if (imported.length > 0)
    notices.push(
      `plain sessions were imported: ${listText(imported, SHOWN)}. The plain files lie in ${left.length === 0 ? directory : `${directory}, or below the mount`}, not encrypted: delete those once all is well`,
    );
  if (refused.length > 0)
    notices.push(
      `plain files were not imported: ${listText(
        refused.map(({ file, reason }) => `${file} (${reason})`),
        SHOWN,
      )}`,
    );
  for (const session of skipped.slice(0, SHOWN))
    notices.push(skippedNotice(session, placeOf(session.name), mountPoint));
  if (skipped.length > SHOWN)
    notices.push(`${skipped.length - SHOWN} more plain sessions were skipped: the log names them`);
  return notices;
}

function skippedNotice(session: SkippedSession, place: string, mountPoint: string): string {
  const { name } = session;
  return `the plain session ${name} was skipped, because the mount has one of that name; ${comparison(session)}. The plain one lies in ${place}, not encrypted. To use it, stop its application and copy its files to ${join(mountPoint, name)}; otherwise delete it`;
}

function comparison({ newer, plainModified, sealedModified }: SkippedSession): string {
  if (newer === 'unknown') {
    const known = plainModified ?? sealedModified;
    const which = plainModified === null ? 'the sealed one was' : 'the plain one was';
    return `which is newer is not known${known === null ? '' : ` (${which} changed at ${known})`}`;
  }
  return `the ${newer} one is newer (plain: ${plainModified}, sealed: ${sealedModified})`;
}
