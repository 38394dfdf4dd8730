/** Runs one world from one seed. */
import { CoreWorld } from './core/world.ts';
import { Machine, runOn } from './platform/machine.ts';
import { RemoteWorld } from './remote/world.ts';
import { Violation } from './violation.ts';
import type { World } from './world.ts';

export const WORLDS = ['core', 'remote'] as const;
export type WorldName = (typeof WORLDS)[number];

export interface Outcome {
  world: WorldName;
  seed: number;
  steps: number;
  /** Of everything that happened. */
  hash: string;
  /** Undefined: every invariant held. */
  violation: Error | undefined;
  /** The last lines of what happened. */
  trace: string[];
}

export interface RunOptions {
  world: WorldName;
  seed: number;
  steps: number;
  /** Troubles that this run does not know (core/troubles.ts, remote/troubles.ts). */
  spared?: readonly string[];
  traceLines?: number;
  echo?: (line: string) => void;
}

const TRACE_LINES = 60;

function make(name: WorldName, machine: Machine, spared: readonly string[]): World {
  switch (name) {
    case 'core':
      return new CoreWorld(machine, spared);
    case 'remote':
      return new RemoteWorld(machine, spared);
  }
}

/** `steps`: events until nothing goes wrong any more; those in which the world comes to rest are more. */
export async function simulate(options: RunOptions): Promise<Outcome> {
  const { world: name, seed, steps, spared = [], traceLines = TRACE_LINES, echo } = options;
  const machine = new Machine(seed);
  machine.trace.echo = echo;
  runOn(machine);
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown) => rejections.push(reason);
  process.on('unhandledRejection', onRejection);
  let done = 0;
  let violation: Error | undefined;
  try {
    const world = make(name, machine, spared);
    const step = async (): Promise<void> => {
      done++;
      await machine.step();
      if (rejections.length > 0) throw rejected(rejections[0]);
      world.check();
    };
    while (done < steps) await step();
    await world.finish(async (untilMs) => {
      while (machine.nowMs < untilMs) await step();
    });
  } catch (error) {
    violation = error as Error;
  } finally {
    process.off('unhandledRejection', onRejection);
    runOn(undefined);
  }
  const { trace } = machine;
  return { world: name, seed, steps: done, hash: trace.digest(), violation, trace: trace.last(traceLines) };
}

function rejected(reason: unknown): Error {
  if (reason instanceof Violation) return reason;
  return new Violation(
    'every failure is handled',
    reason instanceof Error ? (reason.stack ?? '') : String(reason),
  );
}
