/** The right to write sessions, played by the test. */
import type { WriteGrant, WriteGrants } from '../../src/sync/write-grant.ts';

export class Lost extends Error {}

export class FakeGrants implements WriteGrants {
  granted: WriteGrant;
  /** Another mount has every session. */
  isTaken = false;
  readonly floors: string[] = [];
  grants = 0;

  constructor(granted: Partial<WriteGrant> = {}) {
    this.granted = grantOf(granted);
  }

  async grant(session: string): Promise<WriteGrant> {
    this.grants++;
    if (this.isTaken) throw new Lost(session);
    return this.granted;
  }

  async verify(): Promise<boolean> {
    return !this.isTaken;
  }

  async floorRaised(session: string, epoch: number): Promise<void> {
    this.floors.push(`${session} ${epoch}`);
    this.granted = { ...this.granted, floor: epoch, refresh: false };
  }

  isLost(error: unknown): boolean {
    return error instanceof Lost;
  }
}

export function grantOf(grant: Partial<WriteGrant> = {}): WriteGrant {
  return {
    epoch: 1,
    previousEpoch: 0,
    floor: 0,
    refresh: false,
    deadlineMs: Number.POSITIVE_INFINITY,
    ...grant,
  };
}
