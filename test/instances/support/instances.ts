/** Several mounts of one bucket of the emulator, each behind a proxy of its own, so that one of them can be cut off. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { childrenOf, daemonOf } from '../../crash/support/processes.ts';
import { Account, type Machine, quickLeases, statusOf } from '../../hybrid/support.ts';
import type { Scope } from '../../support/cleanup.ts';
import { createTestBucket, gcsEmulator } from '../../support/gcs-emulator.ts';
import { type GcsProxy, startGcsProxy } from '../../support/gcs-proxy.ts';
import type { Mounted } from '../../support/mount-sessionfs.ts';

type Environment = Readonly<Record<string, string>>;

export const TAKE_OVER_MS = Number(quickLeases.SESSION_LEASE_TAKEOVER);
/** More than any permission, challenge or deadline of a mount lasts. */
export const LONGER_THAN_ALL_MS = 3 * TAKE_OVER_MS;

/** A mount and the way by which it reaches the bucket. */
export interface Instance {
  readonly mounted: Mounted;
  readonly machine: Machine;
  readonly proxy: GcsProxy;
}

export class Instances {
  readonly #scope: Scope;
  readonly #emulator: string;
  readonly #account: Account;
  readonly #mode: 'hybrid' | 'cloud';
  /** Also those of mounts that are gone. */
  readonly proxies: GcsProxy[] = [];

  private constructor(scope: Scope, emulator: string, account: Account, mode: 'hybrid' | 'cloud') {
    this.#scope = scope;
    this.#emulator = emulator;
    this.#account = account;
    this.#mode = mode;
  }

  static async start(scope: Scope, mode: 'hybrid' | 'cloud' = 'hybrid'): Promise<Instances> {
    const emulator = await gcsEmulator();
    return new Instances(scope, emulator, new Account(scope, await createTestBucket(emulator)), mode);
  }

  machine(): Machine {
    return this.#account.machine();
  }

  /** On a new machine when none is given. */
  async mount(env: Environment = {}, machine = this.machine()): Promise<Instance> {
    const proxy = await startGcsProxy(this.#scope, this.#emulator);
    this.proxies.push(proxy);
    const mounted = await machine.mount({
      SESSION_STORAGE_TYPE: this.#mode,
      STORAGE_EMULATOR_HOST: proxy.url,
      ...env,
    });
    return { mounted, machine, proxy };
  }
}

/** Supervisor and daemon, and what they started. */
export function processesOf({ pid }: Mounted): number[] {
  const daemon = daemonOf(pid);
  return daemon === undefined ? [pid] : [pid, daemon, ...childrenOf(daemon)];
}

export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) process.kill(pid, signal);
}

export interface SessionState {
  session: string;
  state: string;
  dirty: number;
  holder?: string;
  waitedMs?: number;
}

export async function stateOf(mounted: Mounted, session: string): Promise<SessionState | undefined> {
  return (await statusOf(mounted)).backups.find((backup) => backup.session === session);
}

/** The value of a metric's sample, which is named with its labels. */
export async function metric({ mountPoint }: Mounted, sample: string): Promise<number> {
  const text = await readFile(join(mountPoint, '.sessionfs/metrics'), 'utf8');
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${sample} `));
  if (line === undefined) throw new Error(`no ${sample} in\n${text}`);
  return Number(line.slice(sample.length));
}
