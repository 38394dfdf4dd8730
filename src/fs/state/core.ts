/** What every part of the filesystem core works on. */
import type { Keyring } from '../../crypto/keyring.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Cache } from '../../store/cache/cache.ts';
import type { Invalidator } from '../contract.ts';
import type { DirectoryNode, FileNode, Node } from '../model/node.ts';
import type { FileSystemOptions, Log } from '../model/options.ts';
import type { OrphanStore } from '../model/orphans.ts';
import type { ScanBudget } from '../model/scan-budget.ts';
import type { Tree } from '../model/tree.ts';
import type { Contents } from './contents.ts';
import type { DatabaseRegistrations } from './database-registrations.ts';
import type { IncompleteJson } from './incomplete.ts';
import type { JournaledFiles } from './journaled-files.ts';
import type { KeptRegistrations } from './kept-registrations.ts';
import type { Records } from './records.ts';
import type { Registrations } from './registrations.ts';
import type { Remote } from './remote.ts';
import type { SharedSessions } from './shared-sessions.ts';

export interface Core {
  readonly tree: Tree;
  readonly contents: Contents;
  readonly records: Records;
  readonly cache: Cache;
  readonly registrations: Registrations;
  readonly databases: DatabaseRegistrations;
  readonly kept: KeptRegistrations;
  /** undefined: local mode, no bucket. */
  readonly remote: Remote | undefined;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly invalidator: Invalidator;
  readonly options: FileSystemOptions;
  readonly log: Log;
  /** Called at statfs(2) and at a lookup of WAKE_PATH: everything that the kernel sent before has been answered. */
  readonly woken: () => void;
  /** `.sessionfs`: not listed, reachable by name. */
  readonly control: DirectoryNode;
  /** The kernel's number of the request that is being carried out; 0: none. */
  request: number;
  /** See FileSystem.lastTry. */
  isLastTry: boolean;
  /** How many daemons served this kernel connection before. */
  readonly generation: number;
  /** Requests that an earlier server of this connection carried out, and may not have answered. */
  readonly executedBefore: ReadonlySet<number>;
  readonly journaled: JournaledFiles;
  readonly incomplete: IncompleteJson;
  readonly scanBudget: ScanBudget;
  /** Files that have a working copy and a name. */
  readonly pending: Set<FileNode>;
  readonly orphans: OrphanStore;
  readonly shared: SharedSessions;
}

/** The kernel asks for this again because the daemon that did it died before it could answer. */
export function isRepeated(core: Core): boolean {
  return core.request !== 0 && core.executedBefore.has(core.request);
}

export function findChild({ tree, control }: Core, parent: DirectoryNode, name: string): Node | undefined {
  return parent === tree.root && name === control.name ? control : parent.children.get(name);
}
