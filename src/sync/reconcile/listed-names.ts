/** The names of a listing, to be asked for at its end. They come session by session: those of the sessions before are packed. */
import { folderOf } from '../../naming/object-name.ts';

/** No name has one. */
const SEPARATOR = '\n';

export class ListedNames {
  /** By session: what follows its folder in each name. */
  readonly #packed = new Map<string, string>();
  #session: string | undefined;
  #names = new Set<string>();
  #hasChanged = false;
  /** Of all names of the session. */
  #folderLength = 0;

  /** `session`: which the name belongs to. */
  add(name: string, session: string): void {
    this.#turnTo(session);
    this.#names.add(name.slice(this.#folderLength));
    this.#hasChanged = true;
  }

  has(name: string, session: string): boolean {
    this.#turnTo(session);
    return this.#names.has(name.slice(this.#folderLength));
  }

  #turnTo(session: string): void {
    if (session === this.#session) return;
    if (this.#session !== undefined && this.#hasChanged)
      this.#packed.set(this.#session, [...this.#names].join(SEPARATOR));
    const packed = this.#packed.get(session);
    this.#session = session;
    this.#names = new Set(packed?.split(SEPARATOR));
    this.#hasChanged = false;
    this.#folderLength = folderOf(session).length;
  }
}
