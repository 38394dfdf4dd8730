/**
 * rename(2) and its variants: one journal record, whatever it moves. A file is authenticated together with its path,
 * so everything that gets a new path is sealed again in that record.
 */
import { Errno } from '../../lib/errno.ts';
import { isStorableName } from '../../naming/object-name.ts';
import { backupOf } from '../../naming/session-path.ts';
import { RENAME_EXCHANGE, RENAME_NOREPLACE } from '../contract.ts';
import { isGatedName, judgePieces } from '../model/json-gate.ts';
import type { DirectoryNode, FileNode, Node, SpecialNode } from '../model/node.ts';
import { isInside } from '../model/tree.ts';
import { type Core, findChild, isRepeated } from '../state/core.ts';
import type { CredsChange } from '../state/registrations.ts';
import { touch, touchChange } from '../state/times.ts';
import { record, replaceWorkingCopy } from './commit.ts';
import { dropHiddenChildren, isEmpty, needsMeta, recordRemoval } from './directories.ts';
import { refuseName } from './namespace.ts';
import { contentForOrphan, makeOrphan } from './orphan.ts';

/** More than this is not sealed again in one go: the caller gets EXDEV, and mv(1) copies instead. */
const DIRECTORY_BYTES_MAX = 256 * 1024 * 1024;

interface Place {
  parent: DirectoryNode;
  name: string;
}

/** A file on its way to `path`, with what is to be its committed content there. */
interface MovedFile {
  node: FileNode;
  path: string;
  content: Buffer;
}

/** One node with everything below it, on its way from one place to another. */
interface Move {
  node: Node;
  from: Place;
  to: Place;
  oldPath: string;
  directories: { node: DirectoryNode; path: string }[];
  files: MovedFile[];
  /** Hidden files below a directory, FIFOs and sockets: only the journal knows of them. */
  journalOnly: { node: FileNode | SpecialNode; path: string }[];
  /** What the old names were, children before their parents. */
  removed: { path: string; isDirectory: boolean }[];
  /** Set where the move makes a session's creds.json another version. */
  creds: CredsChange | undefined;
  /** What is to be done once a database is moved, or replaced. */
  taken: (() => void) | undefined;
}

/** The node that the move replaces. */
interface Replaced {
  node: Node;
  path: string;
  /** For descriptors that are open on it. */
  orphan: Buffer | undefined;
}

export function rename(core: Core, from: Place, to: Place, flags: number): 0 | Errno {
  if (isRepeated(core)) return 0;
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) !== 0) return Errno.EINVAL;
  if (flags === (RENAME_NOREPLACE | RENAME_EXCHANGE)) return Errno.EINVAL;
  const node = findVisible(core, from);
  if (node === undefined) return Errno.ENOENT;
  const target = findVisible(core, to);
  const refused = refuseMove(core, node, from, to) || refuseMove(core, target, to, from);
  if (refused !== 0) return refused;
  if (flags === RENAME_EXCHANGE) {
    if (target === undefined) return Errno.ENOENT;
    return target === node ? 0 : exchange(core, node, target, from, to);
  }
  if (target === undefined) return replace(core, node, undefined, from, to);
  if (flags === RENAME_NOREPLACE) return Errno.EEXIST;
  return target === node ? 0 : refuseReplacement(node, target) || replace(core, node, target, from, to);
}

function findVisible(core: Core, place: Place): Node | undefined {
  const node = findChild(core, place.parent, place.name);
  return node?.kind === 'file' && node.hidden ? undefined : node;
}

function refuseMove(core: Core, node: Node | undefined, from: Place, to: Place): 0 | Errno {
  if (node?.kind === 'control' || node === core.control || from.parent === core.control) return Errno.EPERM;
  if (node === undefined) return 0;
  const refused = refuseName(core, to.parent, to.name, node.kind === 'directory' ? 'directory' : undefined);
  if (refused !== 0) return refused;
  return node.kind === 'directory' && isInside(to.parent, node) ? Errno.EINVAL : 0;
}

function refuseReplacement(node: Node, target: Node): 0 | Errno {
  if (target.kind !== 'directory') return node.kind === 'directory' ? Errno.ENOTDIR : 0;
  if (node.kind !== 'directory') return Errno.EISDIR;
  return isEmpty(target) ? 0 : Errno.ENOTEMPTY;
}

function replace(core: Core, node: Node, target: Node | undefined, from: Place, to: Place): 0 | Errno {
  const move = planMove(core, node, from, to);
  if (typeof move === 'number') return move;
  const replaced = replacedBy(core, target, to);
  if (typeof replaced === 'number') return replaced;
  return planCreds(core, move, target) || execute(core, [move], replaced);
}

function exchange(core: Core, a: Node, b: Node, placeA: Place, placeB: Place): 0 | Errno {
  const moveA = planMove(core, a, placeA, placeB);
  if (typeof moveA === 'number') return moveA;
  const moveB = planMove(core, b, placeB, placeA);
  if (typeof moveB === 'number') return moveB;
  return planCreds(core, moveA, b) || planCreds(core, moveB, a) || execute(core, [moveA, moveB], undefined);
}

/** A hidden file under the new name is replaced too, although no application sees it. */
function replacedBy(
  core: Core,
  target: Node | undefined,
  { parent, name }: Place,
): Replaced | undefined | Errno {
  const node = target ?? findChild(core, parent, name);
  if (node === undefined) return undefined;
  const path = core.tree.pathIn(parent, name);
  const orphan = target?.kind === 'file' ? contentForOrphan(core, target, path) : undefined;
  return typeof orphan === 'number' ? orphan : { node, path, orphan };
}

/** One journal record for all moves, then the tree. A failure leaves both as they were. */
function execute(core: Core, moves: readonly Move[], replaced: Replaced | undefined): 0 | Errno {
  const failed = record(core, () => {
    if (moves.every(isBackingUp)) core.records.withoutWaiting();
    if (replaced?.node.kind === 'directory') recordRemoval(core, replaced.node, replaced.path);
    // A FIFO or socket that comes puts no file in its place.
    else if (replaced !== undefined && moves.some(({ node }) => node.kind === 'special'))
      core.records.delete(replaced.path);
    for (const move of moves) addRemovals(core, move);
    for (const move of moves) addArrivals(core, move, replaced);
  });
  if (failed !== 0) return failed;
  if (replaced !== undefined) removeReplaced(core, replaced);
  for (const { node } of moves) core.tree.detach(node);
  for (const move of moves) arrive(core, move);
  for (const { to } of moves) touch(core, to.parent);
  for (const { from } of moves) touch(core, from.parent);
  for (const move of moves) {
    noteCreds(core, move);
    move.taken?.();
  }
  const folders = moves.flatMap(({ oldPath, directories: [moved] }) =>
    moved === undefined ? [] : [{ from: oldPath, to: moved.path }],
  );
  if (folders.length > 0) core.registrations.foldersMoved(folders);
  return 0;
}

/**
 * `NAME.json` becomes `NAME.json.bak`, and a new `NAME.json` is about to come. Until then the bucket has the same content under
 * the name before.
 */
function isBackingUp({ oldPath, files: [moved] }: Move): boolean {
  return moved?.path.includes('/') === true && moved.path === backupOf(oldPath);
}

function removeReplaced(core: Core, { node, orphan }: Replaced): void {
  if (node.kind === 'directory') dropHiddenChildren(core, node);
  if (node.kind === 'file' && node.hidden) node.dropped = true;
  core.tree.detach(node);
  if (node.kind === 'file') makeOrphan(core, node, orphan);
}

/** Only a file that is moved by itself replaces a creds.json: one that comes with its directory replaces nothing. */
function planCreds(core: Core, move: Move, target: Node | undefined): 0 | Errno {
  const [moved] = move.files;
  if (move.node.kind !== 'file' || moved === undefined) return 0;
  const old = target?.kind === 'file' ? target : undefined;
  const change = core.registrations.change(moved.path, old, moved.content);
  if (typeof change === 'number') return change;
  const taken = core.databases.beforeRename(move.node, move.to, old, moved.content);
  if (typeof taken === 'number') return taken;
  Object.assign(move, { creds: change, taken });
  return 0;
}

function noteCreds(core: Core, { node, from, to, oldPath, files, creds }: Move): void {
  const [moved] = files;
  if (node.kind !== 'file' || moved === undefined) return;
  if (creds !== undefined) core.registrations.changed(node, creds);
  if (from.parent === to.parent) core.registrations.movedAside(oldPath, node, moved.content);
}

/** Reads everything that must be sealed again, so that nothing can fail half-way. */
function planMove(core: Core, node: Node, from: Place, to: Place): Move | Errno {
  const oldPath = core.tree.pathIn(from.parent, from.name);
  const newPath = core.tree.pathIn(to.parent, to.name);
  const move: Move = {
    node,
    from,
    to,
    oldPath,
    directories: [],
    files: [],
    journalOnly: [],
    removed: [],
    creds: undefined,
    taken: undefined,
  };
  const nodes = node.kind === 'directory' ? [node, ...core.tree.below(node)] : [node];
  let bytes = 0;
  for (const each of nodes) {
    const eachOld = core.tree.pathOf(each);
    const path = newPath + eachOld.slice(oldPath.length);
    if (!isStorableName(path, each.kind === 'directory' ? 'directory' : undefined)) return Errno.ENAMETOOLONG;
    if (each.kind === 'directory') {
      move.directories.push({ node: each, path });
    } else if (each.kind === 'control') {
      continue;
    } else if (each.kind === 'special' || each.hidden) {
      move.journalOnly.push({ node: each, path });
    } else {
      const content = committedContent(core, each, eachOld, path);
      if (typeof content === 'number') return content;
      bytes += content.length;
      if (node.kind === 'directory' && bytes > DIRECTORY_BYTES_MAX) return Errno.EXDEV;
      move.files.push({ node: each, path, content });
    }
    move.removed.unshift({ path: eachOld, isDirectory: each.kind === 'directory' });
  }
  return move;
}

/** A plain working copy is committed by the rename. Incomplete content must not become a *.json that readers find. */
function committedContent(core: Core, node: FileNode, path: string, newPath: string): Buffer | Errno {
  // Loading may build the working copy.
  if (!core.contents.load(node, path)) return Errno.EIO;
  const { working } = node;
  const content =
    working !== undefined && node.state === 'plain' ? working.view() : core.contents.read(node, path);
  if (typeof content === 'number') return content;
  const passesGate = isGatedName(path) || node.isSymlink || !isGatedName(newPath);
  if (passesGate || judgePieces(content) !== 'incomplete') return content;
  core.incomplete.note(
    { outcome: 'rename-refused', file: newPath, from: path, bytes: content.length },
    'renaming incomplete JSON to a *.json was refused; the version before it stays',
  );
  return Errno.EIO;
}

function addRemovals(core: Core, move: Move): void {
  for (const { path, isDirectory } of move.removed) {
    if (isDirectory) core.records.removeDirectory(path);
    else core.records.delete(path);
  }
}

function addArrivals(core: Core, move: Move, replaced: Replaced | undefined): void {
  for (const { node, path } of move.directories) {
    core.records.makeDirectory(node, path, needsMeta(core, node, path));
    if (node.id !== 0) core.records.node(node, path);
  }
  for (const { node, path, content } of move.files) {
    const old = replaced?.path === path && replaced.node.kind === 'file' ? replaced.node : node;
    core.records.put(node, path, content, old);
  }
  for (const { node, path } of [...move.files, ...move.journalOnly]) {
    if (node.id !== 0) core.records.node(node, path);
    // A file that is begun and not complete lies in the journal under the old path.
    if (node.kind === 'file' && node.working?.isHeldBack && node.working.journaled)
      core.records.workSnapshot(node, path, node.working);
  }
}

function arrive(core: Core, move: Move): void {
  for (const { node, content } of move.files) {
    if (node.state === 'plain') replaceWorkingCopy(core, node, content, true);
  }
  core.tree.attach(move.to.parent, move.to.name, move.node);
  touchChange(core, move.node);
}
