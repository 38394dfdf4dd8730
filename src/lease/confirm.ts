/** What is held, compared with its owner object. Both reject with BucketError. */
import { LeaseLost } from './held.ts';
import type { Holdings } from './holdings.ts';
import type { Ownership } from './ownership.ts';
import { raiseFloor } from './protocol.ts';

/** See Leases.verify. */
export async function verify(held: Holdings, ownership: Ownership, session: string): Promise<boolean> {
  for (;;) {
    const kept = held.get(session);
    const owner = await ownership.read(session);
    if (held.get(session) !== kept) continue;
    if (kept && ownership.isStill(kept, owner)) return true;
    held.lose(session, owner?.record.name ?? '');
    return false;
  }
}

/** See Leases.floorRaised. */
export async function floorRaised(
  held: Holdings,
  ownership: Ownership,
  session: string,
  epoch: number,
): Promise<void> {
  for (;;) {
    const kept = held.get(session);
    if (kept?.epoch !== epoch) throw new LeaseLost(session, { name: kept?.owner.record.name ?? '', epoch });
    const raised = await ownership.write(session, raiseFloor(kept.owner));
    if (raised) {
      held.update(kept, raised);
      return;
    }
    const owner = await ownership.read(session);
    if (owner && ownership.isStill(kept, owner)) held.update(kept, owner);
    else held.lose(session, owner?.record.name ?? '');
  }
}
