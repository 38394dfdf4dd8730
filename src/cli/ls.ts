/** `sessionfs ls`: the sessions of cache and bucket, or the files of one. */
import { type ListedFile, type ListedSession, listFiles, listSessions, noFile } from '../kit/sessions.ts';
import { agoText, columns, sizeText } from '../lib/human.ts';
import { type Invocation, printEither } from './command.ts';
import { lookAt } from './look-at.ts';

export async function run(invocation: Invocation): Promise<number> {
  const { config, session, file, from } = lookAt(invocation);
  if (session === undefined) {
    const sessions = await listSessions(config, from);
    printEither(invocation, sessions, sessionTable(sessions));
    return 0;
  }
  const files = await listFiles(config, session, from);
  const shown = files.filter(({ name }) => file === '' || name === file || name.startsWith(`${file}/`));
  if (file !== '' && shown.length === 0) throw noFile(session, file);
  printEither(invocation, shown, fileTable(shown));
  return 0;
}

function sessionTable(sessions: readonly ListedSession[]): string {
  const rows = sessions.map(({ session, cache, bucket }) => [
    session,
    cache === undefined ? '-' : String(cache.files),
    bucket === undefined ? '-' : String(bucket.files),
    sizeText((bucket ?? cache)?.sealedBytes ?? 0),
    cache === undefined ? '-' : agoText(cache.lastChangedAt, Date.now()),
    bucket === undefined ? '-' : agoText(bucket.lastStoredAt, Date.now()),
  ]);
  const headings = ['session', 'files in the cache', 'in the bucket', 'size', 'last change', 'last stored'];
  return columns([headings, ...rows]).join('\n');
}

function fileTable(files: readonly ListedFile[]): string {
  const rows = files.map(({ name, bytes, mode, modifiedAt, refused }) => [
    mode === undefined ? '-' : mode.toString(8).padStart(4, '0'),
    bytes === undefined ? '-' : sizeText(bytes),
    modifiedAt === undefined ? '-' : agoText(modifiedAt, Date.now()),
    refused === undefined ? name : `${name} (${refused})`,
  ]);
  return columns([['mode', 'size', 'changed', 'file'], ...rows]).join('\n');
}
