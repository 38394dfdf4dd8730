/** Worlds to begin from, and what may go wrong in them: small enough, each, to be explored whole. */
import * as protocol from '../../../src/lease/protocol.ts';
import type { Rules } from './steps.ts';
import { ABSENT, CURRENT, idOf, type Mount, NO_KEY, type World } from './world.ts';

type MountLeft = Partial<Mount['left']>;

/** Ticks: the least for which the protocol is right. */
const TIGHT = { grant: 1, takeOver: 1 };

export function rules(limits: Partial<Rules['limits']> = {}, change: Partial<Rules> = {}): Rules {
  return {
    protocol,
    ...TIGHT,
    ...change,
    limits: { epoch: 2, newIds: 0, runs: 1, adrift: 2, ...limits },
  };
}

/** Mount A holds the session, with its object in the bucket, and may write; the others are there and idle. */
export function heldByA(lefts: readonly MountLeft[], left: Partial<World['left']> = {}): World {
  const record = { holder: 'A0', name: '', epoch: 1, floor: 0, refresh: false };
  const [first, ...others] = lefts.map(idle);
  if (first === undefined) throw new Error('a world without mounts');
  const holder: Mount = {
    ...first,
    renewed: 0,
    grant: 0,
    held: { ref: CURRENT, record },
    object: CURRENT,
  };
  return worldOf([holder, ...others], { owner: record, object: 1 }, left);
}

/** The same, before the first flush. */
export function heldEmptyByA(lefts: readonly MountLeft[], left: Partial<World['left']> = {}): World {
  const world = heldByA(lefts, left);
  const mounts = world.mounts.map((mount) => ({ ...mount, object: ABSENT as typeof mount.object }));
  return { ...world, mounts, object: undefined };
}

/** No mount ever held the session. */
export function untouched(lefts: readonly MountLeft[], left: Partial<World['left']> = {}): World {
  const mounts = lefts.map((given) => ({ ...idle(given), opened: false, started: false }));
  return { ...worldOf(mounts, { owner: undefined, object: undefined }, left), inboxes: {} };
}

function idle(left: MountLeft): Mount {
  return {
    alive: true,
    newIds: 0,
    opened: true,
    run: 0,
    started: true,
    renewed: -1,
    grant: -1,
    held: undefined,
    unsure: false,
    unsettled: false,
    renewal: undefined,
    action: undefined,
    known: undefined,
    object: ABSENT,
    write: undefined,
    left: { crashes: 0, writes: 0, releases: 0, ...left },
    key: NO_KEY,
  };
}

function worldOf(
  mounts: readonly Mount[],
  bucket: Pick<World, 'owner' | 'object'>,
  left: Partial<World['left']>,
): World {
  const inboxes = Object.fromEntries(
    mounts.map((mount, index) => {
      const id = idOf(index, mount);
      return [id, { start: id, challenge: '', condemned: false, grantMs: 1, name: '' }];
    }),
  );
  return { ...bucket, mounts, inboxes, adrift: [], left: { abandons: 0, deletions: 0, ...left } };
}
