/** What the core knows of the bucket in hybrid mode, and what it tells the main thread, which restores sessions from it. */

import { sessionOfCreds, sessionOfPath } from '../../naming/session-path.ts';
import type { Unstored } from '../contract.ts';

/** Where a tree is built with a bucket behind it. */
export interface BucketView {
  /** Top-level directories whose content is (partly or wholly) still in the bucket. */
  absent: readonly string[];
  /** False: the bucket may hold top-level names that the core has not been told yet. */
  namesKnown: boolean;
  /** The root may be listed although names are missing. */
  rootListable: boolean;
  /** Cloud mode: a change counts once it is in the bucket. */
  writeThrough?: boolean;
  /** Other mounts may make sessions in the same bucket at any time. */
  shared?: boolean;
}

export type Urgency = 'new' | 'creds';
export type Question = 'status' | 'metrics' | 'flush';

/** Called in the middle of a request: none of them may call back into the core. */
export interface RemoteHost {
  /** A call waits for what is in this session; told once until it is restored. */
  wanted(session: string): void;
  /** None of the calls that waited for it does any more. */
  unwanted(session: string): void;
  /** A call looks for a session of this name, which the tree lacks: HybridSessions.learnName is to follow. */
  nameWanted(name: string): void;
  /** A session folder was made, or its creds.json changed; told at most once per session until `rolled`. */
  urgent(session: string, why: Urgency): void;
  /** To be answered by HybridSessions.answer. `dirtyPaths`: files whose newest version is not in the cache yet. */
  ask(id: number, question: Question, argument: string, dirtyPaths: string[]): void;
}

/** A caller looks a folder up before it makes it: that it asks twice need not cost two requests. */
const NAME_VALID_MS = 3_000;
/** Files in the root are not looked for elsewhere. */
export function isNoSession(name: string): boolean {
  return name.startsWith('.') || name.endsWith('.json') || name.endsWith('.tmp');
}

export class Remote {
  readonly host: RemoteHost;
  readonly rootListable: boolean;
  readonly writeThrough: boolean;
  readonly shared: boolean;
  /** Absent when the tree was built. */
  readonly absentAtStart: readonly string[];
  namesKnown: boolean;
  /** While its calls are refused; see `refuse`. */
  refused: string | undefined;
  /** Absent sessions of which the kernel may keep names that it was told before they were absent. */
  readonly #known = new Set<string>();
  /** The requests that wait for a session, by their numbers. */
  readonly #wanted = new Map<string, Set<number>>();
  /** Names that were looked for, and when the bucket had none (or undefined: it has not said yet). */
  readonly #names = new Map<string, number | undefined>();
  readonly #urgent = new Set<string>();
  /** In cloud mode: sessions that changed on behalf of the request that is carried out. */
  readonly #unstored = new Set<string>();
  #unstoredCredentials = false;

  constructor(
    { absent, namesKnown, rootListable, writeThrough = false, shared = false }: BucketView,
    host: RemoteHost,
  ) {
    this.host = host;
    this.absentAtStart = absent;
    this.namesKnown = namesKnown;
    this.rootListable = rootListable;
    this.writeThrough = writeThrough;
    this.shared = shared;
  }

  /** `request`: the number of the one that waits for it. */
  want(session: string, request: number): void {
    const waiting = this.#wanted.get(session);
    if (waiting !== undefined) {
      waiting.add(request);
      return;
    }
    this.#wanted.set(session, new Set([request]));
    this.host.wanted(session);
  }

  /** This request waits for nothing any more. */
  interrupted(request: number): void {
    for (const [session, waiting] of this.#wanted) {
      if (!waiting.delete(request) || waiting.size > 0) continue;
      this.#wanted.delete(session);
      this.host.unwanted(session);
    }
  }

  /**
   * Calls that wait for it get EBUSY while `retry` carries all parked requests out again: those too that began to wait after
   * that was decided.
   */
  refuse(session: string, retry: () => void): void {
    this.refused = session;
    if (this.#wanted.delete(session)) this.host.unwanted(session);
    retry();
    this.refused = undefined;
  }

  /** Whether a name that is not in the root may have been made by another mount since it was last asked for. Asks. */
  mustAskFor(name: string, nowMs: number): boolean {
    if (!this.shared || isNoSession(name)) return false;
    const toldMs = this.#names.get(name);
    if (toldMs !== undefined && nowMs - toldMs < NAME_VALID_MS) return false;
    if (toldMs === undefined && this.#names.has(name)) return true;
    this.#names.set(name, undefined);
    this.host.nameWanted(name);
    return true;
  }

  /** What the bucket says of the name is known. */
  told(name: string, nowMs: number): void {
    for (const [other, toldMs] of this.#names)
      if (toldMs !== undefined && nowMs - toldMs >= NAME_VALID_MS) this.#names.delete(other);
    this.#names.set(name, nowMs);
  }

  knownBefore(session: string): void {
    this.#known.add(session);
  }

  /** Returns whether the kernel may keep names of it that it was told before. */
  restored(session: string): boolean {
    this.#wanted.delete(session);
    return this.#known.delete(session);
  }

  /** Everything committed so far lies in closed segments, or will with the next record. */
  rolled(): void {
    this.#urgent.clear();
  }

  /** A file or directory has a new version, or is gone. `forCaller`: a request waits for its answer. */
  changed(path: string, kind: 'file' | 'directory', forCaller: boolean): void {
    if (!this.writeThrough) return;
    if (forCaller) this.awaitStored(path, kind);
    else this.#hurry(sessionOfPath(path, kind), 'new');
  }

  /** The caller waits until what is at this path is stored, whether or not it changed. */
  awaitStored(path: string, kind: 'file' | 'directory'): void {
    if (!this.writeThrough) return;
    this.#unstored.add(sessionOfPath(path, kind));
    this.#unstoredCredentials ||= sessionOfCreds(path) !== undefined;
  }

  /** What the caller is to wait for. Forgets it. */
  takeUnstored(): Unstored | undefined {
    if (this.#unstored.size === 0) return undefined;
    const unstored = { sessions: [...this.#unstored], credentials: this.#unstoredCredentials };
    this.#unstored.clear();
    this.#unstoredCredentials = false;
    return unstored;
  }

  /** A directory of this name was made in the root. */
  sessionMade(session: string): void {
    this.#hurry(session, 'new');
  }

  /** Its creds.json has a new version, or is gone. */
  credsChanged(session: string): void {
    this.#hurry(session, 'creds');
  }

  #hurry(session: string, why: Urgency): void {
    if (this.#urgent.has(session)) return;
    this.#urgent.add(session);
    this.host.urgent(session, why);
  }
}
