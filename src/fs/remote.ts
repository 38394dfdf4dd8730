/** What the core knows of the bucket in hybrid mode, and what it tells whoever restores sessions from it. */

/** Where a tree is built with a bucket behind it. */
export interface BucketView {
  /** Top-level directories whose content is (partly or wholly) still in the bucket. */
  absent: readonly string[];
  /** False: the bucket may hold top-level names that nobody has told yet. */
  namesKnown: boolean;
  /** The root may be listed although names are missing. */
  rootListable: boolean;
}

export type Urgency = 'new' | 'creds';
export type Question = 'status' | 'metrics' | 'flush';

/** Called in the middle of a request: none of them may call back into the core. */
export interface RemoteHost {
  /** Somebody waits for what is in this session; told once until it is restored. */
  wanted(session: string): void;
  /** A session folder was made, or its creds.json changed; told at most once per session until `rolled`. */
  urgent(session: string, why: Urgency): void;
  /** To be answered by HybridFileSystem.answer. `dirtyPaths`: files whose newest version is not in the cache yet. */
  ask(id: number, question: Question, argument: string, dirtyPaths: string[]): void;
}

const CREDS_SUFFIX = '/creds.json';

/** The session whose creds.json this is the path of, if it is one's. */
export function sessionOfCreds(path: string): string | undefined {
  if (!path.endsWith(CREDS_SUFFIX)) return undefined;
  const session = path.slice(0, -CREDS_SUFFIX.length);
  return session.includes('/') ? undefined : session;
}

export class Remote {
  readonly host: RemoteHost;
  readonly rootListable: boolean;
  /** Absent when the tree was built. */
  readonly absentAtStart: readonly string[];
  namesKnown: boolean;
  /** Absent sessions of which the kernel may keep names that it was told before they were absent. */
  readonly #known = new Set<string>();
  readonly #wanted = new Set<string>();
  readonly #urgent = new Set<string>();

  constructor({ absent, namesKnown, rootListable }: BucketView, host: RemoteHost) {
    this.host = host;
    this.absentAtStart = absent;
    this.namesKnown = namesKnown;
    this.rootListable = rootListable;
  }

  want(session: string): void {
    if (this.#wanted.has(session)) return;
    this.#wanted.add(session);
    this.host.wanted(session);
  }

  knownBefore(session: string): void {
    this.#known.add(session);
  }

  /** Answers whether the kernel may keep names of it that it was told before. */
  restored(session: string): boolean {
    this.#wanted.delete(session);
    return this.#known.delete(session);
  }

  /** Everything committed so far lies in closed segments, or will with the next record. */
  rolled(): void {
    this.#urgent.clear();
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
