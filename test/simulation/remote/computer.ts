/** A machine with one mount: its disk, its daemons one after another, and what befalls them. */
import { SessionfsError } from '../../../src/lib/errors.ts';
import { SimulatedDisk } from '../platform/disk.ts';
import { type Machine, Process } from '../platform/machine.ts';
import { Violation } from '../violation.ts';
import { Daemon, type Operation } from './daemon.ts';
import type { SimulatedStore } from './store.ts';
import type { Truth } from './truth.ts';
import { View } from './view.ts';

export interface ComputerParts {
  machine: Machine;
  truth: Truth;
  settings: Readonly<Record<string, string>>;
  storeOf: (name: string) => SimulatedStore;
}

/** Log lines after which another mount's version may win. */
const YIELDS =
  /^(A session changed here and in the bucket|Another mount has taken a session over|Objects in the bucket were replaced)/;

export class Computer {
  readonly name: string;
  readonly disk: SimulatedDisk;
  readonly view: View;
  bucketName = 'bucket-a';
  daemon: Daemon | undefined;
  /** It has been told to stop, or to hand over: a supervisor tells it nothing else from then on, whenever it hears of it. */
  #leaving: Daemon | undefined;
  /** Not to be started by itself. */
  isOff = false;
  wallStepMs = 0;
  readonly #parts: ComputerParts;
  #daemons = 0;
  #unique = 2;
  #generation = 0;
  #restarts = 0;
  /** Of the present mount. */
  #unconfirmed = new Set<string>();
  /** About to be served without a word from the bucket. */
  readonly #blind = new Set<string>();

  constructor(name: string, parts: ComputerParts) {
    this.name = name;
    this.#parts = parts;
    this.disk = new SimulatedDisk(parts.machine, `/${name}`);
    this.disk.mkdir(`/${name}/mnt`, 0o755);
    this.disk.writeBack();
    this.view = new View(name, parts.truth);
  }

  get cache(): string {
    return `/${this.name}/cache`;
  }

  get store(): SimulatedStore {
    return this.#parts.storeOf(this.bucketName);
  }

  get isServing(): boolean {
    const { daemon } = this;
    if (daemon === undefined || daemon.process.dead || daemon === this.#leaving) return false;
    return daemon.state === 'serving' && daemon.process.pausedUntilMs <= this.#parts.machine.nowMs;
  }

  /** From the next start on. What was deleted with another bucket is still in this one. */
  useBucket(name: string): void {
    if (name !== this.bucketName) this.view.forgetAll();
    this.bucketName = name;
  }

  /** After each event: a process that died in the middle of something is found here. */
  check(): void {
    if (this.daemon?.process.dead === true) this.#buried(true);
  }

  start(takeover: boolean): void {
    this.isOff = false;
    if (!takeover) {
      this.#generation = 0;
      this.#restarts = 0;
      this.#unconfirmed.clear();
      this.#blind.clear();
      this.view.openedAll();
    }
    const process = new Process(`${this.name} d${++this.#daemons}`);
    process.wallStepMs = this.wallStepMs;
    this.#trace(`${process.name} starts${takeover ? ' and takes over' : ''}`);
    const daemon = this.#newDaemon(process, takeover);
    this.daemon = daemon;
    this.#within(daemon, () => {
      daemon.start().catch((error: unknown) => this.#startFailed(daemon, takeover, error));
    });
  }

  /** The daemon alone: another one takes over. */
  die(): void {
    if (this.daemon === undefined) return;
    this.disk.kill(this.daemon.process);
    this.#buried(true);
  }

  /** Everything that ran: the next mount is a new one, after a while. */
  crash(offMs: number): void {
    if (this.daemon !== undefined) this.disk.kill(this.daemon.process);
    this.#buried(false);
    this.#startLater(offMs, false);
  }

  cutPower(offMs: number): void {
    this.crash(offMs);
    this.disk.cutPower();
    if (this.disk.resolve(`/${this.name}/mnt`) === undefined) throw new Error('the mount point is gone');
    this.view.forgetAll();
    this.#trace('has no power');
  }

  /** An unmount. `done` hears how many files the bucket lacks. */
  stop(done: (unsaved: number) => void): void {
    const { daemon } = this;
    if (daemon === undefined || !this.isServing) return;
    const { store } = this;
    this.#trace(`${daemon.process.name} stops`);
    const known = this.view.known();
    this.#leaving = daemon;
    this.#within(daemon, () => {
      daemon.stop().then(
        (unsaved) => {
          this.#trace(`${daemon.process.name} has stopped, ${unsaved} files are not in the bucket`);
          this.disk.kill(daemon.process);
          this.daemon = undefined;
          if (unsaved === 0) this.#parts.truth.promise(store, this.#still(known));
          done(unsaved);
        },
        (error: unknown) => this.#failed('a daemon stops', daemon, error),
      );
    });
  }

  reload(): void {
    const { daemon } = this;
    if (daemon === undefined || !this.isServing) return;
    this.#trace(`${daemon.process.name} hands over`);
    this.#leaving = daemon;
    this.#within(daemon, () => {
      daemon.handOver().then(
        () => {
          daemon.buried();
          this.disk.kill(daemon.process);
          if (this.daemon === daemon) this.#startNext(true);
        },
        (error: unknown) => this.#failed('a daemon hands over', daemon, error),
      );
    });
  }

  perform(operation: Operation): void {
    const { daemon } = this;
    if (daemon === undefined || !this.isServing) operation.done('lost');
    else daemon.submit(operation);
  }

  giveUp(operation: Operation): void {
    const { daemon } = this;
    if (daemon !== undefined) this.#within(daemon, () => daemon.giveUp(operation));
  }

  /** As `echo … > .sessionfs/flush`. */
  flush(what: string, done: (stored: boolean) => void): void {
    const { daemon, store } = this;
    if (daemon === undefined || !this.isServing) return;
    const known = this.view.known();
    for (const path of known.keys()) if (what !== 'all' && !path.startsWith(`${what}/`)) known.delete(path);
    this.#trace(`${daemon.process.name} is to store ${what}`);
    this.#within(daemon, () => {
      void daemon.flush(what).then((stored) => {
        this.#trace(`${daemon.process.name} has ${stored ? 'stored' : 'not stored'} ${what}`);
        if (stored) this.#parts.truth.promise(store, this.#still(known), what === 'all' ? 'all' : 'one');
        done(stored);
      });
    });
  }

  /** What has not changed since: of anything else the next flush tells. */
  #still(known: ReadonlyMap<string, number>): Map<string, number> {
    const now = this.view.known();
    return new Map([...known].filter(([path, version]) => now.get(path) === version));
  }

  /** As an event of the daemon's: only then all that follows from it dies with it. */
  #within({ process }: Daemon, work: () => void): void {
    this.#parts.machine.schedule(0, work, process);
  }

  #newDaemon(process: Process, takeover: boolean): Daemon {
    const { machine, settings } = this.#parts;
    return new Daemon({
      machine,
      process,
      root: `/${this.name}`,
      settings: { ...settings, STORAGE_BUCKET: this.bucketName },
      takeover,
      generation: this.#generation++,
      restarts: this.#restarts,
      nextUnique: () => {
        this.#unique += 2;
        return this.#unique;
      },
      hearLog: (level, message, fields) => this.#hearLog(process, level, message, fields),
      news: (session, what) => this.#hearNews(session, what),
    });
  }

  #hearNews(session: string, what: 'absent' | 'restored'): void {
    const isBlind = this.#blind.delete(session);
    if (what === 'restored' && !isBlind) this.view.compared(this.store, session);
    this.view.opened(session, this.#unconfirmed.has(session) ? undefined : this.store);
  }

  #hearLog(
    process: Process,
    level: string,
    message: string,
    fields: Readonly<Record<string, unknown>>,
  ): void {
    if (level === 'debug' || level === 'info') this.#trace(`${process.name} ${level}: ${message}`);
    else this.#trace(`${process.name} ${level}: ${message} ${JSON.stringify(fields)}`);
    const session = String(fields.session ?? '');
    if (message.includes('is served from the cache, without knowing')) {
      this.#unconfirmed.add(session);
      this.#blind.add(session);
    }
    if (YIELDS.test(message)) {
      if (session !== '') this.view.yields(session);
      for (const name of (fields.objects as string[] | undefined) ?? []) this.view.yieldsObject(name);
    }
  }

  #startFailed(daemon: Daemon, takeover: boolean, error: unknown): void {
    if (daemon.process.dead || this.daemon !== daemon) return;
    if (!(error instanceof SessionfsError && error.code.startsWith('BUCKET_')))
      this.#failed('a daemon starts', daemon, error);
    this.#trace(`${daemon.process.name} cannot start: ${(error as Error).message}`);
    this.disk.kill(daemon.process);
    this.#startNext(takeover);
  }

  #failed(invariant: string, { process }: Daemon, error: unknown): void {
    if (process.dead) return;
    if (error instanceof Violation) throw error;
    throw new Violation(invariant, error instanceof Error ? (error.stack ?? '') : String(error));
  }

  #buried(startsAgain: boolean): void {
    const { daemon } = this;
    if (daemon === undefined) return;
    this.#trace(`${daemon.process.name} is dead`);
    // Before it served, and when it was to end, no supervisor kept the connection.
    const takesOver = daemon.state !== 'starting' && daemon.state !== 'ended';
    this.daemon = undefined;
    daemon.buried();
    if (startsAgain) this.#startNext(takesOver);
  }

  #startNext(takeover: boolean): void {
    this.daemon = undefined;
    this.#restarts++;
    this.#startLater(this.#parts.machine.between(20, 400), takeover);
  }

  #startLater(delayMs: number, takeover: boolean): void {
    this.#parts.machine.schedule(
      delayMs,
      () => {
        if (this.daemon === undefined && !this.isOff) this.start(takeover);
      },
      null,
    );
  }

  #trace(text: string): void {
    const { machine } = this.#parts;
    machine.trace.add(
      `${machine.nowMs.toFixed(1)} ${text.startsWith(this.name) ? '' : `${this.name} `}${text}`,
    );
  }
}
