/** `sessionfs verify`: whether every file opens, cache and bucket agree, and each session could log in. */
import { withBucketIfAny } from '../kit/export/bucket-reader.ts';
import { keysOf, listSessionsIn, placesOf } from '../kit/sessions.ts';
import { isFault, type SessionReport, Verification } from '../kit/verify.ts';
import { exitStatus, SessionfsError } from '../lib/errors.ts';
import { columns, countText, listText } from '../lib/human.ts';
import { type Invocation, printEither, warn } from './command.ts';
import { lookAt } from './look-at.ts';
import { startProgress } from './progress.ts';

const SHOWN = 10;

export async function run(invocation: Invocation): Promise<number> {
  const { config, env, session, from } = lookAt(invocation);
  const { hasCache, address } = placesOf(config, from);
  const keyring = await keysOf(config, env);
  const repair = invocation.given.has('--repair');
  const reports: SessionReport[] = [];
  const repaired: string[] = [];
  await withBucketIfAny(config, address, async (bucket) => {
    const sessions =
      session === undefined
        ? (await listSessionsIn({ config, hasCache, bucket })).map((listed) => listed.session)
        : [session];
    const bar = await startProgress('sessions');
    const verification = await Verification.begin({
      ...{ config, keyring, bucket, hasCache, repair },
      repaired: (path, place) => repaired.push(`${path} in the ${place}`),
    });
    try {
      for (const name of sessions) {
        reports.push(await verification.session(name));
        bar.update(reports.length, sessions.length);
      }
    } finally {
      bar.stop();
      verification.end();
    }
  }).catch((error: unknown) => {
    for (const file of repaired) warn(`repaired before this failed: ${file}`);
    throw error;
  });
  if (session !== undefined && reports.every(({ files, problems }) => files + problems.length === 0))
    throw new SessionfsError('SESSION_NOT_FOUND', `there is no session ${session} in cache or bucket`, {
      hint: 'sessionfs ls lists the sessions.',
    });
  const faults = reports.filter(isFault);
  printEither(invocation, { faults: faults.length, sessions: reports }, textOf(reports));
  return faults.length === 0 ? 0 : exitStatus.VERIFY_FAILED;
}

function textOf(reports: readonly SessionReport[]): string {
  const rows = reports.map(({ session, state, files, onlyInCache, onlyInBucket, different }) => [
    session,
    state === 'database' ? 'database, not of Baileys' : state,
    String(files),
    String(onlyInCache),
    String(onlyInBucket),
    String(different),
  ]);
  const details = reports.flatMap(({ session, missing, problems }) => [
    ...(missing.length === 0 ? [] : [`MISSING  ${session}: ${listText(missing, SHOWN)}`]),
    ...problems.map(
      ({ file, place, reason, repaired, note }) =>
        `${repaired ? 'REPAIRED' : 'DAMAGED '} ${session}/${file} in the ${place} (${reason}): ${note}`,
    ),
  ]);
  const faults = reports.filter(isFault).length;
  const table = columns([
    ['session', 'state', 'files open', 'only in cache', 'only in bucket', 'different'],
    ...rows,
  ]);
  return [...table, '', ...details, `${countText(reports.length, 'session')}, ${faults} with faults`].join(
    '\n',
  );
}
