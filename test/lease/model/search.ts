/** Explores every world that can be reached, and whether a dead holder's session can always be had. */
import { isHolding, type Rules, type Step, stepsOf, tick, Violation } from './steps.ts';
import { keyOf, type World } from './world.ts';

export interface Outcome {
  states: number;
  /** False: the bound on states ended the search. */
  isComplete: boolean;
  /** How many worlds with a dead holder were shown to end with another one. */
  rescued: number;
  violation: string | undefined;
  /** What led to it. */
  trace: string[];
}

/** How a world was reached. It does not keep the worlds on the way. */
interface Node {
  what: string;
  before: Node | undefined;
}

/** Longer than any way to an acquisition. */
const RESCUE_STEPS_MAX = 200;

/** 'depth' needs little memory, 'breadth' finds the shortest way to a violation. */
export function explore(
  start: World,
  rules: Rules,
  statesMax: number,
  order: 'depth' | 'breadth' = 'depth',
): Outcome {
  const seen = new Set([keyOf(start)]);
  const open: (readonly [World, Node])[] = [[start, { what: 'start', before: undefined }]];
  const take = order === 'depth' ? () => open.pop() : queue(open);
  const saved = new Set<string>();
  let rescued = 0;
  for (let taken = take(); taken !== undefined; taken = take()) {
    const [from, node] = taken;
    let steps: Step[];
    try {
      steps = stepsOf(from, rules);
      if (isOrphaned(from)) {
        rescue(from, rules, saved);
        rescued++;
      }
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      return {
        states: seen.size,
        isComplete: false,
        rescued,
        violation: error.message,
        trace: traceOf(node),
      };
    }
    for (const { what, world } of steps) {
      const key = keyOf(world);
      if (seen.has(key)) continue;
      if (seen.size >= statesMax)
        return { states: seen.size, isComplete: false, rescued, violation: undefined, trace: [] };
      seen.add(key);
      open.push([world, { what, before: node }]);
    }
  }
  return { states: seen.size, isComplete: true, rescued, violation: undefined, trace: [] };
}

/** Takes the oldest first, and does not keep it. */
function queue<T>(open: (T | undefined)[]): () => T | undefined {
  let first = 0;
  return () => {
    const taken = open[first];
    open[first++] = undefined;
    return taken;
  };
}

/** The session's holder is dead, and another mount is alive to want it. */
function isOrphaned({ owner, mounts }: World): boolean {
  if (owner === undefined || owner.holder === '') return false;
  const holder = 'ABC'.indexOf(owner.holder.charAt(0));
  return mounts[holder]?.alive === false && mounts.some(({ alive }) => alive);
}

/** Throws Violation unless the first mount that lives, left alone, comes to hold the session. */
function rescue(start: World, rules: Rules, saved: Set<string>): void {
  const unbounded = { ...rules, limits: { epoch: 99, newIds: 99, runs: 99, adrift: 99 } };
  const rescuer = start.mounts.findIndex(({ alive }) => alive);
  const way: string[] = [];
  let world = start;
  for (let step = 0; step < RESCUE_STEPS_MAX; step++) {
    const key = keyOf(world);
    const mount = world.mounts[rescuer];
    if (saved.has(key) || (mount && isHolding(mount, rescuer) && mount.renewed >= 0)) {
      for (const passed of way) saved.add(passed);
      return;
    }
    way.push(key);
    world = next(world, unbounded, rescuer, step);
  }
  throw new Violation('a dead holder keeps a session for ever');
}

/** What comes first is carried out, and time passes in between. */
function next(world: World, rules: Rules, rescuer: number, step: number): World {
  const steps = stepsOf(world, rules, rescuer).filter(({ what }) => !/releases|flushes|deletes/.test(what));
  const chosen = steps[step % Math.max(1, steps.length)];
  return step % 5 === 4 || chosen === undefined ? tick(world, rules) : chosen.world;
}

function traceOf(node: Node | undefined): string[] {
  const trace: string[] = [];
  for (let at = node; at !== undefined; at = at.before) trace.unshift(at.what);
  return trace;
}
