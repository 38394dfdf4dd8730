/**
 * What the model check explores: some mounts, one session with one object, a bucket, and requests that may arrive whenever
 * they like, or never. Everything is immutable. A reference to an object's version is only ever compared with the newest one,
 * so it is one of three: ABSENT, CURRENT or STALE.
 */
import type { InboxRecord, OwnerRecord } from '../../../src/lease/protocol.ts';

export const ABSENT = '0';
export const CURRENT = 'c';
export const STALE = 's';
export type Ref = typeof ABSENT | typeof CURRENT | typeof STALE;

export type Request =
  | { on: 'owner'; ref: Ref; record: OwnerRecord }
  | { on: 'inbox'; id: string; ref: Ref; record: InboxRecord }
  | { on: 'object'; ref: Ref; epoch: number; deletes: boolean };

/** What a mount has under way to learn that it may write. `age`: ticks since it was sent. */
export type Renewal =
  | { at: 'sent'; age: number }
  | { at: 'served'; age: number; ref: Ref; record: InboxRecord | undefined }
  | { at: 'put'; age: number; request: Request & { on: 'inbox' }; starts: boolean }
  | { at: 'answered'; age: number; ok: boolean; starts: boolean };

/** What a mount has under way with the session. */
export type Action =
  | { at: 'inbox'; ref: Ref; owner: OwnerRecord }
  | { at: 'mail'; ref: Ref; owner: OwnerRecord; condemns: boolean; request: Request & { on: 'inbox' } }
  | { at: 'claim' | 'release' | 'raise'; request: Request & { on: 'owner' } }
  | { at: 'claimed'; ref: Ref; record: OwnerRecord; ok: boolean };

export interface Mount {
  alive: boolean;
  /** How often it got a new id. */
  newIds: number;
  opened: boolean;
  run: number;
  started: boolean;
  /** Ticks since the request was sent that lets the mount write; -1: none does. */
  renewed: number;
  /** The same of the newest grant that was handed out: it counts until it is over, whatever happens meanwhile. */
  grant: number;
  held: { ref: Ref; record: OwnerRecord } | undefined;
  /** A release that was sent may still arrive. */
  unsure: boolean;
  /** An upload that was sent may still arrive. */
  unsettled: boolean;
  renewal: Renewal | undefined;
  action: Action | undefined;
  /** Whose inbox is known to have its present version, and for how many ticks that has been known. */
  known: { id: string; age: number } | undefined;
  /** The object's version, as far as the mount knows. */
  object: Ref;
  write: (Request & { on: 'object' }) | undefined;
  left: { crashes: number; writes: number; releases: number };
}

export interface World {
  owner: OwnerRecord | undefined;
  inboxes: Readonly<Record<string, InboxRecord>>;
  /** The epoch of the object's writer. */
  object: number | undefined;
  mounts: readonly Mount[];
  /** Writes that no mount waits for any more. */
  adrift: readonly Request[];
  left: { abandons: number; deletions: number };
}

export function idOf(index: number, { newIds }: Pick<Mount, 'newIds'>): string {
  return 'ABC'.charAt(index) + newIds;
}

export function withMount(world: World, index: number, change: Partial<Mount>): World {
  const mounts = world.mounts.map((mount, at) => (at === index ? { ...mount, ...change } : mount));
  return { ...world, mounts };
}

/** Of `world` where the object was written: every reference to the version before is stale. */
export function staled(world: World, target: { on: Request['on']; id?: string }): World {
  const isAt = (request: { on: string; id?: string }) => request.on === target.on && request.id === target.id;
  const age = <T extends { ref: Ref }>(holder: T): T =>
    holder.ref === CURRENT ? { ...holder, ref: STALE } : holder;
  const request = <T extends Request>(given: T): T => (isAt(given) ? age(given) : given);
  const mounts = world.mounts.map((mount, index) => {
    const next = { ...mount };
    const { renewal, action, held, known, write } = mount;
    if (renewal?.at === 'served' && isAt({ on: 'inbox', id: idOf(index, mount) }))
      next.renewal = age(renewal);
    if (renewal?.at === 'put') next.renewal = { ...renewal, request: request(renewal.request) };
    if (action && 'request' in action) next.action = { ...action, request: request(action.request as never) };
    if (next.action && 'ref' in next.action && target.on === 'owner') next.action = age(next.action);
    if (held && target.on === 'owner') next.held = age(held);
    if (known && isAt({ on: 'inbox', id: known.id })) next.known = undefined;
    if (target.on === 'object' && mount.object === CURRENT) next.object = STALE;
    if (write) next.write = request(write);
    return next;
  });
  // What names a version that is gone never takes effect.
  const adrift = world.adrift.map(request).filter(({ ref }) => ref !== STALE);
  return { ...world, mounts, adrift };
}

/** The newest version's reference, as a request must name it to take effect. */
function newest(world: World, request: Request): Ref {
  if (request.on === 'object') return world.object === undefined ? ABSENT : CURRENT;
  const record = request.on === 'owner' ? world.owner : world.inboxes[request.id];
  return record === undefined ? ABSENT : CURRENT;
}

/** The request reaches the bucket. */
export function applied(world: World, request: Request): { ok: boolean; world: World } {
  if (request.ref !== newest(world, request)) return { ok: false, world };
  const next = staled(world, request);
  switch (request.on) {
    case 'owner':
      return { ok: true, world: { ...next, owner: request.record } };
    case 'inbox':
      return { ok: true, world: { ...next, inboxes: { ...next.inboxes, [request.id]: request.record } } };
    case 'object':
      return { ok: true, world: { ...next, object: request.deletes ? undefined : request.epoch } };
  }
}

/** Two worlds with one key have the same future. */
export function keyOf(world: World): string {
  let key = `${ownerKey(world.owner)}|${world.object ?? '-'}|${world.left.abandons}${world.left.deletions}`;
  for (const id of Object.keys(world.inboxes).sort())
    if (isAskedFor(world, id)) key += `${id}${inboxKey(world.inboxes[id])}`;
  for (const mount of world.mounts) key += mountKey(mount);
  return key + world.adrift.map(requestKey).sort().join('');
}

/** No mount will ever read the inbox of an id that its mount gave up and that holds nothing. */
function isAskedFor({ owner, mounts, adrift }: World, id: string): boolean {
  if (owner?.holder === id || mounts.some((mount, index) => idOf(index, mount) === id)) return true;
  const names = (record: OwnerRecord) => record.holder === id;
  const isNamed = ({ action }: Mount) =>
    action !== undefined &&
    (('owner' in action && names(action.owner)) ||
      ('request' in action && action.request.on === 'owner' && names(action.request.record)));
  return mounts.some(isNamed) || adrift.some((request) => request.on === 'owner' && names(request.record));
}

function mountKey(mount: Mount): string {
  const { held, renewal, action, known, write, left } = mount;
  const flags =
    (mount.alive ? 1 : 0) +
    (mount.opened ? 2 : 0) +
    (mount.started ? 4 : 0) +
    (mount.unsure ? 8 : 0) +
    (mount.unsettled ? 16 : 0);
  let key = `/${mount.newIds}${mount.run}${mount.renewed},${mount.grant},${flags}`;
  // Only a flush uses what is known of the object.
  if (left.writes > 0) key += mount.object;
  key += `${left.crashes}${left.writes}${left.releases}`;
  if (held) key += `h${held.ref}${ownerKey(held.record)}`;
  if (renewal) {
    key += `l${renewal.at[0]}${renewal.at[1]}${renewal.age}`;
    if (renewal.at === 'served') key += renewal.ref + inboxKey(renewal.record);
    if (renewal.at === 'put') key += requestKey(renewal.request) + renewal.starts;
    if (renewal.at === 'answered') key += `${renewal.ok}${renewal.starts}`;
  }
  if (action) {
    key += `a${action.at}`;
    if ('owner' in action) key += action.ref + ownerKey(action.owner);
    if ('request' in action) key += requestKey(action.request);
    if (action.at === 'mail') key += action.condemns;
    if (action.at === 'claimed') key += action.ref + ownerKey(action.record) + action.ok;
  }
  if (known) key += `k${known.id}${known.age}`;
  if (write) key += `w${requestKey(write)}`;
  return key;
}

function requestKey(request: Request): string {
  if (request.on === 'owner') return `O${request.ref}${ownerKey(request.record)}`;
  if (request.on === 'inbox') return `I${request.ref}${request.id}${inboxKey(request.record)}`;
  return `W${request.ref}${request.epoch}${request.deletes ? 'd' : 'p'}`;
}

function ownerKey(owner: OwnerRecord | undefined): string {
  return owner ? `${owner.holder},${owner.epoch}${owner.floor}${owner.refresh ? 'r' : '.'}` : '-';
}

function inboxKey(inbox: InboxRecord | undefined): string {
  return inbox ? `${inbox.start}${inbox.challenge}${inbox.condemned ? '!' : '.'}` : '-';
}
