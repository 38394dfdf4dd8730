/** `sessionfs flush`: backs up what is not in the bucket yet, and returns when it is. */
import { spawn } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import { loadMountPoint } from '../config/load.ts';
import { SessionfsError, usage } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';
import { toolEnvironment } from '../lib/system-tools.ts';
import { type Invocation, printEither } from './command.ts';
import { locateMount, notPermitted, statusOf } from './locate.ts';

/** A shell writes the order: a process that waits in a system call on the mount can be ended, a thread cannot. */
const SCRIPT = 'printf "%s\\n" "$1" >"$2"';
const ALL = 'all';

interface Target {
  /** The mount point. */
  readonly path: string;
  /** Undefined: everything. */
  readonly session: string | undefined;
}

export async function run(invocation: Invocation): Promise<number> {
  const { path, session } = await targetOf(invocation);
  const { status } = await statusOf(path, 'for its status');
  if (status.mode === 'local')
    throw new SessionfsError('CONFIG_INVALID', `the mount on ${path} has no bucket: it is in local mode`, {
      hint: 'What was written is in the cache. For backups mount with --storage-type hybrid and --bucket.',
    });
  if (session !== undefined && !(status.backups ?? []).some((backup) => backup.session === session))
    throw new SessionfsError('SESSION_NOT_FOUND', `there is no session ${quote(session)} in ${path}`, {
      hint: 'sessionfs status --json lists the sessions of a mount.',
    });
  await orderFlush(path, session);
  const { dirty } = (await statusOf(path, 'for its status')).status;
  const what = session ?? 'everything';
  printEither(
    invocation,
    { mountPoint: path, flushed: session ?? ALL, dirty },
    `sessionfs: ${what} in ${path} is in the bucket${dirty === 0 ? '' : `; ${dirty} files were written since, or belong to other sessions`}`,
  );
  return 0;
}

/** `flush`, `flush DIR`, `flush DIR SESSION`, `flush SESSION`, `flush DIR/SESSION`. */
async function targetOf({ env, operands }: Invocation): Promise<Target> {
  const [first, second] = operands;
  const mountOf = (directory: string | undefined) => locateMount(loadMountPoint(env, directory));
  if (first === undefined || second !== undefined)
    return { path: await mountOf(first), session: sessionName(second) };
  const mounted = await mountOf(first).catch(() => undefined);
  if (mounted !== undefined) return { path: mounted, session: undefined };
  const parent = first.includes('/') ? dirname(first) : undefined;
  const path = await mountOf(parent).catch(() => undefined);
  // As the user typed it: what is not there is the mount.
  return path === undefined
    ? { path: await mountOf(first), session: undefined }
    : { path, session: basename(first) };
}

function sessionName(session: string | undefined): string | undefined {
  if (session === undefined) return undefined;
  if (session.includes('/')) throw usage(`${quote(session)} names no session`);
  return session;
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
