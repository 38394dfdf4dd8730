/** What a module of src/ finds in place of the globals that tell the time or decide by chance; hooks.ts brings it there. */
import { type Cancel, machine } from './machine.ts';

const RealDate = globalThis.Date;

class Timer {
  readonly cancel: Cancel;

  constructor(cancel: Cancel) {
    this.cancel = cancel;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}

function later(work: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): Timer {
  // Never at the very moment: a timer of Node fires after a millisecond or more.
  return new Timer(machine().schedule(Math.max(1, ms), () => work(...args)));
}

function repeatedly(work: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): Timer {
  const world = machine();
  const { current } = world;
  let cancel: Cancel = () => {};
  const next = (): void => {
    cancel = world.schedule(
      Math.max(1, ms),
      () => {
        next();
        work(...args);
      },
      current,
    );
  };
  next();
  return new Timer(() => cancel());
}

function cancelTimer(timer: Timer | undefined): void {
  timer?.cancel();
}

function immediately(work: (...args: unknown[]) => void, ...args: unknown[]): Timer {
  return new Timer(machine().schedule(0, () => work(...args)));
}

class SimulatedDate extends RealDate {
  constructor(...args: unknown[]) {
    if (args.length === 0) super(SimulatedDate.now());
    else super(...(args as [number]));
  }

  static override now(): number {
    return Math.floor(machine().wallMs);
  }
}

const SimulatedMath: Math = Object.create(null, {
  ...Object.getOwnPropertyDescriptors(globalThis.Math),
  random: { value: () => machine().chance.u32() / 0x1_0000_0000 },
});

export {
  cancelTimer as clearImmediate,
  cancelTimer as clearInterval,
  cancelTimer as clearTimeout,
  immediately as setImmediate,
  later as setTimeout,
  repeatedly as setInterval,
  SimulatedDate as Date,
  SimulatedMath as Math,
};

/** As Node's: the zero is that of the process, and the origin is when that was. */
export const performance = {
  now: () => machine().nowMs,
  /** Read once by most: a step of the wall clock does not move it. */
  get timeOrigin(): number {
    const world = machine();
    return world.wallMs - world.wallStepMs - world.nowMs;
  },
};
