/** Backs up what is not in the bucket yet. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { SessionfsError } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';
import { toolEnvironment } from '../lib/system-tools.ts';
import { notPermitted, requireWritable, statusOf } from './locate.ts';
import type { MountStatus } from './mount-status.ts';

/** A shell writes the order: a process that waits in a system call on the mount can be ended, a thread cannot. */
const SCRIPT = 'printf "%s\\n" "$1" >"$2"';
const ALL = 'all';

/**
 * Resolves to the status of the mount at `path` when everything, or one session, is in the bucket. Rejects with CONFIG_INVALID
 * (there is no bucket), MOUNT_READ_ONLY, SESSION_NOT_FOUND, FLUSH_FAILED, and as `statusOf` does.
 */
export async function flushMount(path: string, session?: string): Promise<MountStatus> {
  const { status } = await statusOf(path, 'for its status');
  requireWritable(status);
  if (status.mode === 'local')
    throw new SessionfsError('CONFIG_INVALID', `the mount on ${path} has no bucket: it is in local mode`, {
      hint: 'What was written is in the cache. For backups mount with --storage-type hybrid and --bucket.',
    });
  if (session !== undefined && !(status.backups ?? []).some((backup) => backup.session === session))
    throw new SessionfsError('SESSION_NOT_FOUND', `there is no session ${quote(session)} in ${path}`, {
      hint: 'sessionfs status --json lists the sessions of a mount.',
    });
  await orderFlush(path, session);
  return (await statusOf(path, 'for its status')).status;
}

/** Rejects with FLUSH_FAILED, MOUNT_NOT_PERMITTED. */
export function orderFlush(path: string, what = ALL): Promise<void> {
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'sh', what, join(path, '.sessionfs/flush')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: toolEnvironment(),
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      if (status === 0) resolve();
      else
        reject(
          /denied|not permitted/i.test(said) ? notPermitted(`flush the mount on ${path}`) : failed(path),
        );
    });
  });
}

function failed(path: string): SessionfsError {
  return new SessionfsError('FLUSH_FAILED', `not everything in ${path} could be backed up; nothing is lost`, {
    hint: 'sessionfs status shows which sessions are not backed up, and why. It is tried again by itself.',
  });
}
