import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cleanUp } from '../../support/cleanup.ts';
import { fileScope } from '../../support/file-scope.ts';
import { type Mounted, mountSessionfs } from '../../support/mount-sessionfs.ts';

/** What a test does on a mount and on the one that follows it. */
interface Halves {
  before(folder: string, mountPoint: string): void;
  after?(folder: string, mountPoint: string): void;
}

/**
 * A mount and the next one at the same place, for several tests that each look at a folder of their own in both. All first halves run
 * when the first test does; what one of them throws is thrown in its own test. Make it at the top of the module.
 */
export class SharedRemount {
  readonly #scope = fileScope();
  readonly #end: (first: Mounted) => Promise<void>;
  readonly #env: Readonly<Record<'first' | 'second', Record<string, string>>>;
  readonly #first: ((mountPoint: string) => void)[] = [];
  #second: Promise<Mounted> | undefined;

  constructor(
    end: 'unmount' | 'kill',
    env: { first?: Record<string, string>; second?: Record<string, string> } = {},
  ) {
    this.#end = (first) => first[end]();
    this.#env = { first: {}, second: {}, ...env };
  }

  /** The test. */
  of(halves: Halves): () => Promise<void> {
    const name = `user${this.#first.length}-+1555`;
    let failed: { error: unknown } | undefined;
    this.#first.push((mountPoint) => {
      try {
        // The mode that a folder has by default, whatever the umask is set to.
        mkdirSync(join(mountPoint, name), 0o700);
        halves.before(join(mountPoint, name), mountPoint);
      } catch (error) {
        failed = { error };
      }
    });
    return async () => {
      this.#second ??= this.#remount();
      const { mountPoint } = await this.#second;
      if (failed) throw failed.error;
      halves.after?.(join(mountPoint, name), mountPoint);
    };
  }

  async #remount(): Promise<Mounted> {
    const { first: env, second: nextEnv } = this.#env;
    const first = await mountSessionfs(this.#scope, { env });
    const { mountPoint } = first;
    for (const half of this.#first) half(mountPoint);
    await this.#end(first);
    const second = await mountSessionfs(this.#scope, { mountPoint, env: nextEnv });
    cleanUp(this.#scope, () => second.unmount());
    return second;
  }
}
