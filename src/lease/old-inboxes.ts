/**
 * Removes the inboxes of mounts that are gone: each container that starts without a volume leaves one behind. Removing the inbox of
 * a mount that lives is safe, too: it goes on under a new id, see docs/architecture.md.
 */
import type { Bucket } from '../bucket/bucket.ts';
import { BucketError } from '../bucket/bucket-error.ts';
import { DAY_MS } from '../lib/clock.ts';
import { mapLimit } from '../lib/map-limit.ts';
import type { InboxRecord } from './protocol.ts';
import { inboxCodec, MOUNTS_PREFIX } from './records/inbox.ts';
import { seen } from './records/record.ts';

/** A condemned inbox is of no use to its mount. Any other one may be of a mount that has no session yet. */
const CONDEMNED_AFTER_MS = DAY_MS;
const UNUSED_AFTER_MS = 30 * DAY_MS;
const AT_A_TIME = 8;

/** `named`: mount ids to keep, all that hold a session among them. Returns how many it removed. Rejects with BucketError. */
export async function removeOldInboxes(
  bucket: Bucket,
  named: ReadonlySet<string>,
  nowMs: number,
): Promise<number> {
  let removed = 0;
  let page: string | undefined;
  do {
    const { objects, nextPage } = await bucket.list(MOUNTS_PREFIX, page);
    await mapLimit(objects, AT_A_TIME, async (version) => {
      if (named.has(version.name.slice(MOUNTS_PREFIX.length))) return;
      const inbox = readable(() => seen(version, inboxCodec).record);
      if (inbox === undefined || nowMs - version.updatedMs < maxAgeMs(inbox)) return;
      await bucket.delete(version.name, { ifGeneration: version.generation });
      removed++;
    });
    page = nextPage;
  } while (page !== undefined);
  return removed;
}

function maxAgeMs({ condemned }: InboxRecord): number {
  return condemned ? CONDEMNED_AFTER_MS : UNUSED_AFTER_MS;
}

/** Undefined: sessionfs did not write this object. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof BucketError && error.kind === 'corrupt') return undefined;
    throw error;
  }
}
