/** `sessionfs trash`: lists what is kept of removed sessions, or deletes it for good. */
import { KEPT_SOON } from '../kit/export/restorable.ts';
import { emptyTrashed, listTrashed, type Trashed } from '../kit/trash.ts';
import { type SessionfsError, usage } from '../lib/errors.ts';
import { columns, countText, durationMs, momentText, secondText, sizeText } from '../lib/human.ts';
import { flagValue, type Invocation, printEither } from './command.ts';
import { lookAt } from './look-at.ts';
import { startProgress } from './progress.ts';

const NOTHING = 'The trash is empty.';

export async function run(invocation: Invocation): Promise<number> {
  const { given, operands } = invocation;
  const [action = 'list', named] = operands;
  const { config, session } = lookAt({ ...invocation, directory: named });
  const olderMs = flagValue(invocation, '--older-than', age, 0);
  const filter = { session, beforeMs: Date.now() - olderMs };
  if (action === 'list') {
    const trashed = await listTrashed(config, filter);
    printEither(invocation, trashed, trashed.length === 0 ? `${NOTHING} ${KEPT_SOON}` : table(trashed));
    return 0;
  }
  if (!given.has('--yes')) throw unconfirmed(await listTrashed(config, filter));
  const bar = await startProgress('archives');
  const deleted = await emptyTrashed(config, filter, bar.update).finally(bar.stop);
  const text = `sessionfs: ${countText(deleted.length, 'archive')} of removed sessions deleted for good`;
  printEither(invocation, deleted, deleted.length === 0 ? NOTHING : `${table(deleted)}\n${text}`);
  return 0;
}

function unconfirmed(trashed: readonly Trashed[]): SessionfsError {
  const names = [...new Set(trashed.map(({ session }) => session))];
  return usage(
    `${countText(trashed.length, 'archive')} of ${countText(names.length, 'removed session')} would be deleted for good; nothing was done`,
    { hint: 'sessionfs trash list shows them. Add --yes to delete them.' },
  );
}

/** Completes "--older-than …". */
function age(text: string): number {
  const ms = durationMs(text);
  if (ms === undefined) throw new Error('must be a time, like 12h or 3d');
  return ms;
}

function table(trashed: readonly Trashed[]): string {
  const rows = trashed.map(({ session, removedAt, until, files, bytes, cache, bucket }) => [
    momentText(removedAt, Date.now()),
    secondText(until),
    files === undefined ? '-' : String(files),
    sizeText(bytes),
    [...(cache ? ['cache'] : []), ...(bucket ? ['bucket'] : [])].join(', '),
    session,
  ]);
  return columns([['removed', 'kept until', 'files', 'size', 'where', 'session'], ...rows]).join('\n');
}
