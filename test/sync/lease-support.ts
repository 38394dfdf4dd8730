/** The right to write sessions, played by the test. */
import type { Permit, Rights } from '../../src/sync/write-grant.ts';

export class Lost extends Error {}

export class FakeRights implements Rights {
  permitted: Permit;
  /** Another mount has every session. */
  isTaken = false;
  readonly floors: string[] = [];
  permits = 0;

  constructor(permitted: Partial<Permit> = {}) {
    this.permitted = permitOf(permitted);
  }

  async permit(session: string): Promise<Permit> {
    this.permits++;
    if (this.isTaken) throw new Lost(session);
    return this.permitted;
  }

  async verify(): Promise<boolean> {
    return !this.isTaken;
  }

  async floorRaised(session: string, epoch: number): Promise<void> {
    this.floors.push(`${session} ${epoch}`);
    this.permitted = { ...this.permitted, floor: epoch, refresh: false };
  }

  isLost(error: unknown): boolean {
    return error instanceof Lost;
  }
}

export function permitOf(permit: Partial<Permit> = {}): Permit {
  return {
    epoch: 1,
    previousEpoch: 0,
    floor: 0,
    refresh: false,
    deadlineMs: Number.POSITIVE_INFINITY,
    ...permit,
  };
}
