/**
 * Takes plain sessions into the store before the mount is there. A session is one journal record: it is imported whole
 * or, when the disk is full, not at all.
 */

import { lstatSync, readFileSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { errnoName } from '../../lib/errno.ts';
import { SessionfsError } from '../../lib/errors.ts';
import { S_IFDIR, S_IFREG } from '../../lib/file-type.ts';
import { isStorableName } from '../../naming/object-name.ts';
import { isGatedName, judgePieces } from '../model/json-gate.ts';
import { DirectoryNode, FileNode, type Node } from '../model/node.ts';
import { record } from '../operations/commit.ts';
import { needsMeta } from '../operations/directories.ts';
import type { Core } from '../state/core.ts';
import { walkPlain } from './plain-sessions.ts';

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
 * Journaled on return, not yet synced: sync the journal before the plain files are moved. Throws CACHE_NOT_WRITABLE
 * when a session does not fit; those before it are imported.
 */
export function importPlainSessions(core: Core, mountPoint: string, names: readonly string[]): ImportReport {
  const report: ImportReport = { imported: [], skipped: [], files: 0, refused: [] };
  for (const name of names) {
    const sealed = core.tree.root.children.get(name);
    if (sealed !== undefined) {
      report.skipped.push(
        skippedSession(name, latestPlainMs(mountPoint, name), latestSealedMs(core, sealed, name)),
      );
      continue;
    }
    const session = readSession(core, mountPoint, name, report);
    writeSession(core, name, session);
    report.imported.push(name);
    report.files += session.files.length;
  }
  return report;
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
function latestPlainMs(mountPoint: string, name: string): number {
  let latest = 0;
  for (const { path, isDirectory } of walkPlain(mountPoint, name))
    if (!isDirectory) latest = Math.max(latest, lstatSync(join(mountPoint, path)).mtimeMs);
  return latest;
}

/** 0: it has no file here. */
function latestSealedMs(core: Core, node: Node, path: string): number {
  if (node.kind === 'directory')
    return Math.max(
      0,
      ...[...node.children].map(([name, child]) => latestSealedMs(core, child, `${path}/${name}`)),
    );
  if (node.kind === 'file') core.contents.load(node, path);
  return node.mtimeSec * 1000 + node.mtimeNsec / 1e6;
}

function readSession(core: Core, mountPoint: string, name: string, report: ImportReport): Session {
  const session: Session = { directories: [], files: [] };
  for (const { path, isDirectory } of walkPlain(mountPoint, name)) {
    const stats = statSync(join(mountPoint, path));
    const { uid, gid } = core.options.owner.ownsAll ? core.options.owner : stats;
    if (isDirectory) {
      const node = new DirectoryNode(S_IFDIR | (stats.mode & 0o777 & ~core.options.umask), uid, gid);
      session.directories.push({ path, node: withTimes(node, stats) });
      continue;
    }
    const content = readFileSync(join(mountPoint, path));
    const reason = refusal(core, path, content);
    if (reason !== undefined) {
      report.refused.push({ file: path, reason });
      continue;
    }
    const node = new FileNode(S_IFREG | (stats.mode & 0o777 & ~core.options.umask), uid, gid);
    session.files.push({ path, node: withTimes(node, stats), content });
  }
  return session;
}

function refusal(core: Core, path: string, content: Buffer): string | undefined {
  if (!isStorableName(path)) return 'its name is too long';
  if (content.length > core.options.maxFileSize) {
    return `larger than the limit of ${core.options.maxFileSize} bytes`;
  }
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
