/** Hybrid mode on Google's own code path: a bucket of the emulator, the proxy in front of it, and machines that mount it. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tree } from '../../mounted/session-files.ts';
import type { Scope } from '../../support/cleanup.ts';
import { createTestBucket, gcsEmulator } from '../../support/gcs-emulator.ts';
import { type GcsProxy, startGcsProxy } from '../../support/gcs-proxy.ts';
import type { Mounted } from '../../support/mount-sessionfs.ts';
import { until, untilSlow } from '../../support/until.ts';
import { Account, type Machine, statusOf } from '../support.ts';

export class Cloud {
  readonly proxy: GcsProxy;
  readonly #account: Account;

  private constructor(proxy: GcsProxy, account: Account) {
    this.proxy = proxy;
    this.#account = account;
  }

  /** `random` casts the proxy's lots. */
  static async start(scope: Scope, random = Math.random): Promise<Cloud> {
    const emulator = await gcsEmulator();
    const proxy = await startGcsProxy(scope, emulator, random);
    return new Cloud(proxy, new Account(scope, await createTestBucket(emulator)));
  }

  /** Bucket and key of this one, for a test that shares them with others: with a proxy of its own, and machines that end with it. */
  async shared(scope: Scope): Promise<Cloud> {
    const { bucket, key } = this.#account;
    const proxy = await startGcsProxy(scope, await gcsEmulator());
    return new Cloud(proxy, new Account(scope, bucket, key));
  }

  /** What a command needs to know of bucket and key. */
  get settings(): Record<string, string> {
    const { bucket, key } = this.#account;
    return { STORAGE_BUCKET: bucket, SESSION_ENCRYPTION_KEY: key, STORAGE_EMULATOR_HOST: this.proxy.url };
  }

  /** One with nothing on it. */
  machine(): Machine {
    return this.#account.machine();
  }

  /** On a new machine when none is given. */
  mount(env: Readonly<Record<string, string>> = {}, machine = this.machine()): Promise<Mounted> {
    return machine.mount({ STORAGE_EMULATOR_HOST: this.proxy.url, ...env });
  }

  /** A dead machine's last uploads may be on their way: resolves when they have arrived. */
  async settled(): Promise<void> {
    await until(() => this.proxy.underWay === 0);
  }
}

/** `echo all > .sessionfs/flush`; rejects with EIO when not everything went. */
export function flushAll({ mountPoint }: Mounted): Promise<void> {
  return writeFile(join(mountPoint, '.sessionfs/flush'), 'all\n');
}

/** A lease that a busy machine renews late makes a flush fail, which is asked for again. */
export async function flushUntilStored(mounted: Mounted): Promise<void> {
  const isStored = async () => {
    try {
      await flushAll(mounted);
      return true;
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EIO');
      return false;
    }
  };
  await untilSlow(isStored).catch((error) => assert.fail(`${error}; the log:\n${mounted.log()}`));
}

/** Resolves when everything is in the bucket; it requests no flush. */
export async function backedUp(mounted: Mounted): Promise<void> {
  await untilSlow(async () => (await statusOf(mounted)).dirty === 0, 100);
}

/**
 * Path -> content of every file, a character a byte. Not synchronous: a mount that waits for the bucket waits for the proxy,
 * which lives in this process.
 */
export async function filesBelow(directory: string, prefix = ''): Promise<Tree> {
  const tree: Tree = {};
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) Object.assign(tree, await filesBelow(path, `${prefix}${entry.name}/`));
    else tree[`${prefix}${entry.name}`] = await readFile(path, 'latin1');
  }
  return tree;
}
