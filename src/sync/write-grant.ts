/** The right to write a session, as backups and restores need it. The daemon brings the leases; sync only asks. */

export interface Permit {
  /** Goes with every object that is stored. */
  readonly epoch: number;
  /** The epoch that was found when this mount got the session; 0: nobody ever had it. */
  readonly previousEpoch: number;
  /** Objects of an epoch below it are late writes of a mount that had lost the session: they do not count. */
  readonly floor: number;
  /** Every object of the session is to be stored again under `epoch`: somebody who lost it may still write. */
  readonly refresh: boolean;
  /** Every upload and deletion must have ended by then, by `performance.now()`. */
  readonly deadlineMs: number;
}

export interface Rights {
  /** Rejects with an error for which `isLost` holds, where another mount has the session, or with BucketError. */
  permit(session: string): Promise<Permit>;
  /** Whether this mount still has it; asks the bucket. Rejects with BucketError. */
  verify(session: string): Promise<boolean>;
  /** Every object was stored again under this epoch. Rejects as `permit` does. */
  floorRaised(session: string, epoch: number): Promise<void>;
  isLost(error: unknown): boolean;
}

/** Where there is nobody to share with: files in the root, which belong to no session. */
export const UNSHARED: Permit = {
  epoch: 0,
  previousEpoch: 0,
  floor: 0,
  refresh: false,
  deadlineMs: Number.POSITIVE_INFINITY,
};

/** What was begun under one epoch must not go on under another: in between somebody else may have had the session. */
export function sameEpoch(rights: Rights, { epoch }: Permit): Rights {
  return {
    permit: async (session) => {
      const permit = await rights.permit(session);
      if (permit.epoch !== epoch) throw new Error(`session ${session} was held by another mount meanwhile`);
      return permit;
    },
    verify: (session) => rights.verify(session),
    floorRaised: (session, raised) => rights.floorRaised(session, raised),
    isLost: (error) => rights.isLost(error),
  };
}
