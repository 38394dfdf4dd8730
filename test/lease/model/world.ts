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
  /** The number of its part of a world's key; NO_KEY in every copy, until it is asked for. */
  key: number;
}

export const NO_KEY = -1;

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

const IDS = ['A', 'B', 'C'].map((letter) => Array.from({ length: 10 }, (_, newIds) => `${letter}${newIds}`));

export function idOf(index: number, { newIds }: Pick<Mount, 'newIds'>): string {
  return IDS[index]?.[newIds] ?? 'ABC'.charAt(index) + newIds;
}

export function withMount(world: World, index: number, change: Partial<Mount>): World {
  const mounts = [...world.mounts];
  // Several times as fast as two spreads.
  mounts[index] = Object.assign({ ...(mounts[index] as Mount) }, change, { key: NO_KEY });
  return { ...world, mounts };
}

type Target = { on: Request['on']; id?: string };

function isAt(request: { on: string; id?: string }, target: Target): boolean {
  return request.on === target.on && request.id === target.id;
}

function aged<T extends { ref: Ref }>(holder: T): T {
  return holder.ref === CURRENT ? { ...holder, ref: STALE } : holder;
}

function agedAt<T extends Request>(request: T, target: Target): T {
  return isAt(request, target) ? aged(request) : request;
}

/** Of `world` where the object was written: every reference to the version before is stale. */
export function staled(world: World, target: Target): World {
  const mounts = world.mounts.map((mount, index) => staledMount(mount, index, target));
  if (world.adrift.length === 0) return { ...world, mounts };
  // What names a version that is gone never takes effect.
  const adrift = world.adrift.map((request) => agedAt(request, target)).filter(({ ref }) => ref !== STALE);
  return { ...world, mounts, adrift };
}

/** The mount itself where nothing of it changes: most of the worlds share it, and its key. */
function staledMount(mount: Mount, index: number, target: Target): Mount {
  const renewal = staledRenewal(mount, index, target);
  const action = staledAction(mount, target);
  const held = mount.held && target.on === 'owner' ? aged(mount.held) : mount.held;
  const known = mount.known && isAt({ on: 'inbox', id: mount.known.id }, target) ? undefined : mount.known;
  const object = target.on === 'object' && mount.object === CURRENT ? STALE : mount.object;
  const write = mount.write && agedAt(mount.write, target);
  const isSame =
    renewal === mount.renewal &&
    action === mount.action &&
    held === mount.held &&
    known === mount.known &&
    object === mount.object &&
    write === mount.write;
  return isSame ? mount : { ...mount, renewal, action, held, known, object, write, key: NO_KEY };
}

function staledRenewal(mount: Mount, index: number, target: Target): Renewal | undefined {
  const { renewal } = mount;
  if (renewal?.at === 'served' && isAt({ on: 'inbox', id: idOf(index, mount) }, target)) return aged(renewal);
  if (renewal?.at !== 'put') return renewal;
  const request = agedAt(renewal.request, target);
  return request === renewal.request ? renewal : { ...renewal, request };
}

function staledAction({ action }: Mount, target: Target): Action | undefined {
  let next = action;
  if (action && 'request' in action) {
    const request = agedAt(action.request as never, target);
    if (request !== action.request) next = { ...action, request };
  }
  return next && 'ref' in next && target.on === 'owner' ? aged(next) : next;
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

/** Two worlds with one key have the same future. Each character is a number: of a part of the world, or of what occurs in it. */
export function keyOf(world: World): string {
  const { owner, object = -1, left, adrift, mounts } = world;
  const codes = [object + 1, left.abandons, left.deletions];
  addOwner(codes, owner);
  for (let index = 0; index < mounts.length; index++) addInboxes(codes, world, index);
  if (adrift.length > 0) codes.push(...adrift.map(requestNumber).sort((a, b) => a - b));
  for (let index = 0; index < mounts.length; index++) {
    const mount = mounts[index] as Mount;
    if (mount.key === NO_KEY) mount.key = mountNumber(mount);
    codes.push(mount.key & 0xffff, mount.key >>> 16);
  }
  return String.fromCharCode(...codes);
}

/** Those that can be of use, of all ids that the mount ever had. */
function addInboxes(codes: number[], world: World, index: number): void {
  const { newIds } = world.mounts[index] as Mount;
  for (let number = newIds; number >= 0; number--) {
    const id = idOf(index, { newIds: number });
    const inbox = world.inboxes[id];
    addInbox(codes, inbox && isAskedFor(world, id) ? inbox : undefined);
  }
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

/** The same number, from 1 on, for the same text. */
function numbersOfTexts(): (text: string) => number {
  const numbers = new Map<string, number>();
  return (text) => {
    const known = numbers.get(text);
    if (known !== undefined) return known;
    numbers.set(text, numbers.size + 1);
    return numbers.size;
  };
}

const wordNumber = numbersOfTexts();
const requestTextNumber = numbersOfTexts();
const mountTextNumber = numbersOfTexts();

function mountNumber(mount: Mount): number {
  const { held, renewal, action, known, write, left } = mount;
  const flags =
    (mount.alive ? 1 : 0) +
    (mount.opened ? 2 : 0) +
    (mount.started ? 4 : 0) +
    (mount.unsure ? 8 : 0) +
    (mount.unsettled ? 16 : 0);
  const codes = [
    mount.newIds,
    mount.run,
    mount.renewed + 1,
    mount.grant + 1,
    flags,
    // Only a flush uses what is known of the object.
    left.writes > 0 ? mount.object.charCodeAt(0) : 0,
    left.crashes,
    left.writes,
    left.releases,
    known ? wordNumber(known.id) : 0,
    known ? known.age : 0,
    held ? held.ref.charCodeAt(0) : 0,
  ];
  if (held) addOwner(codes, held.record);
  addRenewal(codes, renewal);
  addAction(codes, action);
  addRequest(codes, write);
  return mountTextNumber(String.fromCharCode(...codes));
}

function addRenewal(codes: number[], renewal: Renewal | undefined): void {
  if (renewal === undefined) {
    codes.push(0);
    return;
  }
  codes.push(wordNumber(renewal.at), renewal.age);
  if (renewal.at === 'served') {
    codes.push(renewal.ref.charCodeAt(0));
    addInbox(codes, renewal.record);
  } else if (renewal.at === 'put') {
    codes.push(renewal.starts ? 1 : 0);
    addRequest(codes, renewal.request);
  } else if (renewal.at === 'answered') {
    codes.push((renewal.ok ? 1 : 0) + (renewal.starts ? 2 : 0));
  }
}

function addAction(codes: number[], action: Action | undefined): void {
  if (action === undefined) {
    codes.push(0);
    return;
  }
  codes.push(wordNumber(action.at));
  if ('owner' in action) {
    codes.push(action.ref.charCodeAt(0));
    addOwner(codes, action.owner);
  }
  if ('request' in action) addRequest(codes, action.request);
  if (action.at === 'mail') codes.push(action.condemns ? 1 : 0);
  if (action.at === 'claimed') {
    codes.push(action.ref.charCodeAt(0), action.ok ? 1 : 0);
    addOwner(codes, action.record);
  }
}

function requestNumber(request: Request): number {
  const codes: number[] = [];
  addRequest(codes, request);
  return requestTextNumber(String.fromCharCode(...codes));
}

function addRequest(codes: number[], request: Request | undefined): void {
  if (request === undefined) {
    codes.push(0);
    return;
  }
  codes.push(wordNumber(request.on), request.ref.charCodeAt(0));
  if (request.on === 'owner') addOwner(codes, request.record);
  else if (request.on === 'object') codes.push(request.epoch, request.deletes ? 1 : 0);
  else {
    codes.push(wordNumber(request.id));
    addInbox(codes, request.record);
  }
}

function addOwner(codes: number[], owner: OwnerRecord | undefined): void {
  if (owner === undefined) {
    codes.push(0);
    return;
  }
  codes.push(wordNumber(owner.holder), owner.epoch, owner.floor, owner.refresh ? 1 : 0);
}

function addInbox(codes: number[], inbox: InboxRecord | undefined): void {
  if (inbox === undefined) {
    codes.push(0);
    return;
  }
  codes.push(wordNumber(inbox.start), wordNumber(inbox.challenge), inbox.condemned ? 1 : 0);
}
