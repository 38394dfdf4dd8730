/** Write permission for one session. `remote/` implements it on top of the lease; sync never talks to the lease itself. */

export interface WriteGrant {
  /** Goes with every object that is stored. */
  readonly epoch: number;
  /** The epoch that was found when this mount got the session; 0: no mount ever held it. */
  readonly previousEpoch: number;
  /** Objects of an epoch below it are late writes of a mount that had lost the session: they do not count. */
  readonly floor: number;
  /** Every object of the session is to be stored again under `epoch`: a mount that lost it may still write. */
  readonly refresh: boolean;
  /** Every upload and deletion must have ended by then, by `performance.now()`. */
  readonly deadlineMs: number;
}

export interface WriteGrants {
  /** Rejects with an error for which `isLost` holds, where another mount has the session, or with BucketError. */
  grant(session: string): Promise<WriteGrant>;
  /** Whether this mount still has it; asks the bucket. Rejects with BucketError. */
  verify(session: string): Promise<boolean>;
  /** Every object was stored again under this epoch. Rejects as `grant` does. */
  floorRaised(session: string, epoch: number): Promise<void>;
  isLost(error: unknown): boolean;
}

/** Files outside any session have no lease: always granted, epoch 0. */
export const UNSHARED: WriteGrant = {
  epoch: 0,
  previousEpoch: 0,
  floor: 0,
  refresh: false,
  deadlineMs: Number.POSITIVE_INFINITY,
};

/** What was begun under one epoch must not go on under another: in between another mount may have held the session. */
export function sameEpoch(grants: WriteGrants, { epoch }: WriteGrant): WriteGrants {
  return {
    grant: async (session) => {
      const grant = await grants.grant(session);
      if (grant.epoch !== epoch) throw new Error(`session ${session} was held by another mount meanwhile`);
      return grant;
    },
    verify: (session) => grants.verify(session),
    floorRaised: (session, raised) => grants.floorRaised(session, raised),
    isLost: (error) => grants.isLost(error),
  };
}
