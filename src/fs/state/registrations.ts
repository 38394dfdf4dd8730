/**
 * The alarm for an application that starts over: a session's creds.json goes from a registered account to another registration.
 * Baileys does that whenever it cannot read the file. The version before is kept, on stable storage, before the new one counts.
 * So is a registered version that is removed while other files of the session stay; if they go too, it was a logout.
 */
import type { Errno } from '../../lib/errno.ts';
import { belongsToCredentials, CREDS_BACKUP, sessionOfCreds } from '../../naming/session-path.ts';
import { type FileNode, NOT_COMMITTED } from '../model/node.ts';
import { goesOn, type Registration, readRegistration } from '../model/registration.ts';
import { metaOf } from './contents.ts';
import {
  type Kept,
  type KeptRegistrations,
  LOGOUT_MS,
  type LostCredentials,
  type Version as PlainVersion,
  type RegistrationParts,
} from './kept-registrations.ts';

/** A creds.json is about to become another version. */
export interface CredsChange {
  session: string;
  /** Of the new version where it is known to be as before. */
  registration: Registration | undefined;
  keptAs: string | undefined;
}

interface Version extends PlainVersion {
  plain: Buffer;
}

/** Registered credentials that were removed. */
interface Removal extends Kept {
  readonly session: string;
  readonly version: Version;
  /** On the monotonic clock. */
  readonly atMs: number;
  isTold: boolean;
}

/** Sessions between the two renames that replace a creds.json; one that stays there was left by its application. */
const MOVED_ASIDE_MAX = 256;

export class Registrations {
  readonly #parts: RegistrationParts;
  readonly #kept: KeptRegistrations;
  /** By the content that `Contents` has in memory: another version is another buffer. */
  readonly #known = new WeakMap<Buffer, Registration>();
  /** Registered versions that were renamed to a name beside: the next creds.json is what replaces them. */
  readonly #movedAside = new Map<string, Version>();
  readonly #removals = new Map<string, Removal>();

  constructor(parts: RegistrationParts) {
    this.#parts = parts;
    this.#kept = parts.kept;
  }

  /** Sessions with other files but without the credentials, which were removed, since this process began. */
  get lost(): LostCredentials[] {
    return [...this.#removals.values()]
      .filter(({ isTold }) => isTold)
      .map(({ session, keptAs }) => ({ session, keptAs: this.#kept.locate(keptAs) }));
  }

  /** A removal may turn out to be no logout: `settle` wants to be called. */
  get hasPending(): boolean {
    return [...this.#removals.values()].some(({ isTold }) => !isTold);
  }

  /**
   * Before the record that makes `plain` the file `path`, in place of what `before` has. Returns what `changed` is to be
   * called with once it is committed; undefined: the path is no session's creds.json; an error: the version before could not
   * be kept, so it must not be replaced.
   */
  change(path: string, before: FileNode | undefined, plain: Buffer): CredsChange | Errno | undefined {
    const session = sessionOfCreds(path);
    if (session === undefined) return undefined;
    const change: CredsChange = { session, registration: undefined, keptAs: undefined };
    const old = this.#versionOf(before, path) ?? this.#replacedBy(session);
    const registration = old && this.#registrationOf(old.plain);
    if (old === undefined || registration?.kind !== 'registered') return change;
    if (goesOn(registration, plain)) return { ...change, registration };
    try {
      return { ...change, keptAs: this.#kept.keep(path, old).keptAs };
    } catch (error) {
      return this.#kept.refuse(path, error);
    }
  }

  /** The change was committed, and `node` has it now. */
  changed(node: FileNode, { session, registration, keptAs }: CredsChange): void {
    const content = this.#parts.contents.peek(node);
    if (content !== undefined && registration !== undefined) this.#known.set(content, registration);
    if (keptAs === undefined) {
      this.#forgetBefore(session);
      this.#kept.seen(session, content);
      return;
    }
    this.#movedAside.delete(session);
    this.#removals.delete(session);
    this.#kept.replaced(session, keptAs, content);
  }

  /**
   * Before the record that removes `node`, the file `path`: keeps registered credentials while other files of the session stay.
   * Returns what `removed` is to be called with once that is committed. A removal is never refused: it makes room.
   */
  removal(path: string, node: FileNode): Removal | undefined {
    const session = sessionOfCreds(path);
    if (session === undefined || !this.#hasKeys(session)) return undefined;
    const version = this.#versionOf(node, path);
    if (version === undefined || this.#registrationOf(version.plain).kind !== 'registered') return undefined;
    try {
      const atMs = this.#parts.clock.monotonicMs();
      return { session, version, ...this.#kept.keep(path, version), atMs, isTold: false };
    } catch (error) {
      this.#kept.cannotKeep(path, error);
      return undefined;
    }
  }

  removed(removal: Removal): void {
    this.#removals.set(removal.session, removal);
  }

  /** Tells of credentials that were removed, once that is no logout. Call it every now and then while there is something pending. */
  settle(): void {
    const { clock } = this.#parts;
    for (const removal of this.#removals.values()) {
      if (removal.isTold || clock.monotonicMs() - removal.atMs < LOGOUT_MS) continue;
      const { session, keptAs } = removal;
      if (!this.#hasKeys(session)) {
        this.#forgetBefore(session);
        continue;
      }
      removal.isTold = true;
      this.#kept.removed(session, keptAs);
    }
  }

  /** `node` was renamed from `path` to a name in the same folder, with this content. */
  movedAside(path: string, node: FileNode, plain: Buffer): void {
    const session = sessionOfCreds(path);
    if (session === undefined || this.#registrationOf(plain).kind === 'none') return;
    this.#movedAside.set(session, { plain, meta: metaOf(node, this.#parts.options.owner) });
    const [oldest] = this.#movedAside.keys();
    if (this.#movedAside.size > MOVED_ASIDE_MAX && oldest !== undefined) this.#movedAside.delete(oldest);
  }

  /** A top-level folder was removed, and what is made in its place has nothing to do with it. */
  folderRemoved(session: string): void {
    this.#forgetBefore(session);
    this.#kept.sessionMoved(session);
  }

  /** The credentials are as they were, or the session is gone. */
  #forgetBefore(session: string): void {
    this.#movedAside.delete(session);
    const removal = this.#removals.get(session);
    this.#removals.delete(session);
    if (removal !== undefined) this.#forget(removal);
  }

  /** Folders were renamed, in one step: what is remembered of top-level ones goes along. What was kept stays. */
  foldersMoved(moves: readonly { from: string; to: string }[]): void {
    const known = moves.map(({ from, to }) => ({
      from,
      to,
      aside: this.#movedAside.get(from),
      removal: this.#removals.get(from),
    }));
    for (const { from } of moves) {
      this.#movedAside.delete(from);
      this.#removals.delete(from);
    }
    for (const { from, to, aside, removal } of known) {
      this.folderRemoved(to);
      this.#kept.sessionMoved(from, to.includes('/') ? undefined : to);
      if (to.includes('/')) continue;
      if (aside !== undefined) this.#movedAside.set(to, aside);
      if (removal !== undefined) this.#removals.set(to, { ...removal, session: to });
    }
  }

  /** It was a logout, or the credentials are back: what was kept for it goes, unless it was told of. */
  #forget(removal: Removal): void {
    if (!removal.isTold) this.#kept.drop(removal);
  }

  #replacedBy(session: string): Version | undefined {
    const removal = this.#removals.get(session);
    if (removal !== undefined && this.#hasKeys(session)) return removal.version;
    return this.#movedAside.get(session) ?? this.#backupOf(session);
  }

  /** What an application may have renamed the credentials to before an earlier daemon died. */
  #backupOf(session: string): Version | undefined {
    const path = `${session}/${CREDS_BACKUP}`;
    const backup = this.#parts.tree.resolve(path);
    return backup?.kind === 'file' ? this.#versionOf(backup, path) : undefined;
  }

  /** Whether the session has files besides its credentials and what belongs to them. */
  #hasKeys(session: string): boolean {
    const folder = this.#parts.tree.root.children.get(session);
    if (folder?.kind !== 'directory') return false;
    for (const child of folder.children.values())
      if (!(child.kind === 'file' && child.hidden) && !belongsToCredentials(child.name)) return true;
    return false;
  }

  #versionOf(node: FileNode | undefined, path: string): Version | undefined {
    if (node === undefined || node.segment === NOT_COMMITTED || node.isSymlink) return undefined;
    const plain = this.#parts.contents.read(node, path);
    // What does not open is kept by the checkpoint (OpFlag.KEEP_OLD).
    return typeof plain === 'number' ? undefined : { plain, meta: metaOf(node, this.#parts.options.owner) };
  }

  #registrationOf(plain: Buffer): Registration {
    const registration = this.#known.get(plain) ?? readRegistration(plain);
    this.#known.set(plain, registration);
    return registration;
  }
}
