/**
 * After an unclean take-over every object of a session is stored again under the new epoch, and then the floor is raised: what
 * the mount before still writes can no longer be taken for the session's.
 */
import type { Ledger } from '../ledger/ledger.ts';
import type { ObjectEntry } from '../ledger/object-entry.ts';
import type { WriteGrant, WriteGrants } from '../write-grant.ts';

export class Refreshes {
  readonly #ledger: Ledger;
  readonly #grants: WriteGrants;
  readonly #wanted = new Set<string>();
  /** Sessions whose refresh has begun, and under which epoch. */
  readonly #begun = new Map<string, number>();

  constructor(ledger: Ledger, grants: WriteGrants) {
    this.#ledger = ledger;
    this.#grants = grants;
  }

  /** Sessions to flush although nothing of them may be dirty. */
  get wanted(): ReadonlySet<string> {
    return this.#wanted;
  }

  want(session: string): void {
    this.#wanted.add(session);
  }

  /** Before a flush: marks every object, once for each epoch. */
  begin(session: string, { epoch, refresh }: WriteGrant): void {
    if (!refresh || this.#begun.get(session) === epoch) return;
    // An object that is not here cannot be stored again, and must not fall below the floor: its restore asks for this anew.
    if (this.#ledger.countsOf(session).absent > 0) return;
    this.#begun.set(session, epoch);
    for (const entry of this.#ledger.entriesOf(session))
      if (entry.local === 'same' || (entry.local === 'changed' && entry.remote !== undefined))
        this.#ledger.refresh(entry);
  }

  /** After a flush: raises the floor if every object was stored again. Rejects as `WriteGrants.floorRaised` does. */
  async end(session: string, { epoch, refresh }: WriteGrant): Promise<void> {
    if (refresh && this.#begun.get(session) === epoch) {
      if (this.#ledger.entriesOf(session).some(isBelow)) return;
      await this.#grants.floorRaised(session, epoch);
      this.#begun.delete(session);
    }
    this.#wanted.delete(session);
  }
}

/** The bucket has it as a version that a higher floor would lie above. What was moved on and is not stored there yet must not be lost, either. */
function isBelow({ local, remote, refresh, shadowed }: ObjectEntry): boolean {
  return local === 'deleted' ? remote !== undefined : refresh && !shadowed;
}
