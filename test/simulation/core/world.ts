/**
 * Journal, checkpoint and filesystem core: one mount on one disk, its applications, its daemons one after another, and what
 * befalls them.
 */
import type { ModelFile, ModelNode } from '../../fs/reference-model.ts';
import { SimulatedDisk } from '../platform/disk.ts';
import { type Machine, Process, ProcessDied } from '../platform/machine.ts';
import { Violation } from '../violation.ts';
import type { World } from '../world.ts';
import { Applications } from './applications.ts';
import { expected, tell } from './calls.ts';
import { CACHE, Daemon, DISK } from './daemon.ts';
import { differences, type History, modelOf, type State, stateOf } from './history.ts';
import { Kernel } from './kernel.ts';
import { observe } from './observe.ts';
import { type Climate, climateOf, type Trouble, Troubles } from './troubles.ts';

const APPLICATIONS = 3;
const GATE_IDLE_MS = 10_000;
/** The files of a folder rest together, which takes six times as long at most (src/fs/operations/pending.ts). */
const GIVEN_UP_MS = 6 * GATE_IDLE_MS + 2_000;
/** Until everything incomplete is given up, and more. */
const QUIET_MS = 30_000;
const OLD_DEVICE_MS = 5_000;

export class CoreWorld implements World {
  readonly #machine: Machine;
  readonly #climate: Climate;
  readonly #disk: SimulatedDisk;
  readonly #kernel: Kernel;
  readonly #applications: Applications;
  readonly #troubles: Troubles;
  readonly #segmentBytes: number;
  #daemons = 0;
  /** Daemons that this connection has had, those that did not start included. */
  #generation = 0;
  /** A daemon died while it gave up what was incomplete: how far it came is unknown. */
  #diedIdle = false;
  /** Something changes what is mounted; other troubles wait. */
  #isBusy = false;

  constructor(machine: Machine, spared: readonly string[]) {
    this.#machine = machine;
    this.#climate = climateOf(machine, spared);
    this.#disk = new SimulatedDisk(machine, DISK);
    this.#segmentBytes = machine.between(2_000, 40_000);
    this.#kernel = new Kernel(machine);
    this.#kernel.repliesLost = this.#climate.deaths > 0 ? 400 : 0;
    this.#kernel.onDaemonEnded = (daemon) => {
      this.#kernel.daemon = undefined;
      this.#disk.kill(daemon.process);
      this.#start(true);
    };
    this.#troubles = new Troubles(machine, this.#disk, this.#climate, {
      befall: (trouble) => this.#befall(trouble),
      mayHarm: () => !this.#isBusy,
    });
    machine.trace.add(
      `core world, segments of ${this.#segmentBytes} bytes, ${JSON.stringify(this.#climate)}`,
    );
    this.#start(false);
    this.#applications = new Applications(machine, this.#kernel, APPLICATIONS);
    machine.schedule(OLD_DEVICE_MS, () => this.#writeBack(), null);
  }

  /** After each event. */
  check(): void {
    const { daemon, history } = this.#kernel;
    if (daemon === undefined) return;
    if (daemon.process.dead) {
      this.#died(daemon);
      return;
    }
    if (daemon.saysSynced && !this.#isBusy) history.promise(history.newest);
  }

  async finish(run: (untilMs: number) => Promise<void>): Promise<void> {
    const { trace } = this.#machine;
    trace.add('nothing goes wrong any more');
    this.#troubles.end();
    this.#endDeaths();
    await run(this.#machine.nowMs + QUIET_MS);
    // What is made anew lets the applications go on when it is at rest.
    for (let tries = 0; this.#isBusy && tries < 20; tries++) await run(this.#machine.nowMs + QUIET_MS);
    this.#applications.paused = true;
    for (let tries = 0; !this.#isQuiet && tries < 20; tries++) await run(this.#machine.nowMs + QUIET_MS);
    if (!this.#isQuiet)
      throw new Violation(
        'every call is answered',
        this.#kernel.unanswered.map(({ call }) => tell(call)).join('; '),
      );
    for (let tries = 0; this.#dirty > 0 && tries < 20; tries++) await run(this.#machine.nowMs + QUIET_MS);
    this.#compareAll('in the end');
    this.#checkJournalIsEmpty();
  }

  /** Also those that are due already. */
  #endDeaths(): void {
    this.#climate.deaths = 0;
    this.#kernel.repliesLost = 0;
    const { daemon } = this.#kernel;
    if (daemon !== undefined) daemon.process.operationsLeft = Number.POSITIVE_INFINITY;
  }

  get #isQuiet(): boolean {
    return !this.#isBusy && this.#kernel.isIdle && this.#kernel.daemon?.isServing === true;
  }

  #writeBack(): void {
    if (this.#machine.once(2)) this.#disk.writeBack();
    this.#machine.schedule(OLD_DEVICE_MS, () => this.#writeBack(), null);
  }

  /** A daemon is started, and again where that fails for what went wrong on the disk. */
  #start(takeover: boolean, started: (daemon: Daemon) => void = () => {}): void {
    const name = `daemon ${++this.#daemons}`;
    const process = new Process(name);
    const { trace } = this.#machine;
    const injectedBefore = this.#disk.injected;
    if (this.#climate.deaths > 0 && this.#machine.once(30))
      process.operationsLeft = this.#machine.chance.below(80);
    trace.add(`${this.#machine.nowMs.toFixed(3)} ${name} starts${takeover ? ' and takes over' : ''}`);
    try {
      this.#machine.as(process, () => {
        this.#prepareDisk();
        const daemon = new Daemon(this.#daemonParts(takeover), process);
        // What counts files at the start takes its death for an error of the disk, and passes it over.
        if (process.dead) throw new ProcessDied(name);
        this.#started(daemon, takeover);
        started(daemon);
      });
    } catch (error) {
      if (error instanceof Violation) throw error;
      if (!process.dead && this.#disk.injected === injectedBefore)
        throw new Violation('a daemon starts', (error as Error).stack ?? String(error));
      trace.add(`${name} cannot start: ${(error as Error).message}`);
      this.#disk.kill(process);
      this.#machine.schedule(200, () => this.#start(takeover, started), null);
    }
  }

  #daemonParts(takeover: boolean) {
    const { trace } = this.#machine;
    return {
      machine: this.#machine,
      kernel: this.#kernel,
      takeover,
      segmentBytes: this.#segmentBytes,
      generation: this.#generation++,
      hearLog: (level: string, message: string, fields: Readonly<Record<string, unknown>>) => {
        trace.add(`  ${level}: ${message} ${JSON.stringify(fields)}`);
        this.#hear(message, fields);
      },
    };
  }

  #prepareDisk(): void {
    if (this.#disk.resolve(`${DISK}/mnt`) !== undefined) return;
    this.#disk.mkdir(`${DISK}/mnt`, 0o755);
    this.#disk.writeBack();
  }

  #started(daemon: Daemon, takeover: boolean): void {
    if (takeover) {
      this.#undisturbed(daemon, () => this.#kernel.forgetUnheardOf(daemon));
      this.#kernel.takenOver(daemon);
    } else {
      this.#kernel.daemon = daemon;
      this.#kernel.pump();
    }
    if (this.#isBusy) return;
    if (this.#diedIdle && takeover) this.#letRest();
    this.#armDeath(daemon);
  }

  /** Dies in the middle of some operation of the disk, some time. */
  #armDeath(daemon: Daemon): void {
    const { deaths } = this.#climate;
    if (deaths === 0) return;
    this.#machine.schedule(
      this.#machine.chance.below(deaths),
      () => {
        if (this.#climate.deaths > 0) daemon.process.operationsLeft = this.#machine.chance.below(60);
      },
      daemon.process,
    );
  }

  #died(daemon: Daemon): void {
    this.#kernel.daemon = undefined;
    this.#machine.trace.add(`${daemon.process.name} is dead`);
    this.#diedIdle = this.#incomplete().length > 0;
    // In the middle of an unmount: the next mount goes on.
    if (this.#isBusy) {
      this.#reconnect('after a death in an unmount');
      return;
    }
    this.#machine.schedule(this.#machine.between(5, 80), () => this.#isBusy || this.#start(true), null);
  }

  /** Until everything incomplete is given up, by this daemon or the one before, and told or not. */
  #letRest(): void {
    this.#applications.paused = true;
    const incomplete = this.#incomplete();
    this.#machine.schedule(
      GATE_IDLE_MS + 2_000,
      () => {
        for (const file of incomplete) if (file.held) this.#kernel.model.giveUp(file);
        this.#applications.paused = false;
        this.#diedIdle = false;
      },
      null,
    );
  }

  #incomplete(): ModelFile[] {
    const found: ModelFile[] = [];
    const visit = (node: ModelNode): void => {
      if (node.kind === 'directory') for (const child of node.children.values()) visit(child);
      else if (node.held && this.#machine.nowMs - (this.#kernel.changedMs.get(node) ?? 0) >= GATE_IDLE_MS)
        found.push(node);
    };
    visit(this.#kernel.model.root);
    return found;
  }

  #hear(message: string, fields: Readonly<Record<string, unknown>>): void {
    if (message.startsWith('a folder cannot be read from the cache; files of it that were open before'))
      this.#kernel.notTakenOver(String(fields.folder));
    if (!message.startsWith('incomplete JSON was given up')) return;
    const path = String(fields.file);
    let at: ModelNode | undefined = this.#kernel.model.root;
    for (const name of path.split('/')) at = at?.kind === 'directory' ? at.children.get(name) : undefined;
    if (at === undefined || at.kind === 'directory' || !at.held) return;
    this.#kernel.model.giveUp(at);
  }

  #befall(trouble: Trouble): void {
    const { daemon } = this.#kernel;
    if (this.#isBusy || daemon === undefined || daemon.process.dead || !daemon.isServing) return;
    this.#machine.trace.add(`${this.#machine.nowMs.toFixed(3)} ${trouble}`);
    switch (trouble) {
      case 'death':
        daemon.die();
        break;
      case 'reload':
        this.#machine.as(daemon.process, () => daemon.handOver());
        break;
      case 'power cut':
        this.#loseMount(daemon, true);
        break;
      case 'new mount':
        this.#loseMount(daemon, false);
        break;
      case 'remount':
        if (this.#kernel.isIdle) void this.#remount(daemon);
        break;
      case 'audit':
        if (this.#kernel.isIdle) this.#compareAll('between calls');
        break;
    }
  }

  /** The machine stops, or all processes of the mount do. */
  #loseMount(daemon: Daemon, withPower: boolean): void {
    const { history } = this.#kernel;
    this.#isBusy = true;
    const answered = history.newest;
    this.#addWhatMayBeDone(history);
    if (!withPower) history.promise(answered);
    daemon.die();
    if (withPower) this.#disk.cutPower();
    this.#reconnect(withPower ? 'after a power cut' : 'after a restart');
  }

  /** A call without an answer may have been carried out; then its outcome is what a reader finds. */
  #addWhatMayBeDone(history: History): void {
    for (const { call } of this.#kernel.unanswered) {
      this.#machine.trace.add(`  perhaps done: ${tell(call)}`);
      expected(this.#kernel.model, call);
      history.add(stateOf(this.#kernel.model));
    }
  }

  #reconnect(when: string): void {
    const { history } = this.#kernel;
    // What is incomplete is given up while nobody looks, which takes room.
    this.#troubles.heal();
    this.#generation = 0;
    this.#kernel.connect(this.#kernel.model);
    this.#applications.paused = true;
    this.#machine.schedule(
      this.#machine.between(10, 500),
      () =>
        this.#start(false, (daemon) => {
          daemon.process.operationsLeft = Number.POSITIVE_INFINITY;
          this.#mustBeKnown(daemon, history, when);
          this.#machine.schedule(GIVEN_UP_MS, () => this.#settledAfter(when), null);
        }),
      null,
    );
  }

  #settledAfter(when: string): void {
    const { daemon, history } = this.#kernel;
    if (daemon === undefined || daemon.process.dead || !daemon.isServing) {
      this.#machine.schedule(1_000, () => this.#settledAfter(when), null);
      return;
    }
    const found = this.#mustBeKnown(daemon, history, `${when}, at rest`);
    history.restart(found);
    this.#kernel.connect(modelOf(found));
    this.#kernel.daemon = daemon;
    this.#diedIdle = false;
    this.#isBusy = false;
    this.#armDeath(daemon);
    this.#applications.paused = false;
    this.#applications.reconnected(APPLICATIONS);
  }

  #mustBeKnown(daemon: Daemon, history: History, when: string): State {
    const found = this.#observe(daemon);
    const lines = history.check(found);
    if (lines.length > 0)
      throw new Violation('nothing that was promised is lost', `${when}:\n${lines.join('\n')}`);
    return found;
  }

  #observe(daemon: Daemon): State {
    return this.#undisturbed(daemon, () => observe(daemon.filesystem));
  }

  #undisturbed<T>(daemon: Daemon, look: () => T): T {
    const { readEio } = this.#disk.faults;
    const { operationsLeft } = daemon.process;
    this.#disk.faults.readEio = 0;
    daemon.process.operationsLeft = Number.POSITIVE_INFINITY;
    try {
      return this.#machine.as(daemon.process, look);
    } finally {
      this.#disk.faults.readEio = readEio;
      daemon.process.operationsLeft = operationsLeft;
    }
  }

  async #remount(daemon: Daemon): Promise<void> {
    this.#isBusy = true;
    this.#applications.paused = true;
    const { history } = this.#kernel;
    history.promise(history.newest);
    const isEmpty = await this.#machine.as(daemon.process, () => daemon.stop());
    daemon.process.operationsLeft = Number.POSITIVE_INFINITY;
    this.#machine.trace.add(`unmounted, the journal is ${isEmpty ? 'empty' : 'not empty'}`);
    this.#disk.kill(daemon.process);
    this.#reconnect('after an unmount');
  }

  #compareAll(when: string): void {
    const { daemon, model } = this.#kernel;
    if (daemon === undefined) return;
    const lines = differences(this.#observe(daemon), stateOf(model));
    if (lines.length > 0)
      throw new Violation('readers find what was written', `${when}:\n${lines.join('\n')}`);
  }

  get #dirty(): number {
    return this.#kernel.daemon?.filesystem.dirtyFiles() ?? 0;
  }

  #checkJournalIsEmpty(): void {
    const journal = this.#disk.directory(`${CACHE}/journal`, 'check');
    const dirty = this.#dirty;
    if (dirty > 0)
      throw new Violation(
        'everything gets into the cache',
        `${dirty} files do not, ${journal.entries.size} segments are left`,
      );
  }
}
