/** Gives sessions up, so that whoever waits for one has it at once. */

import { mapLimit } from '../lib/map-limit.ts';
import type { Logger } from '../observe/log.ts';
import type { Ownership } from './ownership.ts';
import { type OwnerRecord, release, type Seen } from './protocol.ts';

export interface ReleaseParts {
  readonly ownership: Ownership;
  readonly log: Logger;
  readonly atATime: number;
}

/**
 * `drop` takes a session from what is held, and answers its owner object where it is known. That a release was sent is on stable storage before it is: one whose
 * answer is lost may arrive when this mount holds the session again, and then must find another version.
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
        log.debug({ session, reason: reasonOf(error) }, 'A session could not be released');
      }
    });
    await ownership.settled(settled);
  } catch (error) {
    log.debug({ reason: reasonOf(error) }, 'Which sessions are released could not be noted');
  }
}

async function releaseOne(
  ownership: Ownership,
  session: string,
  known: Seen<OwnerRecord> | undefined,
  isSettled: boolean,
): Promise<void> {
  let owner = known ?? (await ownership.read(session));
  while (owner !== undefined && ownership.isMine(owner.record)) {
    if (await ownership.write(session, release(owner, isSettled))) return;
    owner = await ownership.read(session);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
