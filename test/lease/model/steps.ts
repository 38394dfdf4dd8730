/** Everything that may happen next in a world. What a mount decides it decides by src/lease/protocol.ts. */
import type * as protocol from '../../../src/lease/protocol.ts';
import {
  ABSENT,
  applied,
  CURRENT,
  idOf,
  type Mount,
  NO_KEY,
  type Renewal,
  type Request,
  STALE,
  staled,
  type World,
  withMount,
} from './world.ts';

export interface Rules {
  protocol: typeof protocol;
  /** In ticks. */
  grant: number;
  takeOver: number;
  /** Wrong on purpose: a grant counts from when the answer came. */
  countsFromAnswer?: boolean;
  /** Wrong on purpose: a challenge counts from when it was sent. */
  knowsFromSend?: boolean;
  /** Bounds of the search, not of the protocol. */
  limits: { epoch: number; newIds: number; runs: number; adrift: number };
}

export class Violation extends Error {}

export interface Step {
  what: string;
  world: World;
}

const NAME = '';

/** Throws Violation where a step breaks a promise. `of`: only what this mount does. */
export function stepsOf(world: World, rules: Rules, of?: number): Step[] {
  const steps: Step[] = [];
  const add = (what: string, next: World) => steps.push({ what, world: granted(next) });
  world.mounts.forEach((mount, index) => {
    if (of !== undefined && of !== index) return;
    const name = 'ABC'.charAt(index);
    const say = (what: string, next: World) => add(`${name}: ${what}`, next);
    if (mount.alive) {
      renewalSteps(world, rules, index, say);
      actionSteps(world, rules, index, say);
      writeSteps(world, index, say);
      if (of === undefined) misfortunes(world, rules, index, say);
    } else if (of === undefined && mount.run < rules.limits.runs) {
      say('starts again', withMount(world, index, { alive: true, run: mount.run + 1 }));
    }
  });
  if (of === undefined) surroundings(world, rules, add);
  return steps;
}

type Say = (what: string, next: World) => void;

function mountAt(world: World, index: number): Mount {
  const mount = world.mounts[index];
  if (mount === undefined) throw new Error(`there is no mount ${index}`);
  return mount;
}

/** Ages everything that is measured. */
export function tick(world: World, rules: Rules): World {
  return { ...world, mounts: world.mounts.map((mount) => older(mount, rules)) };
}

/** The mount itself where nothing is measured. */
function older(mount: Mount, rules: Rules): Mount {
  const renewed = olderGrant(mount.renewed, rules);
  const grant = olderGrant(mount.grant, rules);
  const renewal = mount.renewal && olderUpTo(mount.renewal, rules.grant);
  const known = mount.known && olderUpTo(mount.known, rules.takeOver);
  const isSame =
    renewed === mount.renewed && grant === mount.grant && renewal === mount.renewal && known === mount.known;
  return isSame ? mount : { ...mount, renewed, grant, renewal, known, key: NO_KEY };
}

function olderGrant(age: number, rules: Rules): number {
  return age < 0 || age + 1 >= rules.grant ? -1 : age + 1;
}

function olderUpTo<T extends { age: number }>(measured: T, limit: number): T {
  const age = Math.min(measured.age + 1, limit);
  return age === measured.age ? measured : { ...measured, age };
}

/** Grants writing at once to every mount that may write. Throws if two may at a time. */
function granted(world: World): World {
  let next = world;
  let writers = 0;
  for (let index = 0; index < world.mounts.length; index++) {
    const mount = mountAt(world, index);
    if (!mount.alive) continue;
    const isGranted = mount.renewed >= 0 && isHolding(mount, index);
    if (isGranted && mount.grant !== mount.renewed) next = withMount(next, index, { grant: mount.renewed });
    if (isGranted || mount.grant >= 0) writers++;
  }
  if (writers > 1) throw new Violation('two mounts may write the session');
  return next;
}

/** Under the id that it has now. */
export function isHolding(mount: Mount, index: number): boolean {
  return mount.held?.record.holder === idOf(index, mount);
}

function renewalSteps(world: World, rules: Rules, index: number, say: Say): void {
  const mount = mountAt(world, index);
  const { renewal } = mount;
  const id = idOf(index, mount);
  const isDue = mount.renewed !== 0 && (!mount.started || mount.held !== undefined);
  if (renewal === undefined) {
    if (isDue) say('renews', withMount(world, index, { renewal: { at: 'sent', age: 0 } }));
    return;
  }
  switch (renewal.at) {
    case 'sent': {
      const record = world.inboxes[id];
      const served: Renewal = { at: 'served', age: renewal.age, ref: record ? CURRENT : ABSENT, record };
      say('renewal served', withMount(world, index, { renewal: served }));
      return;
    }
    case 'served':
      say('renewal answered', afterRead(world, rules, index, renewal));
      return;
    case 'put': {
      const result = applied(world, renewal.request);
      const answered: Renewal = { at: 'answered', age: renewal.age, ok: result.ok, starts: renewal.starts };
      say('inbox put', withMount(result.world, index, { renewal: answered }));
      return;
    }
    case 'answered': {
      const begun = renewal.starts ? { opened: true, started: true } : {};
      const change = renewal.ok ? { renewed: renewedAt(renewal.age, rules), ...begun } : {};
      say('inbox put answered', withMount(world, index, { renewal: undefined, ...change }));
      return;
    }
  }
}

function renewedAt(age: number, rules: Rules): number {
  if (rules.countsFromAnswer) return 0;
  return age >= rules.grant ? -1 : age;
}

function afterRead(world: World, rules: Rules, index: number, renewal: Renewal & { at: 'served' }): World {
  const mount = mountAt(world, index);
  const id = idOf(index, mount);
  const nonce = `${'ABC'.charAt(index)}${mount.run}`;
  const inbox = renewal.record && { generation: renewal.ref, record: renewal.record };
  const { opened, started } = mount;
  const step = rules.protocol.renew(inbox, { nonce, opened, started, grantMs: rules.grant, name: NAME });
  switch (step.do) {
    case 'granted':
      return withMount(world, index, { renewal: undefined, renewed: renewedAt(renewal.age, rules) });
    case 'begun':
      return withMount(world, index, { renewal: undefined, opened: true, started: true });
    case 'fence':
      throw new Violation('a mount is fenced although it has no copy');
    case 'new-id': {
      if (mount.newIds >= rules.limits.newIds) return withMount(world, index, { renewal: undefined });
      const newIds = mount.newIds + 1;
      const gone = { renewal: undefined, newIds, opened: false, started: false, renewed: -1 };
      return withMount(world, index, gone);
    }
    default: {
      // What was decided from a version that is gone by now names that one, and fails.
      const ref = step.ifGeneration as Request['ref'];
      const request = { on: 'inbox' as const, id, ref, record: step.record };
      const put: Renewal = { at: 'put', age: 0, request, starts: !mount.started };
      return withMount(world, index, { renewal: put });
    }
  }
}

function claimant(index: number, mount: Mount): protocol.Claimant {
  const former = Array.from({ length: mount.newIds }, (_, newIds) => idOf(index, { newIds }));
  return { id: idOf(index, mount), name: NAME, former, unsure: mount.unsure };
}

function actionSteps(world: World, rules: Rules, index: number, say: Say): void {
  const mount = mountAt(world, index);
  const { action } = mount;
  if (action === undefined) {
    if (mount.started && !isHolding(mount, index)) say('reads owner', claimed(world, rules, index));
    if (isHolding(mount, index)) holderActions(world, rules, index, say);
    return;
  }
  switch (action.at) {
    case 'inbox':
      say('reads inbox', contended(world, rules, index, action));
      return;
    case 'mail':
      say(action.condemns ? 'condemn put' : 'challenge put', mailed(world, rules, index, action));
      return;
    case 'claim': {
      const { ok, world: next } = applied(world, action.request);
      const ref: Request['ref'] = ok ? CURRENT : STALE;
      const answer = { at: 'claimed' as const, ref, record: action.request.record, ok };
      say('owner put', withMount(next, index, { action: answer }));
      return;
    }
    case 'claimed': {
      const { ref, record, ok } = action;
      const change = ok ? { held: { ref, record }, unsure: false } : {};
      say('owner put answered', withMount(world, index, { action: undefined, ...change }));
      return;
    }
    case 'release': {
      const { ok, world: next } = applied(world, action.request);
      say('release put', withMount(next, index, { action: undefined, unsure: !ok }));
      return;
    }
    case 'raise': {
      const { ok, world: next } = applied(world, action.request);
      const change = ok ? { held: { ref: CURRENT, record: action.request.record } } : {};
      say('floor put', withMount(next, index, { action: undefined, ...change } as Partial<Mount>));
      return;
    }
  }
}

function claimed(world: World, rules: Rules, index: number): World {
  const mount = mountAt(world, index);
  const owner = world.owner && { generation: CURRENT, record: world.owner };
  const step = rules.protocol.claim(owner, claimant(index, mount));
  if (step.do === 'hold' && world.owner)
    return withMount(world, index, { held: { ref: CURRENT, record: world.owner } });
  if (step.do === 'contend' && world.owner) {
    const action = { at: 'inbox' as const, ref: CURRENT as Request['ref'], owner: world.owner };
    return withMount(world, index, { action, held: undefined });
  }
  if (step.do !== 'write') return world;
  return claiming(world, rules, index, step);
}

function claiming(
  world: World,
  rules: Rules,
  index: number,
  write: protocol.Write<protocol.OwnerRecord>,
): World {
  if (write.record.epoch > rules.limits.epoch) return withMount(world, index, { action: undefined });
  const ref = write.ifGeneration as Request['ref'];
  const request = { on: 'owner' as const, ref, record: write.record };
  return withMount(world, index, { action: { at: 'claim', request } });
}

function contended(
  world: World,
  rules: Rules,
  index: number,
  action: { ref: Request['ref']; owner: protocol.OwnerRecord },
): World {
  const mount = mountAt(world, index);
  const { ref: ownerRef, owner } = action;
  const record = world.inboxes[owner.holder];
  const inbox = record && { generation: CURRENT, record };
  const isKnown = mount.known?.id === owner.holder;
  const known = isKnown ? mount.known : inbox && { id: owner.holder, age: 0 };
  const step = rules.protocol.contend(inbox, {
    challenge: '?',
    knownForMs: known?.age,
    takeOverMs: rules.takeOver,
    grantMs: rules.grant,
  });
  if (step.do === 'wait') return withMount(world, index, { action: undefined, known });
  if (step.do === 'take-over') {
    const seen = { generation: ownerRef, record: owner };
    return claiming(world, rules, index, rules.protocol.takeOver(seen, claimant(index, mount)));
  }
  const ref = step.ifGeneration as Request['ref'];
  const request = { on: 'inbox' as const, id: owner.holder, ref, record: step.record };
  const mail = { at: 'mail' as const, ref: ownerRef, owner, condemns: step.do === 'condemn', request };
  const early = rules.knowsFromSend ? { id: owner.holder, age: 0 } : known;
  return withMount(world, index, { action: mail, known: early });
}

function mailed(
  world: World,
  rules: Rules,
  index: number,
  action: {
    ref: Request['ref'];
    owner: protocol.OwnerRecord;
    condemns: boolean;
    request: Request & { on: 'inbox' };
  },
): World {
  const sinceSent = mountAt(world, index).known;
  const { ok, world: next } = applied(world, action.request);
  if (!ok) return withMount(next, index, { action: undefined });
  const { id } = action.request;
  const age = rules.knowsFromSend && sinceSent?.id === id && !action.condemns ? sinceSent.age : 0;
  const known = { id, age };
  if (!action.condemns) return withMount(next, index, { action: undefined, known });
  const { ref, owner } = mountAt(next, index).action as typeof action;
  const write = rules.protocol.takeOver(
    { generation: ref, record: owner },
    claimant(index, mountAt(next, index)),
  );
  return claiming(withMount(next, index, { known }), rules, index, write);
}

/** What a holder does with its owner object. */
function holderActions(world: World, rules: Rules, index: number, say: Say): void {
  const mount = mountAt(world, index);
  const { held, left } = mount;
  if (held === undefined || mount.write) return;
  if (held.ref === STALE) {
    const isStill = world.owner?.holder === held.record.holder && world.owner.epoch === held.record.epoch;
    const change =
      isStill && world.owner ? { ref: CURRENT as Request['ref'], record: world.owner } : undefined;
    say('verifies', withMount(world, index, { held: change }));
    return;
  }
  if (held.record.refresh && mount.renewed >= 0 && isStoredAgain(world, held.record)) {
    const write = rules.protocol.raiseFloor({ generation: held.ref, record: held.record });
    const request = { on: 'owner' as const, ref: held.ref, record: write.record };
    say('raises floor', withMount(world, index, { action: { at: 'raise', request } }));
  }
  if (left.releases > 0) {
    const write = rules.protocol.release({ generation: held.ref, record: held.record }, !mount.unsettled);
    const request = { on: 'owner' as const, ref: held.ref, record: write.record };
    const after = {
      held: undefined,
      grant: -1,
      unsure: true,
      left: { ...left, releases: left.releases - 1 },
    };
    say('releases', withMount(world, index, { ...after, action: { at: 'release', request } }));
  }
}

function isStoredAgain({ object }: World, { epoch }: protocol.OwnerRecord): boolean {
  return object === undefined || object === epoch;
}

/** What a holder does with the object. */
function writeSteps(world: World, index: number, say: Say): void {
  const mount = mountAt(world, index);
  const { write, held, left } = mount;
  if (write) {
    const { ok, world: next } = wrote(world, write);
    const known = !ok ? STALE : write.deletes ? ABSENT : CURRENT;
    say(
      `object ${write.deletes ? 'delete' : 'put'} ${ok ? 'done' : 'refused'}`,
      withMount(next, index, { write: undefined, object: known }),
    );
    return;
  }
  if (!held || !isHolding(mount, index) || mount.renewed < 0 || mount.action) return;
  const { epoch, floor, refresh } = held.record;
  const newest = world.object === undefined ? ABSENT : CURRENT;
  const send = (what: string, ref: Request['ref'], deletes: boolean, rest: Partial<Mount> = {}) =>
    say(what, withMount(world, index, { write: { on: 'object', ref, epoch, deletes }, ...rest }));
  if (refresh && !isStoredAgain(world, held.record)) {
    send('stores again', newest, (world.object ?? 0) < floor);
    return;
  }
  if (mount.object !== newest) say('learns', withMount(world, index, { object: newest }));
  if (refresh || left.writes === 0) return;
  const rest = { left: { ...left, writes: left.writes - 1 } };
  send('flushes', mount.object, false, rest);
  if (mount.object !== ABSENT) send('deletes', mount.object, true, rest);
}

/** A write of the object reaches the bucket; throws Violation where it must not take effect. */
function wrote(world: World, request: Request & { on: 'object' }): { ok: boolean; world: World } {
  const result = applied(world, request);
  const { owner, object } = world;
  if (!result.ok || owner === undefined) return result;
  if (object !== undefined && object > request.epoch)
    throw new Violation('a newer object was changed by an older epoch');
  const isLate = request.epoch < owner.epoch || owner.holder === '';
  const isBelowFloor = object === undefined ? request.epoch < owner.floor : object < owner.floor;
  if (isLate && !owner.refresh && !isBelowFloor)
    throw new Violation('a late write changed a session that was handed over');
  return result;
}

/** Crashes, and requests that are given up. */
function misfortunes(world: World, rules: Rules, index: number, say: Say): void {
  const mount = mountAt(world, index);
  const { renewal, action, write, left } = mount;
  if (left.crashes > 0) {
    const inFlight = [
      write,
      action && 'request' in action ? action.request : undefined,
      renewal?.at === 'put' ? renewal.request : undefined,
    ];
    const dead = {
      alive: false,
      started: false,
      renewed: -1,
      grant: -1,
      held: undefined,
      renewal: undefined,
      action: undefined,
      known: undefined,
      write: undefined,
      unsettled: mount.unsettled || write !== undefined,
      left: { ...left, crashes: left.crashes - 1 },
    };
    say('dies', withMount(drift(world, rules, inFlight), index, dead));
  }
  if (world.left.abandons === 0) return;
  const poorer = { ...world, left: { ...world.left, abandons: world.left.abandons - 1 } };
  if (action && 'request' in action)
    say(
      'gives up on owner or inbox',
      withMount(drift(poorer, rules, [action.request]), index, { action: undefined }),
    );
  if (write)
    say(
      'gives up on the object',
      withMount(drift(poorer, rules, [write]), index, { write: undefined, unsettled: true }),
    );
  if (renewal?.at === 'put')
    say(
      'gives up on its inbox',
      withMount(drift(poorer, rules, [renewal.request]), index, { renewal: undefined }),
    );
}

function drift(world: World, rules: Rules, requests: readonly (Request | undefined)[]): World {
  const live = requests.filter((request) => request !== undefined && request.ref !== STALE) as Request[];
  return { ...world, adrift: [...world.adrift, ...live].slice(0, rules.limits.adrift) };
}

/** Time, requests that arrive late, and an operator who deletes an inbox. */
function surroundings(world: World, rules: Rules, add: Say): void {
  add('tick', tick(world, rules));
  world.adrift.forEach((request, at) => {
    const without = { ...world, adrift: world.adrift.filter((_, other) => other !== at) };
    const { ok, world: next } = request.on === 'object' ? wrote(without, request) : applied(without, request);
    if (ok) add(`late ${request.on} write arrives`, next);
  });
  if (world.left.deletions === 0) return;
  for (const id of Object.keys(world.inboxes)) {
    const { [id]: _, ...inboxes } = world.inboxes;
    const left = { ...world.left, deletions: world.left.deletions - 1 };
    add(`inbox ${id} deleted`, { ...staled(world, { on: 'inbox', id }), inboxes, left });
  }
}
