/** What goes wrong, how often: each world has a climate of its own, some of them fair. */
import { climateFrom, repeat } from '../climate.ts';
import type { SimulatedDisk } from '../platform/disk.ts';
import type { Machine } from '../platform/machine.ts';

export type Trouble = 'death' | 'reload' | 'power cut' | 'new mount' | 'remount' | 'audit';

export interface Climate {
  /** A daemon lives so many milliseconds, or less; 0: it does not die. */
  deaths: number;
  /** Mean milliseconds between them; 0: never. */
  powerCuts: number;
  remounts: number;
  reloads: number;
  fullDisks: number;
  badDisks: number;
  clockSteps: number;
}

const AUDIT_MS = 700;
const HOUR_MS = 3_600_000;

/** `spared`: what this world does not know. */
export function climateOf(machine: Machine, spared: readonly string[]): Climate {
  const means: Climate = {
    deaths: 4_000,
    powerCuts: 15_000,
    remounts: 15_000,
    reloads: 8_000,
    fullDisks: 12_000,
    badDisks: 15_000,
    clockSteps: 20_000,
  };
  return climateFrom<keyof Climate>(machine, { ...means }, spared);
}

export interface TroublesHost {
  befall(trouble: Trouble): void;
  /** The disk may get full or bad now. */
  mayHarm(): boolean;
}

export class Troubles {
  readonly #machine: Machine;
  readonly #disk: SimulatedDisk;
  readonly #climate: Climate;
  readonly #host: TroublesHost;
  #isOver = false;

  constructor(machine: Machine, disk: SimulatedDisk, climate: Climate, host: TroublesHost) {
    const { befall } = host;
    this.#host = host;
    this.#machine = machine;
    this.#disk = disk;
    this.#climate = climate;
    this.#repeat(AUDIT_MS, () => befall('audit'));
    this.#repeat(climate.deaths, () => befall('death'));
    this.#repeat(climate.powerCuts, () => befall(machine.once(3) ? 'new mount' : 'power cut'));
    this.#repeat(climate.remounts, () => befall('remount'));
    this.#repeat(climate.reloads, () => befall('reload'));
    this.#repeat(climate.fullDisks, () => this.#fill());
    this.#repeat(climate.badDisks, () => this.#spoil());
    this.#repeat(climate.clockSteps, () => this.#stepClock());
  }

  end(): void {
    this.#isOver = true;
    this.heal();
  }

  #repeat(meanMs: number, happen: () => void): void {
    repeat(this.#machine, meanMs, () => this.#isOver, happen);
  }

  #fill(): void {
    if (!this.#host.mayHarm()) return;
    const { chance } = this.#machine;
    this.#disk.capacity = this.#disk.used + chance.pick([0, 4096, 12_288, 65_536, 400_000]);
    this.#machine.trace.add(`the disk has ${this.#disk.capacity - this.#disk.used} bytes left`);
    this.#machine.schedule(chance.pick([500, 3_000, 15_000]), () => this.heal(), null);
  }

  #spoil(): void {
    if (!this.#host.mayHarm()) return;
    const { chance } = this.#machine;
    const { faults } = this.#disk;
    const odds = () => (chance.below(2) === 0 ? 0 : chance.pick([3, 20, 100]));
    // What a sync could not bring to the disk a power cut takes out of the journal's middle: that is told, not survived.
    const syncEio = this.#climate.powerCuts > 0 ? 0 : odds();
    Object.assign(faults, { readEio: odds(), writeEio: odds(), syncEio, shortWrite: odds() });
    this.#machine.trace.add(`the disk is bad: ${JSON.stringify(faults)}`);
    this.#machine.schedule(chance.pick([200, 2_000, 8_000]), () => this.heal(), null);
  }

  heal(): void {
    this.#disk.capacity = Number.POSITIVE_INFINITY;
    Object.assign(this.#disk.faults, { readEio: 0, writeEio: 0, syncEio: 0, shortWrite: 0 });
    this.#machine.trace.add('the disk is well');
  }

  #stepClock(): void {
    this.#machine.wallStepMs += (this.#machine.chance.below(2001) - 1000) * (HOUR_MS / 500);
    this.#machine.trace.add(`the wall clock is stepped to ${this.#machine.wallStepMs} ms off`);
  }
}
