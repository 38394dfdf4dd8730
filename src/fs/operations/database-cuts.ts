/**
 * SQLite databases as they are at one instant, with what was written and is not committed yet. This thread carries the writes
 * out one after the other: whatever it looks at between two of them is of one instant.
 */
import type { SealedMeta } from '../../crypto/sealed-file.ts';
import { systemError } from '../../lib/system-error.ts';
import {
  type Cut,
  type CutDatabase,
  cutDatabases,
  type FileSource,
  type OpenedFile,
} from '../../sqlite/cut.ts';
import type { FileNode } from '../model/node.ts';
import type { WorkingCopy } from '../model/working-copy.ts';
import { metaOf } from '../state/contents.ts';
import type { Core } from '../state/core.ts';

export type DatabasesCut = Cut<SealedMeta>;

/** The databases that are, or lie beside, one of these files. Every content is a copy, with its own memory. */
export function copyDatabases(core: Core, paths: readonly string[]): DatabasesCut {
  const { databases, companions } = cutDatabases(sourceOf(core), paths);
  return { databases: databases.map(copyOf), companions };
}

function sourceOf(core: Core): FileSource<SealedMeta> {
  return { open: (path) => open(core, path), sizeOf: (path) => sizeOf(core, path) };
}

/** What can be given to another thread without copying it again. */
export function memoryOf({ databases }: DatabasesCut): ArrayBuffer[] {
  return databases.flatMap(({ files: { database, log, journal } }) =>
    [database, log, journal].flatMap((each) => (each === undefined ? [] : [each.buffer as ArrayBuffer])),
  );
}

function copyOf({ files, ...others }: CutDatabase<SealedMeta>): CutDatabase<SealedMeta> {
  const copy = (content: Uint8Array) => new Uint8Array(content);
  return {
    ...others,
    files: {
      database: copy(files.database),
      log: files.log && copy(files.log),
      journal: files.journal && copy(files.journal),
    },
  };
}

/** Sessions that are not restored yet have their files here too. Throws EIO. */
function find(core: Core, path: string): FileNode | undefined {
  const node = core.tree.resolve(path);
  if (node?.kind !== 'file' || node.isSymlink || node.hidden) return undefined;
  if (!core.contents.load(node, path)) throw systemError('EIO', 'read', path);
  return node;
}

function sizeOf(core: Core, path: string): number | undefined {
  const node = find(core, path);
  return node && (visibleCopy(node)?.length ?? node.size);
}

/** Throws EIO. */
function open(core: Core, path: string): OpenedFile<SealedMeta> | undefined {
  const node = find(core, path);
  if (node === undefined) return undefined;
  const content = visibleCopy(node)?.view() ?? core.contents.read(node, path);
  if (typeof content === 'number') throw systemError('EIO', 'read', path);
  return { content, meta: metaOf(node, core.options.owner) };
}

function visibleCopy({ working }: FileNode): WorkingCopy | undefined {
  return working?.isHeldBack === false ? working : undefined;
}
