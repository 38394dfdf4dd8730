/** The workload as an application that is killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { baileysInOneFile } from '../../support/baileys-file.ts';
import { cleanUp, type Scope } from '../../support/cleanup.ts';
import { cleanEnvironment } from '../../support/environment.ts';
import { repository } from '../../support/repository.ts';
import { until } from '../../support/until.ts';

const workload = join(repository, 'test/baileys/workload.mjs');
/** Made first of all. */
const FIRST_FOLDER = 'user1-+1555000001';

export class Application {
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #closed: Promise<unknown>;

  /** Pairs two accounts in `directory`, with `preKeys` each, and has them exchange `messages`. */
  constructor(scope: Scope, directory: string, messages: number, preKeys: number) {
    // No group: a sender that is killed has noted that its peer knows its key, a peer that is killed has not read it yet.
    const counts = ['--k', '2', '--m', String(messages), '--prekeys', String(preKeys), '--group', '0'];
    const args = [workload, directory, '--mode', 'init', ...counts];
    this.#directory = directory;
    this.#child = spawn(process.execPath, args, {
      env: cleanEnvironment(baileysInOneFile()),
      stdio: 'ignore',
    });
    this.#closed = once(this.#child, 'close');
    cleanUp(scope, () => void this.#child.kill('SIGKILL'));
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves when it has begun to pair, or has ended. */
  async pairing(): Promise<void> {
    const folder = join(this.#directory, FIRST_FOLDER);
    await until(async () => !this.isRunning || (await exists(folder)));
  }

  /** Resolves to its exit status, null when it was killed. */
  async ended(): Promise<number | null> {
    await this.#closed;
    return this.#child.exitCode;
  }

  /** Resolves when it is gone; answers whether it was still running. */
  async kill(): Promise<boolean> {
    this.#child.kill('SIGKILL');
    return (await this.ended()) === null;
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
