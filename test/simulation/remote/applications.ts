/**
 * Bots: each has a session, and runs on one computer, sometimes on another one. It writes keys, and credentials that name them by
 * their versions, deletes keys, logs out, renames its session, and reads all of it before each.
 */
import { Errno } from '../../../src/lib/errno.ts';
import type { Machine } from '../platform/machine.ts';
import { Violation } from '../violation.ts';
import type { Computer } from './computer.ts';
import type { Filesystem, Operation } from './daemon.ts';
import { SessionFiles, statusOf } from './files.ts';
import type { Document, Truth } from './truth.ts';

type Habit = 'key' | 'creds' | 'both' | 'delete' | 'logout' | 'read' | 'rename' | 'flush' | 'move' | 'rest';

const HABITS: readonly (readonly [weight: number, habit: Habit])[] = [
  [6, 'key'],
  [6, 'creds'],
  [6, 'both'],
  [4, 'delete'],
  [1, 'logout'],
  [4, 'read'],
  [1, 'rename'],
  [3, 'flush'],
  [1, 'move'],
  [2, 'rest'],
];
const WEIGHTS = HABITS.reduce((sum, [weight]) => sum + weight, 0);
const KEYS = 5;
const NEEDED_MAX = 3;
const CREDS = 'creds.json';
const PATIENCE_MS = 120_000;
const REST_MS = 60_000;

export interface ApplicationParts {
  machine: Machine;
  truth: Truth;
  computers: readonly Computer[];
  /** Names that sessions may be renamed to. */
  names: readonly string[];
  spared: readonly string[];
}

export class Application {
  /** While true it begins nothing. */
  isPaused = false;
  session: string;
  computer: Computer;
  readonly #parts: ApplicationParts;
  readonly #paceMs: number;

  constructor(parts: ApplicationParts, session: string, computer: Computer) {
    this.#parts = parts;
    this.session = session;
    this.computer = computer;
    this.#paceMs = parts.machine.chance.pick([200, 2_000, 10_000]);
    this.#later();
  }

  #later(restMs = 0): void {
    const { machine } = this.#parts;
    machine.schedule(restMs + 10 + machine.chance.below(2 * this.#paceMs), () => this.#act(), null);
  }

  #act(): void {
    const { machine, computers } = this.#parts;
    if (this.isPaused || !this.computer.isServing) {
      // As an orchestrator does, when a machine is away for long.
      if (!this.isPaused && machine.once(40)) this.computer = machine.chance.pick(computers);
      this.#later(500);
      return;
    }
    const habit = this.#habit();
    if (habit === 'rest') this.#later(machine.chance.below(REST_MS));
    else if (habit === 'move') {
      this.computer = machine.chance.pick(computers);
      this.#later();
    } else if (habit === 'flush') this.#flush();
    else this.#perform(habit);
  }

  #habit(): Habit {
    let at = this.#parts.machine.chance.below(WEIGHTS);
    for (const [weight, habit] of HABITS) {
      if (at < weight) return this.#parts.spared.includes(habit) ? 'read' : habit;
      at -= weight;
    }
    return 'rest';
  }

  #flush(): void {
    const what = this.#parts.machine.once(2) ? 'all' : this.session;
    this.computer.flush(what, () => {});
    this.#later();
  }

  #perform(habit: Habit): void {
    const { machine } = this.#parts;
    const { computer, session } = this;
    let isDone = false;
    const operation: Operation = {
      title: `${habit} ${session}`,
      unique: 0,
      run: (filesystem) => this.#run(filesystem, computer, session, habit),
      done: (status) => {
        isDone = true;
        machine.trace.add(`${machine.nowMs.toFixed(1)} ${computer.name} ${habit} ${session}: ${status}`);
        if (status === 'lost') computer.view.cutOff(session);
        else if (typeof status === 'number' && status !== 0 && status !== Errno.ENOENT)
          throw new Violation('no call fails', `${habit} ${session} on ${computer.name}: ${status}`);
        this.#later();
      },
    };
    computer.perform(operation);
    machine.schedule(
      machine.chance.below(2 * PATIENCE_MS),
      () => {
        if (!isDone) computer.giveUp(operation);
      },
      null,
    );
  }

  #run(filesystem: Filesystem, computer: Computer, session: string, habit: Habit): number {
    const files = new SessionFiles(filesystem, session);
    return statusOf(() => {
      const found = observe(this.#parts.truth, computer, files);
      new Deed(this.#parts, computer, files, found === undefined).carryOut(habit, (renamed) => {
        if (this.session === session) this.session = renamed;
      });
    });
  }
}

/** Reads the whole session and compares it; undefined: there is none. */
export function observe(
  truth: Truth,
  computer: Computer,
  files: SessionFiles,
): Map<string, Document> | undefined {
  const { session } = files;
  const texts = files.read();
  const found = new Map<string, Document>();
  for (const [name, text] of texts ?? []) found.set(name, truth.check(`${session}/${name}`, text));
  const versions = new Map([...found].map(([name, { v }]) => [name, v]));
  computer.view.found(computer.store, session, versions);
  return texts && found;
}

/** What an application does in one go, to a session that it has just read. */
class Deed {
  readonly #parts: ApplicationParts;
  readonly #computer: Computer;
  readonly #files: SessionFiles;
  #isMissing: boolean;

  constructor(parts: ApplicationParts, computer: Computer, files: SessionFiles, isMissing: boolean) {
    this.#parts = parts;
    this.#computer = computer;
    this.#files = files;
    this.#isMissing = isMissing;
  }

  carryOut(habit: Habit, renamed: (session: string) => void): void {
    const { chance } = this.#parts.machine;
    switch (habit) {
      case 'key':
        this.#write(`key-${chance.below(KEYS)}.json`);
        break;
      case 'creds':
        this.#writeCreds();
        break;
      case 'both':
        this.#write(`key-${chance.below(KEYS)}.json`);
        this.#writeCreds();
        break;
      case 'delete':
        this.#delete();
        break;
      case 'logout':
        this.#logOut();
        break;
      case 'rename':
        this.#rename(renamed);
        break;
    }
  }

  #write(name: string, needs?: Record<string, number>): void {
    const { truth, machine } = this.#parts;
    if (this.#isMissing) this.#files.makeFolder();
    this.#isMissing = false;
    const path = `${this.#files.session}/${name}`;
    const v = truth.lineage.write(path, this.#states.get(name), truth.knownTo(this.#computer, path));
    const filler = 'x'.repeat(machine.chance.below(200));
    this.#files.write(name, JSON.stringify({ v, ...(needs && { needs }), filler }));
    this.#states.set(name, v);
  }

  #writeCreds(): void {
    const keys = this.#present.filter(([name]) => name !== CREDS);
    const needed = keys.filter(() => this.#parts.machine.once(2)).slice(0, NEEDED_MAX);
    this.#write(CREDS, Object.fromEntries(needed));
  }

  #delete(): void {
    const keys = this.#present.filter(([name]) => name !== CREDS);
    if (keys.length === 0) return;
    const [name] = this.#parts.machine.chance.pick(keys);
    this.#remove(name);
  }

  #logOut(): void {
    if (this.#isMissing) return;
    for (const [name] of this.#present) this.#remove(name);
    this.#files.removeFolder();
  }

  #remove(name: string): void {
    const version = this.#states.get(name) as number;
    // Noted first: a daemon may die in the call.
    const path = `${this.#files.session}/${name}`;
    const deletion = this.#parts.truth.lineage.delete(this.#computer.name, path, version);
    this.#files.remove(name);
    this.#states.set(name, deletion);
  }

  #rename(renamed: (session: string) => void): void {
    const { truth, machine, names } = this.#parts;
    const { session } = this.#files;
    const newName = machine.chance.pick(names);
    const target = new SessionFiles(this.#files.filesystem, newName);
    if (this.#isMissing || newName === session) return;
    if (target.read() !== undefined) return;
    const moved = this.#present;
    const before = this.#computer.view.statesOf(newName);
    for (const [name, version] of moved) {
      const path = `${newName}/${name}`;
      truth.lineage.place(path, before.get(name), version, truth.knownTo(this.#computer, path));
    }
    const deletions = moved.map(([name, version]) =>
      truth.lineage.delete(this.#computer.name, `${session}/${name}`, version, `${newName}/${name}`),
    );
    this.#files.renameTo(newName);
    for (const [index, [name, version]] of moved.entries()) {
      this.#states.set(name, deletions[index] as number);
      this.#computer.view.statesOf(newName).set(name, version);
    }
    renamed(newName);
  }

  get #states(): Map<string, number> {
    return this.#computer.view.statesOf(this.#files.session);
  }

  get #present(): [string, number][] {
    return [...this.#states].filter(([, version]) => !this.#parts.truth.lineage.isDeletion(version));
  }
}
