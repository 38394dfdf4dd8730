/**
 * Locks between processes, also of several machines on one file server. A lock is a file that names its holder, hard-linked
 * into place: link(2) fails where one is, and is never half done.
 *
 * The lock of a dead holder is broken: at once where this machine can see that the process is gone, and after a minute without
 * a change where it cannot. Only who holds a lock on the breaking of just this lock may remove it, which makes sure that the
 * lock that is removed is the one that was looked at; a dead breaker is dealt with in the same way.
 */
import { createHash, randomBytes } from 'node:crypto';
import { link, readFile, unlink, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { NamedLocks } from '../../lib/named-locks.ts';
import { codeOf } from '../../lib/system-error.ts';
import { BucketError } from '../bucket-error.ts';
import type { Deadline } from '../deadline.ts';
import { unlessMissing } from './error.ts';
import { isDead, self } from './lock-owner.ts';

/** Far longer than a holder keeps a lock, see HOLD_MS. */
const FOREIGN_PATIENCE_MS = 60_000;
/** A process that has held a lock for this long must not change anything any more: the lock may have been broken. */
const HOLD_MS = 30_000;
const POLL_MS = 10;

export interface HeldLock {
  /** Throws 'unreachable' when another process may hold the lock by now. */
  check(): Promise<void>;
}

export class DirectoryLocks {
  /** Holders on other machines, of which no liveness can be read: since when each was seen. */
  readonly #seen = new Map<string, { text: string; sinceMs: number }>();
  /** Callers in this process wait in line for each other, and do not poll. */
  readonly #lines = new NamedLocks();

  /** Runs `work` while no other process runs its own under the same `path`. */
  with<T>(path: string, deadline: Deadline, work: (lock: HeldLock) => Promise<T>): Promise<T> {
    return this.#lines.run(path, () => this.#locked(path, deadline, work));
  }

  async #locked<T>(path: string, deadline: Deadline, work: (lock: HeldLock) => Promise<T>): Promise<T> {
    const text = await this.#acquire(path, deadline);
    const sinceMs = performance.now();
    const check = async () => {
      deadline.signal.throwIfAborted();
      const isHeld = performance.now() - sinceMs < HOLD_MS && (await readLock(path)) === text;
      if (!isHeld) throw new BucketError('unreachable', `the lock ${path} was held for too long`);
    };
    try {
      return await work({ check });
    } finally {
      await release(path, text);
    }
  }

  async #acquire(path: string, deadline: Deadline): Promise<string> {
    const nonce = randomBytes(6).toString('hex');
    const text = JSON.stringify({ ...self(), nonce });
    const mine = `${path}.${nonce}`;
    await writeFile(mine, text, { flag: 'wx', mode: 0o600 });
    try {
      while (!(await this.#tryLink(mine, path, text))) {
        deadline.signal.throwIfAborted();
        const holder = await readLock(path);
        if (holder === undefined) continue;
        if (this.#isAbandoned(path, holder)) await this.#breakLock(path, holder, deadline);
        else await delay(POLL_MS * (0.5 + Math.random()));
      }
      deadline.signal.throwIfAborted();
      return text;
    } catch (error) {
      await release(path, text);
      throw error;
    } finally {
      await unlink(mine).catch(() => {});
    }
  }

  /** A file server may have linked although its answer was lost: then the second try finds what the first one made. */
  async #tryLink(mine: string, path: string, text: string): Promise<boolean> {
    try {
      await link(mine, path);
      this.#seen.delete(path);
      return true;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
      return (await readLock(path)) === text;
    }
  }

  #isAbandoned(path: string, text: string): boolean {
    const verdict = isDead(text);
    if (verdict !== undefined) return verdict;
    const seen = this.#seen.get(path);
    if (seen?.text === text) return performance.now() - seen.sinceMs > FOREIGN_PATIENCE_MS;
    this.#seen.set(path, { text, sinceMs: performance.now() });
    return false;
  }

  async #breakLock(path: string, text: string, deadline: Deadline): Promise<void> {
    const id = createHash('sha256').update(text).digest('hex').slice(0, 12);
    await this.#locked(`${path}.break-${id}`, deadline, async () => {
      if ((await readLock(path)) === text) await unlink(path);
    });
  }
}

function readLock(path: string): Promise<string | undefined> {
  return unlessMissing(readFile(path, 'utf8'));
}

async function release(path: string, text: string): Promise<void> {
  const isMine = await readLock(path).then(
    (found) => found === text,
    () => false,
  );
  if (isMine) await unlink(path).catch(() => {});
}
