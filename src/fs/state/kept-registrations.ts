/** Keeps registrations before they are lost, seals them, and tells of them once they are. */
import type { Keyring } from '../../crypto/keyring.ts';
import { openSealed, type SealedMeta, sealedSize, sealInto } from '../../crypto/sealed-file.ts';
import type { Clock } from '../../lib/clock.ts';
import { type Errno, errnoOf, isDiskFull } from '../../lib/errno.ts';
import type { KeptVersions } from '../../store/set-aside/kept-versions.ts';
import type { FileSystemOptions, Log } from '../model/options.ts';
import { readRegistration } from '../model/registration.ts';
import type { Tree } from '../model/tree.ts';
import type { Contents } from './contents.ts';

/** Told to the main thread, which counts them and stores the version before in the bucket too. */
export interface StartedOver {
  session: string;
  how: 'replaced' | 'removed';
  /** The version before, in `<cachePath>/set-aside/`. */
  keptAs: string;
}

export interface Version {
  plain: Uint8Array;
  meta: SealedMeta;
}

export interface Kept {
  readonly keptAs: string;
  /** It was not kept already. */
  readonly isNew: boolean;
}

export interface LostCredentials {
  readonly session: string;
  readonly keptAs: string;
}

/** Of what finds that a registration is lost: in files, and in databases. */
export interface RegistrationParts {
  readonly contents: Contents;
  readonly options: FileSystemOptions;
  readonly clock: Clock;
  readonly tree: Tree;
  readonly kept: KeptRegistrations;
}

/** Registered credentials that others took the place of. */
interface Replacement {
  readonly keptAs: string;
  /** The others are no registration, so far. */
  readonly isFresh: boolean;
}

/** A logout removes the credentials, then the rest, then the folder: so long it is waited for, from the removal of the credentials. */
export const LOGOUT_MS = 5_000;

const REMOVED_HINT =
  'If this was no logout: stop the application, and bring them back with sessionfs restore DIR/SESSION.';
const HINT =
  'The version before is kept: sessionfs export writes it out, docs/operations.md says how to go on with it.';

export interface KeptRegistrationsParts {
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly log: Log;
  readonly kept: KeptVersions;
  readonly tell: (event: StartedOver) => void;
}

export class KeptRegistrations {
  readonly #parts: KeptRegistrationsParts;
  readonly #startedOver = new Map<string, Replacement>();
  #count = 0;

  constructor(parts: KeptRegistrationsParts) {
    this.#parts = parts;
  }

  /** How often an application started over, since this process began. */
  get count(): number {
    return this.#count;
  }

  /** Sessions of which an application started over, until they are registered again or gone, since this process began. */
  get startedOver(): LostCredentials[] {
    return [...this.#startedOver].map(([session, { keptAs }]) => ({ session, keptAs: this.locate(keptAs) }));
  }

  locate(keptAs: string): string {
    return this.#parts.kept.locate(keptAs);
  }

  /**
   * On stable storage on return. A change that failed after this, and is tried again, finds it kept: then it is not new. Throws
   * system errors.
   */
  keep(path: string, { plain, meta }: Version): Kept {
    const { keyring, clock, kept } = this.#parts;
    const newest = kept.list(path).at(-1);
    if (newest !== undefined && this.#holds(path, kept.read(newest), plain))
      return { keptAs: newest.name, isNew: false };
    const sealed = Buffer.allocUnsafe(sealedSize(plain.length));
    sealInto(sealed, 0, keyring, path, meta, plain);
    return { keptAs: kept.keep(path, sealed, clock.wallMs()), isNew: true };
  }

  /** It was a logout, or the registration is back. */
  drop({ isNew, keptAs }: Kept): void {
    if (isNew) this.#parts.kept.drop(keptAs);
  }

  /** `by`: the credentials that count from now on. */
  replaced(session: string, keptAs: string, by: Buffer | undefined): void {
    this.#count++;
    const isFresh = by !== undefined && readRegistration(by).kind !== 'registered';
    this.#startedOver.delete(session);
    this.#startedOver.set(session, { keptAs, isFresh });
    this.#parts.log({
      level: 'error',
      message: 'An application started over: the credentials of a registered account were replaced by others',
      fields: { session, keptAs: this.locate(keptAs), hint: HINT },
    });
    this.#parts.tell({ session, how: 'replaced', keptAs });
  }

  /** The session has these credentials. */
  seen(session: string, credentials: Buffer | undefined): void {
    if (this.#startedOver.get(session)?.isFresh !== true || credentials === undefined) return;
    if (readRegistration(credentials).kind === 'registered') this.#startedOver.delete(session);
  }

  /** The session's folder was removed, or has another name. */
  sessionMoved(session: string, to?: string): void {
    const replacement = this.#startedOver.get(session);
    this.#startedOver.delete(session);
    if (replacement !== undefined && to !== undefined) this.#startedOver.set(to, replacement);
  }

  removed(session: string, keptAs: string): void {
    this.#parts.log({
      level: 'warn',
      message:
        'The credentials of a registered account were removed, and other files of its session were not',
      fields: { session, keptAs: this.locate(keptAs), hint: REMOVED_HINT },
    });
    this.#parts.tell({ session, how: 'removed', keptAs });
  }

  /** What cannot be kept is not replaced. */
  refuse(file: string, error: unknown): Errno {
    const errno = errnoOf(error);
    const message =
      'An application starts over, and the registered credentials could not be kept: they are not replaced';
    // A full disk is logged where no room could be made.
    if (!isDiskFull(errno))
      this.#parts.log({ level: 'error', message, fields: { file, error: String(error) } });
    return errno;
  }

  /** A removal is never refused: it makes room. */
  cannotKeep(file: string, error: unknown): void {
    const message = 'Registered credentials were removed, and could not be kept';
    this.#parts.log({ level: 'error', message, fields: { file, error: String(error) } });
  }

  #holds(path: string, sealed: Buffer, plain: Uint8Array): boolean {
    try {
      return openSealed(this.#parts.keyring, path, sealed).plain.equals(plain);
    } catch {
      return false;
    }
  }
}
