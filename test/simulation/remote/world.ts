/**
 * Sync, lease and bucket: several computers, each with a mount on a disk of its own, that share one bucket over a bad network;
 * bots that use the sessions; and what befalls all of them.
 */
import type { Machine, Process } from '../platform/machine.ts';
import { Violation } from '../violation.ts';
import type { World } from '../world.ts';
import { Application, observe } from './applications.ts';
import { SimulatedBucket } from './bucket.ts';
import { bringAlong } from './cache-content.ts';
import { Computer } from './computer.ts';
import type { Operation } from './daemon.ts';
import { SessionFiles, sessionsIn, statusOf } from './files.ts';
import { Network } from './network.ts';
import { RequestLimits } from './request-limits.ts';
import { SimulatedStore } from './store.ts';
import { climateOf, Troubles } from './troubles.ts';
import { Truth } from './truth.ts';

const SESSIONS = ['u-+1', 'u-+2', 'w-+3'];
const NAMES = [...SESSIONS, 'u-+7', 'w-+8'];
const COMPUTERS_MAX = 3;
const ROUND_MS = 5_000;
const AUDIT_MS = 30_000;
/** Of the few files of a world a ledger that is written anew in time needs a part of this. */
const LEDGER_BYTES_MAX = 512 * 1024;
/** Events to come: timers and requests. */
const EVENTS_MAX = 5_000;
/** Longer than any of its backoffs and leases. */
const PATIENCE_MS = 1_800_000;

const SHORT_LEASE = {
  SESSION_LEASE_LOOK_INTERVAL: '3000',
  SESSION_LEASE_PERMISSION: '6000',
  SESSION_LEASE_TAKEOVER: '9000',
  SESSION_LEASE_POLL: '500',
};

export class RemoteWorld implements World {
  readonly #machine: Machine;
  readonly #truth: Truth;
  readonly #network: Network;
  readonly #stores = new Map<string, SimulatedStore>();
  readonly #computers: Computer[] = [];
  readonly #applications: Application[];
  readonly #troubles: Troubles;
  readonly #limits: RequestLimits;
  readonly #settings: Record<string, string>;

  constructor(machine: Machine, spared: readonly string[]) {
    this.#machine = machine;
    this.#network = new Network(machine);
    this.#limits = new RequestLimits(machine);
    this.#network.asked = (owner, operation, name) => this.#limits.asked(owner, operation, name);
    this.#truth = new Truth(() => this.#computers.map(({ cache }) => cache));
    this.#settings = {
      SESSION_STORAGE_TYPE: 'hybrid',
      SESSION_BACKUP_INTERVAL: String(machine.chance.pick([15_000, 60_000, 300_000])),
      ...(machine.once(2) ? SHORT_LEASE : {}),
    };
    machine.openBucket = (name) => this.#open(name);
    const count = 1 + machine.chance.below(COMPUTERS_MAX);
    for (let each = 0; each < count; each++) this.#addComputer();
    const climate = climateOf(machine, spared);
    machine.schedule(AUDIT_MS, () => this.#audit(), null);
    machine.trace.add(
      `remote world, ${count} computers, ${JSON.stringify(this.#settings)}, ${JSON.stringify(climate)}`,
    );
    for (const computer of this.#computers) computer.start(false);
    const parts = { machine, truth: this.#truth, computers: this.#computers, names: NAMES, spared };
    const users = machine.once(3) ? [...SESSIONS, SESSIONS[0] as string] : SESSIONS;
    this.#applications = users.map(
      (session) => new Application(parts, session, machine.chance.pick(this.#computers)),
    );
    this.#troubles = new Troubles(machine, this.#truth, this.#network, this.#computers, climate);
  }

  /** What must not grow with time. */
  #audit(): void {
    const { pending } = this.#machine;
    if (pending > EVENTS_MAX) throw new Violation('timers are bounded', `${pending} events are to come`);
    for (const { cache, disk } of this.#computers) {
      const ledger = disk.resolve(`${cache}/bucket.log`);
      if (ledger?.kind === 'file' && ledger.size > LEDGER_BYTES_MAX)
        throw new Violation('the ledger is bounded', `${cache}/bucket.log has ${ledger.size} bytes`);
    }
    this.#machine.schedule(AUDIT_MS, () => this.#audit(), null);
  }

  check(): void {
    for (const computer of this.#computers) computer.check();
  }

  async finish(run: (untilMs: number) => Promise<void>): Promise<void> {
    const { machine } = { machine: this.#machine };
    machine.trace.add('nothing goes wrong any more');
    this.#troubles.end();
    for (const application of this.#applications) application.isPaused = true;
    const until = (what: string, isSo: () => boolean) => this.#until(run, what, isSo);
    await until('every daemon serves', () => this.#computers.every(({ isServing }) => isServing));
    // One after the other, so that each can open what it has and store it.
    for (const computer of this.#computers) await this.#stop(until, computer);
    const stored = new Map<string, ReadonlyMap<string, number>>();
    for (const computer of [...this.#computers, this.#addComputer()]) {
      this.#giveBucketBack(computer);
      computer.start(false);
      await until(`${computer.name} serves`, () => computer.isServing);
      const found = await this.#openAll(until, computer);
      let isStored = false;
      computer.flush('all', (done) => {
        isStored = done;
      });
      await until(`${computer.name} stores everything`, () => {
        if (!isStored) computer.flush('all', (done) => (isStored = done));
        return isStored;
      });
      this.#compare(computer, stored, found);
      for (const [session, files] of found) stored.set(session, files);
      const unsaved = await this.#stop(until, computer);
      if (unsaved > 0)
        throw new Violation('everything gets into the bucket', `${unsaved} files of ${computer.name} do not`);
    }
  }

  #giveBucketBack(computer: Computer): void {
    if (computer.bucketName === 'bucket-a') return;
    computer.useBucket('bucket-a');
    bringAlong(computer, this.#truth);
  }

  /** The last one is a fresh one: it finds exactly what the ones before it have left. */
  #compare(
    computer: Computer,
    stored: ReadonlyMap<string, ReadonlyMap<string, number>>,
    found: ReadonlyMap<string, ReadonlyMap<string, number>>,
  ): void {
    if (computer !== this.#computers.at(-1)) return;
    const tell = (all: ReadonlyMap<string, ReadonlyMap<string, number>>) =>
      [...all]
        .filter(([, files]) => files.size > 0)
        .map(([session, files]) => `${session}: ${JSON.stringify([...files].sort())}`)
        .sort()
        .join('\n');
    if (tell(stored) !== tell(found))
      throw new Violation(
        'a fresh machine restores what the last holder had',
        `it has\n${tell(found)}\ninstead of\n${tell(stored)}`,
      );
  }

  async #stop(until: Until, computer: Computer): Promise<number> {
    let unsaved: number | undefined;
    computer.isOff = true;
    computer.stop((files) => {
      unsaved = files;
    });
    await until(`${computer.name} stops`, () => unsaved !== undefined);
    return unsaved ?? 0;
  }

  /** Opens every session that there is. Resolves to what is found, by session. */
  async #openAll(until: Until, computer: Computer): Promise<Map<string, Map<string, number>>> {
    let names: string[] | undefined;
    this.#perform(computer, 'list', (operation) => {
      operation.run = (filesystem) =>
        statusOf(() => {
          names = sessionsIn(filesystem);
        });
    });
    await until(`${computer.name} lists its root`, () => names !== undefined);
    const found = new Map<string, Map<string, number>>();
    let open = 0;
    for (const session of names ?? []) {
      open++;
      this.#perform(computer, session, (operation) => {
        operation.run = (filesystem) =>
          statusOf(() => {
            const documents = observe(this.#truth, computer, new SessionFiles(filesystem, session));
            found.set(session, new Map([...(documents ?? [])].map(([name, { v }]) => [name, v])));
            open--;
          });
      });
    }
    await until(`${computer.name} opens ${names}`, () => open === 0);
    return found;
  }

  #perform(computer: Computer, title: string, define: (operation: Operation) => void): void {
    const operation: Operation = {
      title,
      unique: 0,
      run: () => 0,
      done: (status) => {
        if (status !== 0) throw new Violation('no call fails', `${title} on ${computer.name}: ${status}`);
      },
    };
    define(operation);
    computer.perform(operation);
  }

  async #until(run: (untilMs: number) => Promise<void>, what: string, isSo: () => boolean): Promise<void> {
    const lateMs = this.#machine.nowMs + PATIENCE_MS;
    while (!isSo()) {
      if (this.#machine.nowMs > lateMs) throw new Violation('everything comes to rest', `not so: ${what}`);
      await run(this.#machine.nowMs + ROUND_MS);
    }
    this.#machine.trace.add(`${this.#machine.nowMs.toFixed(1)} ${what}`);
  }

  #addComputer(): Computer {
    const computer = new Computer(`m${this.#computers.length}`, {
      machine: this.#machine,
      truth: this.#truth,
      settings: this.#settings,
      storeOf: (name) => this.#storeOf(name),
    });
    this.#computers.push(computer);
    return computer;
  }

  #open(name: string): SimulatedBucket {
    return new SimulatedBucket(this.#network, this.#storeOf(name), this.#machine.current as Process);
  }

  #storeOf(name: string): SimulatedStore {
    const known = this.#stores.get(name);
    if (known !== undefined) return known;
    const store = new SimulatedStore(this.#machine, name, (change) => this.#truth.changed(change));
    this.#stores.set(name, store);
    return store;
  }
}

type Until = (what: string, isSo: () => boolean) => Promise<void>;
