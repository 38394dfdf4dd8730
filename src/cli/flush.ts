/** `sessionfs flush`: backs up what is not in the bucket yet, and returns when it is. */
import { basename, dirname } from 'node:path';
import { flushMount } from '../api/flush.ts';
import { locateMount } from '../api/locate.ts';
import { loadMountPoint } from '../config/load.ts';
import { usage } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';
import { type Invocation, printEither } from './command.ts';
import { withoutLastSlash } from './named-session.ts';

interface Target {
  /** The mount point. */
  readonly path: string;
  /** Undefined: everything. */
  readonly session: string | undefined;
}

export async function run(invocation: Invocation): Promise<number> {
  const { path, session } = await targetOf(invocation);
  const { dirty } = await flushMount(path, session);
  const what = session ?? 'everything';
  printEither(
    invocation,
    { mountPoint: path, flushed: session ?? 'all', dirty },
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
  const named = withoutLastSlash(first);
  const parent = named.includes('/') ? dirname(named) : undefined;
  const path = await mountOf(parent).catch(() => undefined);
  // As the user typed it: what is not there is the mount.
  return path === undefined
    ? { path: await mountOf(first), session: undefined }
    : { path, session: basename(named) };
}

function sessionName(named: string | undefined): string | undefined {
  if (named === undefined) return undefined;
  const session = withoutLastSlash(named);
  if (session === '' || session.includes('/')) throw usage(`${quote(named)} names no session`);
  return session;
}
