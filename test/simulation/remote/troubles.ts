/** What goes wrong in a world with a bucket, how often: each world has a climate of its own, some of them fair. */
import type { BucketErrorKind } from '../../../src/bucket/bucket-error.ts';
import { climateFrom, repeat } from '../climate.ts';
import type { Machine } from '../platform/machine.ts';
import type { Computer } from './computer.ts';
import { FAIR, type Network } from './network.ts';
import { DEEDS, Operator } from './operator.ts';
import type { Truth } from './truth.ts';

/** Mean milliseconds between them; 0: never. */
export interface Climate {
  deaths: number;
  /** Deaths within an operation of the disk. */
  cuts: number;
  reloads: number;
  crashes: number;
  remounts: number;
  pauses: number;
  powerCuts: number;
  clockSteps: number;
  badWeather: number;
  /** Requests that arrive long after they were sent. */
  lateRequests: number;
  outages: number;
  partitions: number;
  refusals: number;
  /** What operators do (operator.ts); 0: they do not. */
  copies: number;
  lostFiles: number;
  lostLedgers: number;
  otherBuckets: number;
  oldObjects: number;
}

export function climateOf(machine: Machine, spared: readonly string[]): Climate {
  const means: Climate = {
    deaths: 60_000,
    cuts: 60_000,
    reloads: 120_000,
    crashes: 120_000,
    remounts: 100_000,
    pauses: 120_000,
    powerCuts: 300_000,
    clockSteps: 200_000,
    badWeather: 60_000,
    lateRequests: 1,
    outages: 200_000,
    partitions: 150_000,
    refusals: 300_000,
    copies: 1,
    lostFiles: 1,
    lostLedgers: 1,
    otherBuckets: 1,
    oldObjects: 1,
  };
  return climateFrom<keyof Climate>(machine, { ...means }, spared);
}

const HOUR_MS = 3_600_000;
const OFF_MS = [500, 5_000, 60_000, 200_000];
const REFUSALS: readonly BucketErrorKind[] = ['permission', 'missing', 'rejected', 'throttled'];

export class Troubles {
  readonly #machine: Machine;
  readonly #network: Network;
  readonly #computers: readonly Computer[];
  readonly #climate: Climate;
  readonly #operator: Operator;
  #isOver = false;

  constructor(
    machine: Machine,
    truth: Truth,
    network: Network,
    computers: readonly Computer[],
    climate: Climate,
  ) {
    this.#machine = machine;
    this.#operator = new Operator(
      machine,
      truth,
      // Without its ledger a cache takes what others deleted meanwhile for new: that is told, not survived.
      DEEDS.filter((deed) => climate[deed] > 0 && (deed !== 'lostLedgers' || computers.length === 1)),
    );
    this.#network = network;
    this.#computers = computers;
    this.#climate = climate;
    this.#repeat(climate.deaths, () => this.#one.die());
    this.#repeat(climate.cuts, () => this.#cutOff());
    this.#repeat(climate.reloads, () => this.#one.reload());
    this.#repeat(climate.crashes, () => this.#one.crash(this.#offMs()));
    this.#repeat(climate.remounts, () => this.#remount());
    this.#repeat(climate.pauses, () => this.#pause());
    this.#repeat(climate.powerCuts, () => this.#one.cutPower(this.#offMs()));
    this.#repeat(climate.clockSteps, () => this.#stepClock());
    this.#repeat(climate.badWeather, () => this.#storm());
    this.#repeat(climate.outages, () => this.#cutNetwork(this.#computers));
    this.#repeat(climate.partitions, () => this.#cutNetwork([this.#one]));
    this.#repeat(climate.refusals, () => this.#refuse());
  }

  end(): void {
    this.#isOver = true;
    this.#calm();
    this.#network.cut.clear();
    this.#network.refusal = undefined;
    for (const { daemon } of this.#computers) {
      if (daemon === undefined) continue;
      daemon.process.operationsLeft = Number.POSITIVE_INFINITY;
    }
  }

  get #one(): Computer {
    return this.#machine.chance.pick(this.#computers);
  }

  #repeat(meanMs: number, happen: () => void): void {
    repeat(this.#machine, meanMs, () => this.#isOver, happen);
  }

  #offMs(): number {
    const { chance } = this.#machine;
    return 100 + chance.below(chance.pick(OFF_MS));
  }

  #cutOff(): void {
    const { daemon } = this.#one;
    if (daemon !== undefined) daemon.process.operationsLeft = this.#machine.chance.below(60);
  }

  #remount(): void {
    const computer = this.#one;
    const offMs = this.#offMs();
    const start = () => {
      if (computer.daemon !== undefined || computer.isOff) return;
      if (!this.#isOver) this.#operator.visit(computer);
      computer.start(false);
    };
    computer.stop(() => this.#machine.schedule(offMs, start, null));
  }

  #pause(): void {
    const { daemon, name } = this.#one;
    if (daemon === undefined) return;
    const forMs = this.#machine.chance.below(this.#machine.chance.pick([2_000, 30_000, 200_000]));
    daemon.process.pauseUntil(this.#machine.nowMs + forMs);
    this.#trace(`${name} is paused for ${forMs} ms`);
  }

  #stepClock(): void {
    const computer = this.#one;
    computer.wallStepMs += (this.#machine.chance.below(2001) - 1000) * (HOUR_MS / 500);
    if (computer.daemon !== undefined) computer.daemon.process.wallStepMs = computer.wallStepMs;
    this.#trace(`the clock of ${computer.name} is ${computer.wallStepMs} ms off`);
  }

  #storm(): void {
    const { chance } = this.#machine;
    const odds = () => chance.pick([0, 0, 3, 10, 40]);
    const late = this.#climate.lateRequests > 0 ? odds() : 0;
    this.#network.weather = {
      ...{
        lost: odds(),
        answerLost: odds(),
        doubled: odds(),
        failed: odds(),
        failedAfter: odds(),
        slow: odds(),
      },
      late,
    };
    this.#trace(`the network is bad: ${JSON.stringify(this.#network.weather)}`);
    this.#machine.schedule(chance.pick([2_000, 20_000, 60_000]), () => this.#calm(), null);
  }

  #calm(): void {
    this.#network.weather = { ...FAIR };
    this.#trace('the network is well');
  }

  #cutNetwork(computers: readonly Computer[]): void {
    const names = computers.map(({ name }) => name);
    for (const name of names) this.#network.cut.add(name);
    this.#trace(`${names} reach no bucket`);
    this.#machine.schedule(
      this.#machine.chance.pick([3_000, 30_000, 150_000]),
      () => {
        for (const name of names) this.#network.cut.delete(name);
        this.#trace(`${names} reach the bucket`);
      },
      null,
    );
  }

  #refuse(): void {
    const { chance } = this.#machine;
    const refusal = chance.pick(REFUSALS);
    this.#network.refusal = refusal;
    this.#trace(`the bucket refuses: ${refusal}`);
    this.#machine.schedule(
      chance.pick([3_000, 30_000, 100_000]),
      () => {
        this.#network.refusal = undefined;
        this.#trace('the bucket refuses no more');
      },
      null,
    );
  }

  #trace(text: string): void {
    this.#machine.trace.add(`${this.#machine.nowMs.toFixed(1)} ${text}`);
  }
}
