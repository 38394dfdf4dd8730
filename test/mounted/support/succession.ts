import { fileScope } from '../../support/file-scope.ts';
import { type Mounted, type MountOptions, mountSessionfs } from '../../support/mount-sessionfs.ts';

/**
 * Mounts of a file's tests at one place, one after another: the mount on which a test finds what the one before it left serves the
 * next test, too. A test that failed hands nothing on; the next one begins at a new place. Make it at the top of the module.
 */
export class Succession {
  /** Of every mount at the place: what is cleaned up after one takes away whatever is mounted there. */
  readonly scope = fileScope();
  readonly #options: MountOptions;
  #free: Mounted | undefined;

  constructor(options: MountOptions = {}) {
    this.#options = options;
  }

  /** For a test to change, and to end. */
  async take(): Promise<Mounted> {
    const taken = this.#free ?? (await mountSessionfs(this.scope, this.#options));
    this.#free = undefined;
    return taken;
  }

  /** The mount that follows `ended`, and is handed on when `check` finds all well there. */
  async follow(ended: Mounted, check: (next: Mounted) => void | Promise<void>): Promise<void> {
    const next = await mountSessionfs(this.scope, { ...this.#options, mountPoint: ended.mountPoint });
    await check(next);
    this.handOn(next);
  }

  /** At the end of a test that left it well. */
  handOn(mounted: Mounted): void {
    this.#free = mounted;
  }
}
