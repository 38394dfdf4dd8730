/** Releases sessions, so that another mount that waits for one can claim it at once. */
import { mapLimit } from '../lib/map-limit.ts';
import type { Logger } from '../observe/log.ts';
import type { Ownership } from './ownership.ts';
import { type OwnerRecord, release, type Seen } from './protocol.ts';
import { untilWon } from './records/record.ts';

export interface ReleaseParts {
  readonly ownership: Ownership;
  readonly log: Logger;
  readonly atATime: number;
}

/**
 * `drop` removes a session from the holdings and returns its owner object if known. The intent to release is on stable storage
 * before the release is sent: one whose answer is lost may arrive when this mount holds the session again, and must then find
 * another version.
 */
export async function releaseAll(
  { ownership, log, atATime }: ReleaseParts,
  sessions: readonly string[],
  drop: (session: string) => Seen<OwnerRecord> | undefined,
  unsettled: ReadonlySet<string>,
): Promise<void> {
  if (sessions.length === 0) return;
  const settled: string[] = [];
  try {
    await ownership.releasing(sessions);
    await mapLimit(sessions, atATime, async (session) => {
      try {
        await ownership.alone(session, () =>
          releaseOne(ownership, session, drop(session), !unsettled.has(session)),
        );
        settled.push(session);
      } catch (error) {
        log.debug(
          { session, reason: reasonOf(error) },
          'Cannot release the session; it stays held by this mount until its next start',
        );
      }
    });
    await ownership.settled(settled);
  } catch (error) {
    log.debug(
      { reason: reasonOf(error) },
      'Cannot note in the cache which sessions are being released; they stay held by this mount',
    );
  }
}

async function releaseOne(
  ownership: Ownership,
  session: string,
  known: Seen<OwnerRecord> | undefined,
  isSettled: boolean,
): Promise<void> {
  let owner = known ?? (await ownership.read(session));
  await untilWon(session, async () => {
    if (owner === undefined || !ownership.isMine(owner.record)) return true;
    if (await ownership.write(session, release(owner, isSettled))) return true;
    owner = await ownership.read(session);
    return undefined;
  });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
