/** Sessions that two processes of this machine write at a time: counted, logged, and kept for `.sessionfs/status.json`. */
import type { Clock } from '../../lib/clock.ts';
import type { FilesystemCounters } from '../../observe/filesystem-counters.ts';
import type { FileNode } from '../model/node.ts';
import type { Log } from '../model/options.ts';
import { type ProcessTable, SessionWriters, type WriterPair } from '../model/session-writers.ts';
import type { Tree } from '../model/tree.ts';

export interface SharedSession {
  readonly session: string;
  readonly processes: readonly { readonly pid: number; readonly command: string }[];
  /** When it was noticed, ISO 8601. */
  readonly since: string;
}

interface Parts {
  readonly tree: Tree;
  readonly clock: Clock;
  readonly counters: FilesystemCounters;
  readonly processes: ProcessTable;
  readonly log: Log;
}

const SHOWN_MAX = 10;

export class SharedSessions {
  readonly #parts: Parts;
  readonly #found = new Map<string, { pair: WriterPair; shared: SharedSession }>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Those of which both processes still live. */
  get present(): SharedSession[] {
    const { processes } = this.#parts;
    for (const [session, { pair }] of this.#found)
      if (!pair.every((each) => processes.lives(each))) this.#found.delete(session);
    return [...this.#found.values()].slice(-SHOWN_MAX).map(({ shared }) => shared);
  }

  /** `thread` wrote to `node`. Temporary files of a *.json count, they become one. */
  wrote(node: FileNode, thread: number): void {
    const { tree, clock, processes } = this.#parts;
    const folder = node.parent;
    if (folder === undefined || folder.parent !== tree.root || !node.name.includes('.json')) return;
    folder.writers ??= new SessionWriters();
    const pair = folder.writers.wrote(thread, clock.monotonicMs(), processes);
    if (pair !== undefined) this.#tell(folder.name, pair);
  }

  #tell(session: string, pair: WriterPair): void {
    const { clock, counters, log } = this.#parts;
    const processes = pair.map(({ pid, command }) => ({ pid, command }));
    const since = new Date(clock.wallMs()).toISOString();
    this.#found.delete(session);
    this.#found.set(session, { pair, shared: { session, processes, since } });
    counters.sharedSession();
    const message =
      'Two processes write one session in turns; each uses keys that the other has used, and the account may be logged out; stop one of them';
    log({ level: 'warn', message, fields: { session, processes } });
  }
}
