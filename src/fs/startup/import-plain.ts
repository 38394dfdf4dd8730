/**
 * Takes plain sessions into the store before the mount is there. A session is one journal record: it is imported whole
 * or, when the disk is full, not at all.
 */

import type { Stats } from 'node:fs';
import { errnoName } from '../../lib/errno.ts';
import { SessionfsError } from '../../lib/errors.ts';
import { S_IFDIR, S_IFREG } from '../../lib/file-type.ts';
import { OpenDirectory, readExactly, within } from '../../lib/open-directory.ts';
import { isStorableName } from '../../naming/object-name.ts';
import { isGatedName, judgePieces } from '../model/json-gate.ts';
import { DirectoryNode, FileNode, type Node } from '../model/node.ts';
import { record } from '../operations/commit.ts';
import { needsMeta } from '../operations/directories.ts';
import type { Core } from '../state/core.ts';
import { importRefused, walkPlain } from './plain-sessions.ts';

export interface ImportReport {
  imported: string[];
  /** The store already has a session of that name: nothing of the plain one was taken. */
  skipped: SkippedSession[];
  files: number;
  /** Files that were left out, each with the reason. */
  refused: { file: string; reason: string }[];
}

export interface SkippedSession {
  name: string;
  /** When the newest file of each was last changed; null: the sealed one is in the bucket, or neither has a file. */
  plainModified: string | null;
  sealedModified: string | null;
  newer: 'plain' | 'sealed' | 'unknown';
}

interface Session {
  directories: { path: string; node: DirectoryNode }[];
  files: { path: string; node: FileNode; content: Buffer }[];
}

/**
 * Journaled on return, not yet synced: sync the journal before the plain files are moved. `folder`: the mount point's, by a path
 * that leads through no link of another user. Throws CACHE_NOT_WRITABLE when a session does not fit, and IMPORT_REFUSED for one
 * that is not its user's alone; those before it are imported.
 */
export function importPlainSessions(core: Core, folder: string, names: readonly string[]): ImportReport {
  const report: ImportReport = { imported: [], skipped: [], files: 0, refused: [] };
  if (names.length === 0) return report;
  within(OpenDirectory.open(folder), (directory) => importAll(core, directory, names, report));
  return report;
}

function importAll(core: Core, folder: OpenDirectory, names: readonly string[], report: ImportReport): void {
  for (const name of names) {
    const sealed = core.tree.root.children.get(name);
    if (sealed !== undefined) {
      report.skipped.push(
        skippedSession(name, latestPlainMs(folder, name), latestSealedMs(core, sealed, name)),
      );
      continue;
    }
    const session = readSession(core, folder, name, report);
    writeSession(core, name, session);
    report.imported.push(name);
    report.files += session.files.length;
  }
}

function skippedSession(name: string, plainMs: number, sealedMs: number): SkippedSession {
  const isKnown = plainMs > 0 && sealedMs > 0;
  return {
    name,
    plainModified: dateOf(plainMs),
    sealedModified: dateOf(sealedMs),
    newer: !isKnown ? 'unknown' : plainMs > sealedMs ? 'plain' : 'sealed',
  };
}

function dateOf(ms: number): string | null {
  return ms > 0 ? new Date(ms).toISOString() : null;
}

/** 0: it has no file. */
function latestPlainMs(folder: OpenDirectory, name: string): number {
  let latest = 0;
  walkPlain(folder, name, ({ fd, stats }) => {
    if (fd !== undefined) latest = Math.max(latest, stats.mtimeMs);
  });
  return latest;
}

/** 0: it has no file here. */
function latestSealedMs(core: Core, node: Node, path: string): number {
  if (node.kind === 'directory') {
    let latest = 0;
    for (const [name, child] of node.children)
      latest = Math.max(latest, latestSealedMs(core, child, `${path}/${name}`));
    return latest;
  }
  if (node.kind === 'file') core.contents.load(node, path);
  return node.mtimeSec * 1000 + node.mtimeNsec / 1e6;
}

/** Beyond it a session is no session; all of it is in memory until it is journaled. */
const SESSION_BYTES_MAX = 512 * 1024 * 1024;
const SESSION_ENTRIES_MAX = 200_000;

function readSession(core: Core, folder: OpenDirectory, name: string, report: ImportReport): Session {
  const session: Session = { directories: [], files: [] };
  const { owner, umask } = core.options;
  const folderOwner = folder.stat().uid;
  let bytes = 0;
  walkPlain(folder, name, ({ path, stats, fd }) => {
    if (!owner.ownsAll && stats.uid !== folderOwner && stats.uid !== owner.uid)
      throw importRefused(path, `belongs to user ${stats.uid}, and the mount point to ${folderOwner}`);
    if (session.directories.length + session.files.length >= SESSION_ENTRIES_MAX)
      throw importRefused(name, `has more than ${SESSION_ENTRIES_MAX} files and folders`);
    const { uid, gid } = owner.ownsAll ? owner : stats;
    const mode = stats.mode & 0o777 & ~umask;
    if (fd === undefined) {
      session.directories.push({ path, node: withTimes(new DirectoryNode(S_IFDIR | mode, uid, gid), stats) });
      return;
    }
    const content = readContent(core, path, fd, stats, report);
    if (content === undefined) return;
    bytes += content.length;
    if (bytes > SESSION_BYTES_MAX) throw importRefused(name, `is larger than ${SESSION_BYTES_MAX} bytes`);
    session.files.push({ path, node: withTimes(new FileNode(S_IFREG | mode, uid, gid), stats), content });
  });
  return session;
}

/** Undefined: it is left out, and the report says why. */
function readContent(
  core: Core,
  path: string,
  fd: number,
  { size }: Stats,
  report: ImportReport,
): Buffer | undefined {
  const { maxFileSize } = core.options;
  if (size > maxFileSize) {
    report.refused.push({ file: path, reason: `larger than the limit of ${maxFileSize} bytes` });
    return undefined;
  }
  const content = readExactly(fd, size);
  if (content === undefined) throw importRefused(path, 'was written while it was imported');
  const reason = refusal(path, content);
  if (reason !== undefined) report.refused.push({ file: path, reason });
  return reason === undefined ? content : undefined;
}

function refusal(path: string, content: Buffer): string | undefined {
  if (!isStorableName(path)) return 'its name is too long';
  if (!isGatedName(path) || judgePieces(content) !== 'incomplete') return undefined;
  return content.length === 0 ? 'empty' : 'not complete JSON';
}

function writeSession(core: Core, name: string, session: Session): void {
  const failed = record(core, () => {
    for (const { path, node } of session.directories) {
      core.records.makeDirectory(node, path, needsMeta(core, node, path));
    }
    for (const { path, node, content } of session.files) core.records.put(node, path, content);
  });
  if (failed !== 0) {
    throw new SessionfsError(
      'CACHE_NOT_WRITABLE',
      `cannot import the plain session ${name}: ${errnoName(failed)}`,
      {
        hint: 'Make room on the disk of the cache and start again; the plain files are untouched.',
      },
    );
  }
  for (const { path, node } of [...session.directories, ...session.files]) attach(core, path, node);
}

function attach(core: Core, path: string, node: Node): void {
  const slash = path.lastIndexOf('/');
  const parent = core.tree.resolve(slash < 0 ? '' : path.slice(0, slash));
  if (parent?.kind === 'directory') core.tree.attach(parent, path.slice(slash + 1), node);
}

function withTimes<T extends Node>(node: T, stats: Stats): T {
  const sec = Math.floor(stats.mtimeMs / 1000);
  const nsec = Math.floor((stats.mtimeMs - sec * 1000) * 1e6);
  node.mtimeSec = node.atimeSec = node.ctimeSec = sec;
  node.mtimeNsec = node.atimeNsec = node.ctimeNsec = nsec;
  return node;
}
