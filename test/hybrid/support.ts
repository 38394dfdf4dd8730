/** Mounts in hybrid mode, with a bucket that is a directory, and what their files and the bucket's come to. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readTree, type Tree } from '../mounted/session-files.ts';
import type { Scope } from '../support/cleanup.ts';
import { type Mounted, mountSessionfs } from '../support/mount-sessionfs.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

export const SESSION = 'user-+4915100000';

export interface LogLine {
  level: string;
  msg: string;
  [field: string]: unknown;
}

/** Everything that outlives a machine: the bucket and the key. */
export class Account {
  readonly bucket: string;
  readonly key: string;
  readonly #scope: Scope;

  /** `bucket`: as STORAGE_BUCKET; a new directory when not given. `key`: a new one when not given. */
  constructor(scope: Scope, bucket?: string, key = randomBytes(32).toString('hex')) {
    this.#scope = scope;
    this.bucket = bucket ?? `file://${newDirectory(scope)}`;
    this.key = key;
  }

  /** A machine of its own: nothing of an earlier one is on it. */
  machine(): Machine {
    return new Machine(this.#scope, this, temporaryDirectory(this.#scope));
  }
}

function newDirectory(scope: Scope): string {
  const directory = join(temporaryDirectory(scope), 'bucket');
  mkdirSync(directory);
  return directory;
}

/**
 * A machine that was killed is taken for dead soon. A renewed lease lets each upload take a second at least, which it needs on
 * a busy machine.
 */
export const quickLeases = {
  SESSION_LEASE_LOOK_INTERVAL: '500',
  SESSION_LEASE_PERMISSION: '1500',
  SESSION_LEASE_TAKEOVER: '2250',
  SESSION_LEASE_POLL: '200',
};

export class Machine {
  readonly directory: string;
  readonly mountPoint: string;
  readonly #scope: Scope;
  readonly #account: Account;

  constructor(scope: Scope, account: Account, directory: string) {
    this.#scope = scope;
    this.#account = account;
    this.directory = directory;
    this.mountPoint = join(directory, 'sessions');
  }

  get key(): string {
    return this.#account.key;
  }

  get cachePath(): string {
    return `${this.mountPoint}.sealed`;
  }

  /** `scope`: when the mount is gone at the latest; with the machine when not given. */
  mount(env: Readonly<Record<string, string>> = {}, scope = this.#scope): Promise<Mounted> {
    const { bucket, key } = this.#account;
    return mountSessionfs(scope, {
      mountPoint: this.mountPoint,
      env: {
        SESSION_STORAGE_TYPE: 'hybrid',
        STORAGE_BUCKET: bucket,
        SESSION_ENCRYPTION_KEY: key,
        ...quickLeases,
        ...env,
      },
    });
  }

  /** As an emergency has it: no bucket, the same key. */
  mountLocally(env: Readonly<Record<string, string>> = {}): Promise<Mounted> {
    const given = { SESSION_ENCRYPTION_KEY: this.#account.key, ...env };
    return mountSessionfs(this.#scope, { mountPoint: this.mountPoint, env: given });
  }

  path(...names: string[]): string {
    return join(this.mountPoint, ...names);
  }
}

export function logLines(mounted: Mounted): LogLine[] {
  return mounted
    .log()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as LogLine);
}

/** Resolves with the first such line. A hang is the test runner's to end. */
export async function logged(mounted: Mounted, message: string | RegExp, count = 1): Promise<LogLine> {
  for (let read = -1; ; await sleep(20)) {
    const { length } = mounted.log();
    if (length === read) continue;
    read = length;
    const lines = logLines(mounted);
    const found = lines.filter(({ msg }) =>
      typeof message === 'string' ? msg === message : message.test(msg),
    );
    const line = found[count - 1];
    if (line !== undefined) return line;
    if (lines.some(({ msg }) => msg === 'Mount stopped')) throw new Error(`not logged:\n${mounted.log()}`);
  }
}

export interface HybridStatus {
  dirty: number;
  bucket: {
    address: string;
    listed: boolean;
    lastError?: string;
    trouble?: { code: string; summary: string; error: string; hint?: string; since?: string };
  };
  backups: {
    session: string;
    state: string;
    files: number;
    dirty: number;
    lastBackupAt?: string;
    lastError?: string;
  }[];
}

export async function statusOf(mounted: Mounted): Promise<HybridStatus> {
  // As cat(1): by its size, as readFile, a status that has grown since fstat(2) would be cut.
  const file = await open(join(mounted.mountPoint, '.sessionfs/status.json'));
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(STATUS_BYTES_MAX));
    return JSON.parse(buffer.toString('utf8', 0, bytesRead));
  } finally {
    await file.close();
  }
}

const STATUS_BYTES_MAX = 1 << 20;

/** Writes files, and makes the folders that lead there. */
export function writeFiles(directory: string, files: Tree): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
}

/** The files alone: folders without any are not kept in a bucket. */
export function readFiles(directory: string): Tree {
  return Object.fromEntries(Object.entries(readTree(directory)).filter(([path]) => !path.endsWith('/')));
}
