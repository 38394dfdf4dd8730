/**
 * SQLite databases on their way to the bucket. What is stored under a database's name is its image: one file of one instant, with
 * everything folded in that lies beside it in the mount. The files beside it are no objects.
 */
import { rm } from 'node:fs/promises';
import { imageName } from '../../naming/image-name.ts';
import { fromObjectName, toObjectName } from '../../naming/object-name.ts';
import { asCompanion } from '../../sqlite/companions.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { ObjectEntry } from '../ledger/object-entry.ts';

export interface MadeImages {
  /** Paths of databases whose image lies in the cache, sealed: the one that is there is kept where it has the same content. */
  readonly made: readonly string[];
  /** Paths of databases of which none could be made, and why. */
  readonly failed: ReadonlyMap<string, Error>;
  /** Those of the files that lie beside a database. */
  readonly companions: readonly string[];
}

/** `remote/` implements it: sync has no key. */
export interface DatabaseImages {
  /** Makes the image, as of now, of each database that is, or lies beside, one of these files of the mount. */
  make(paths: readonly string[]): Promise<MadeImages>;
}

/** The object is gone, or is a database no more. */
export async function removeImage(locate: (name: string) => string, objectName: string): Promise<void> {
  await rm(locate(imageName(objectName)), { force: true });
}

export interface ToUpload {
  readonly entry: ObjectEntry;
  /** What is stored in place of the file. `change`: the entry's, from before it was made. */
  readonly image: { readonly file: string; readonly change: number } | undefined;
}

export interface FoldParts {
  ledger: Ledger;
  databases: DatabaseImages;
  locate: (name: string) => string;
}

/**
 * What of these changed files is to be uploaded, and from where. `failed` gets the databases that cannot be: they stay dirty, as
 * does what changes meanwhile.
 */
export async function foldDatabases(
  { ledger, databases, locate }: FoldParts,
  changed: readonly ObjectEntry[],
  failed: Error[],
): Promise<ToUpload[]> {
  const paths = changed.flatMap(({ name }) => pathOf(name) ?? []);
  if (paths.length === 0) return changed.map(asItIs);
  const before = new Changes(ledger, changed, paths);
  const { made, failed: failures, companions } = await databases.make(paths);
  failed.push(...failures.values());
  const stored: ToUpload[] = [];
  for (const name of [...made, ...failures.keys()].map(nameOf)) {
    const change = before.noteChanged(name);
    const entry = ledger.get(name);
    if (change === undefined || entry?.local !== 'changed' || failures.has(pathOf(name) ?? '')) continue;
    stored.push({ entry, image: { file: locate(imageName(name)), change } });
  }
  for (const path of companions) before.noteCompanion(path);
  const isDone = new Set([...made, ...failures.keys(), ...companions].map(nameOf));
  return [...changed.filter(({ name }) => !isDone.has(name)).map(asItIs), ...stored];
}

function asItIs(entry: ObjectEntry): ToUpload {
  return { entry, image: undefined };
}

/** What the ledger knew before the databases were looked at. */
class Changes {
  readonly #ledger: Ledger;
  readonly #changes = new Map<ObjectEntry, number>();

  constructor(ledger: Ledger, changed: readonly ObjectEntry[], paths: readonly string[]) {
    this.#ledger = ledger;
    for (const entry of changed) this.#changes.set(entry, entry.change);
    for (const path of paths) {
      const database = asCompanion(path)?.database;
      const entry = database && ledger.get(nameOf(database));
      if (entry) this.#changes.set(entry, entry.change);
    }
  }

  /**
   * A database changes with what lies beside it. Returns what its entry's `change` is for what was looked at; undefined: the cache
   * does not have the database yet, or the ledger has heard of it only now.
   */
  noteChanged(name: string): number | undefined {
    const entry = this.#ledger.get(name);
    const before = entry && this.#changes.get(entry);
    if (entry === undefined || before === undefined) return undefined;
    if (entry.local !== 'same' || entry.change !== before) return before;
    this.#ledger.touched(entry);
    return entry.change;
  }

  /** It is no object: that something changed is noted of its database now. */
  noteCompanion(path: string): void {
    const ledger = this.#ledger;
    const entry = ledger.get(nameOf(path));
    const name = nameOf(asCompanion(path)?.database ?? '');
    this.noteChanged(name);
    const database = ledger.get(name);
    const isNoted = database?.local === 'changed' && this.#changes.has(database);
    if (entry !== undefined && isNoted && this.#changes.get(entry) === entry.change) ledger.noObject(entry);
  }
}

function nameOf(path: string): string {
  return toObjectName(path, 'file');
}

/** Undefined for the attributes of a folder. */
function pathOf(objectName: string): string | undefined {
  const identity = fromObjectName(objectName);
  return identity?.directoryMeta === false ? identity.path : undefined;
}
