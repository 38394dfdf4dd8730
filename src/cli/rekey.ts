/** `sessionfs rekey`: has the mount seal everything with its new key, and says when nothing uses an earlier one any more. */

import { orderFlush } from '../api/flush.ts';
import { locateMount, requireWritable, statusOf } from '../api/locate.ts';
import { loadConfig } from '../config/load.ts';
import { integer } from '../config/parsers.ts';
import { rekey } from '../kit/rekey.ts';
import { currentKeyId } from '../kit/sessions.ts';
import { SessionfsError } from '../lib/errors.ts';
import { flagValue, type Invocation, printEither } from './command.ts';
import { startProgress } from './progress.ts';
import { flagsOf } from './setting-flags.ts';

const RATE = 200;
const SHOWN = 5;

export async function run(invocation: Invocation): Promise<number> {
  const env = { ...invocation.env, ...invocation.secrets };
  const rate = flagValue(invocation, '--rate', integer(1, 100_000, 'files'), RATE);
  const config = loadConfig(env, flagsOf(invocation));
  const path = await locateMount(config.mountPoint);
  const { status } = await statusOf(path, 'for its status');
  requireWritable(status);
  const { cachePath } = status;
  if (cachePath === undefined || cachePath === 'memory')
    throw new SessionfsError('CONFIG_INVALID', `the mount on ${path} has no cache on a disk`, {
      hint: 'Mount the bucket in hybrid mode for this, with the new key and the old one as a previous key.',
    });
  const keyId = await currentKeyId({ ...config, cachePath }, env);
  const bar = await startProgress('sessions');
  const report = await rekey({ mountPoint: path, cachePath, keyId, rate, progress: bar.update }).finally(
    bar.stop,
  );
  if (status.mode !== 'local') await orderFlush(path);
  const { sealed, sessions, left } = report;
  if (left.length > 0)
    throw new SessionfsError(
      'REKEY_UNFINISHED',
      `${sealed} files were sealed with key ${keyId}, but another key seals ${left.length} still: ${left.slice(0, SHOWN).join(', ')}`,
      {
        hint: 'They changed meanwhile: run it again, it goes on with what is left.',
      },
    );
  printEither(
    invocation,
    { mountPoint: path, keyId, sealed, sessions, left },
    `sessionfs: ${sealed} files and folders were sealed again; all ${sessions} sessions in ${path}${status.mode === 'local' ? '' : ', and their objects,'} are sealed with key ${keyId}.\nEarlier keys are needed only for kept versions, and for what soft delete or versioning of the bucket holds.`,
  );
  return 0;
}
