/** What the applications of one computer have found in its sessions, and what they must find there next. */
import { ownerCodec, ownerName } from '../../../src/lease/records/owner.ts';
import { seen } from '../../../src/lease/records/record.ts';
import { sessionOf } from '../../../src/naming/session-path.ts';
import { Violation } from '../violation.ts';
import type { SimulatedStore } from './store.ts';
import type { Truth } from './truth.ts';

/** By name of the file: its version, or its deletion. */
export type States = Map<string, number>;

interface SessionView {
  readonly states: States;
  /** exact: as it was left. lineage: an operation on it was cut off. opened: it came from the bucket, or another daemon opened it. */
  next: 'exact' | 'lineage' | 'opened';
  /** What must be found at least, since this computer had the lease when it opened the session. */
  atLeast: ReadonlyMap<string, number>;
  /** Another mount's version may have won since. */
  mayYield: boolean;
  /** What was deleted may be back from the bucket: without a ledger this computer cannot tell that it was this version. */
  mayReturn: boolean;
}

export class View {
  readonly #computer: string;
  readonly #truth: Truth;
  readonly #sessions = new Map<string, SessionView>();
  /** By bucket of which there was no ledger: sessions opened under their lease since. */
  readonly #compared = new Map<SimulatedStore, Set<string>>();

  constructor(computer: string, truth: Truth) {
    this.#computer = computer;
    this.#truth = truth;
  }

  /** Known as it is now. */
  known(): Map<string, number> {
    const all = new Map<string, number>();
    for (const [session, { states, next }] of this.#sessions)
      if (next === 'exact') for (const [file, version] of states) all.set(`${session}/${file}`, version);
    return all;
  }

  statesOf(session: string): States {
    return this.#of(session).states;
  }

  forgetAll(): void {
    this.#sessions.clear();
  }

  /** Nothing here tells which version of a session the bucket had when this computer last compared them. */
  hasNoLedger(store: SimulatedStore): void {
    this.forgetAll();
    this.#compared.set(store, new Set());
  }

  /** The session was opened under its lease: compared with the bucket. */
  compared(store: SimulatedStore, session: string): void {
    const compared = this.#compared.get(store);
    if (compared === undefined || compared.has(session)) return;
    compared.add(session);
    this.#of(session).mayReturn = true;
  }

  cutOff(session: string): void {
    const view = this.#of(session);
    if (view.next === 'exact') view.next = 'lineage';
  }

  /** `store`: undefined where the lease is not known to be this computer's. */
  opened(session: string, store: SimulatedStore | undefined): void {
    const view = this.#of(session);
    view.next = 'opened';
    view.atLeast =
      store !== undefined && this.#holds(store, session) ? this.#truth.promisesOf(store, session) : new Map();
  }

  openedAll(): void {
    for (const session of this.#sessions.keys()) this.opened(session, undefined);
  }

  yields(session: string): void {
    this.#of(session).mayYield = true;
  }

  yieldsObject(name: string): void {
    const session = sessionOf(name);
    if (session !== undefined && session !== '') this.yields(session);
  }

  /** Compares what is found with what must be. */
  found(store: SimulatedStore, session: string, found: ReadonlyMap<string, number>): void {
    const view = this.#of(session);
    for (const name of new Set([...view.states.keys(), ...found.keys()]))
      this.#compare(store, session, name, found.get(name));
    if (view.next === 'opened') this.#checkAtLeast(store, session, found);
    for (const [name, version] of found) view.states.set(name, version);
    for (const [name, version] of view.states)
      if (!found.has(name) && !this.#truth.lineage.isDeletion(version)) view.states.delete(name);
    view.next = 'exact';
    view.atLeast = new Map();
    view.mayYield = false;
    view.mayReturn = false;
  }

  #compare(store: SimulatedStore, session: string, name: string, found: number | undefined): void {
    const { states, next, mayYield, mayReturn } = this.#of(session);
    const path = `${session}/${name}`;
    const before = states.get(name);
    if (before === undefined) {
      if (next === 'exact' && found !== undefined)
        this.#fail('nothing appears by itself', `${path} has version ${found}, and was not there`);
      return;
    }
    const isDeletion = this.#truth.lineage.isDeletion(before);
    if (before === found || (isDeletion && found === undefined)) return;
    if (next !== 'exact' && this.#truth.follows(path, before, found)) return;
    if (next === 'opened' && (isDeletion ? mayYield || mayReturn : this.#truth.isKept(store, path, before)))
      return;
    if (next === 'opened' && this.#truth.replaces(path, before, found)) return;
    if (next === 'opened' && this.#truth.returns(store, path, before, found)) return;
    this.#fail(
      isDeletion ? 'what is deleted stays deleted' : 'nothing that was written is lost',
      `${path} was ${before}, and is ${found ?? 'nothing'} (${next})`,
    );
  }

  #checkAtLeast(store: SimulatedStore, session: string, found: ReadonlyMap<string, number>): void {
    for (const [path, version] of this.#of(session).atLeast) {
      const name = path.slice(session.length + 1);
      if (this.#truth.follows(path, version, found.get(name)) || this.#truth.isKept(store, path, version))
        continue;
      this.#fail(
        'a holder finds what was stored',
        `${path} is ${found.get(name) ?? 'nothing'}, stored was ${version}`,
      );
    }
  }

  #holds(store: SimulatedStore, session: string): boolean {
    const owner = store.objects.get(ownerName(session));
    return owner !== undefined && seen(owner, ownerCodec).record.name.startsWith(`${this.#computer}:`);
  }

  #of(session: string): SessionView {
    const known = this.#sessions.get(session);
    if (known !== undefined) return known;
    const view: SessionView = {
      states: new Map(),
      next: 'opened',
      atLeast: new Map(),
      mayYield: false,
      mayReturn: false,
    };
    this.#sessions.set(session, view);
    return view;
  }

  #fail(invariant: string, details: string): never {
    throw new Violation(invariant, `on ${this.#computer}: ${details}`);
  }
}
