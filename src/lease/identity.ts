/** The identity of a mount, kept in its cache, so that a restart goes on as the same holder. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { readCacheFile } from '../lib/cache-file.ts';
import { renameDurably, writeDurably } from '../lib/durable-files.ts';
import { codeOf } from '../lib/system-error.ts';

export interface Identity {
  /** 32 hex digits; the inbox's name. */
  readonly id: string;
  /** An inbox of this id was written. */
  readonly opened: boolean;
  /** Names the run; a daemon that takes over keeps it. */
  readonly nonce: string;
  /** This run wrote the inbox. */
  readonly started: boolean;
  /** Ids from before the present one, the newest first. */
  readonly former: readonly string[];
  /** Sessions whose release was sent and may never arrive, or arrive late. */
  readonly releasing: readonly string[];
}

export interface IdentityStore {
  /** Undefined: there is no readable identity. A new one costs some waiting, and nothing else. */
  load(): Promise<Identity | undefined>;
  /** Durable on return. Rejects with a system error. */
  save(identity: Identity): Promise<void>;
}

const FILE = 'mount-id';
const FORMER_MAX = 32;
/** A million sessions that are being released have shorter names. */
const BYTES_MAX = 64 * 1024 * 1024;
const HINT =
  'Remove it: the mount goes on under a new id, and has its sessions back after SESSION_LEASE_TAKEOVER.';

export function newIdentity(): Identity {
  return { id: newId(), opened: false, nonce: newId(), started: false, former: [], releasing: [] };
}

/** The present identity. Changes are saved one after the other. */
export class KeptIdentity {
  readonly #store: IdentityStore;
  #now: Identity;
  #saved: Promise<void> = Promise.resolve();

  constructor(store: IdentityStore, now: Identity) {
    this.#store = store;
    this.#now = now;
  }

  get now(): Identity {
    return this.#now;
  }

  /** Applies the change at once, also when saving it fails. Durable on return; rejects with a system error. */
  change(change: (now: Identity) => Identity): Promise<void> {
    const next = change(this.#now);
    this.#now = next;
    const saved = this.#saved.catch(() => {}).then(() => this.#store.save(next));
    saved.catch(() => {});
    this.#saved = saved;
    return saved;
  }
}

/** The same mount under another id. */
export function withNewId(identity: Identity): Identity {
  const former = [identity.id, ...identity.former].slice(0, FORMER_MAX);
  return { ...newIdentity(), former, releasing: identity.releasing };
}

export function newId(): string {
  return randomBytes(16).toString('hex');
}

/** `<cachePath>/mount-id`. */
export function identityFile(cachePath: string): IdentityStore {
  const path = join(cachePath, FILE);
  return {
    load: async () => {
      try {
        return parse(readCacheFile(path, BYTES_MAX, HINT));
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return undefined;
        throw error;
      }
    },
    save: async (identity) => {
      const aside = `${path}.new`;
      await writeDurably(aside, `${JSON.stringify({ version: 1, ...identity })}\n`);
      await renameDurably(aside, path);
    },
  };
}

/** For a mount that keeps nothing on a disk: every start is another mount. */
export function identityInMemory(): IdentityStore {
  let kept: Identity | undefined;
  return {
    load: async () => kept,
    save: async (identity) => {
      kept = identity;
    },
  };
}

function parse(text: string): Identity | undefined {
  let value: Partial<Record<keyof Identity | 'version', unknown>> | null;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (value === null || typeof value !== 'object' || value.version !== 1) return undefined;
  const { id, opened, nonce, started, former, releasing } = value;
  if (!isId(id) || !isId(nonce) || typeof opened !== 'boolean' || typeof started !== 'boolean')
    return undefined;
  if (!isListOf(former, isId) || !isListOf(releasing, isText)) return undefined;
  return { id, opened, nonce, started, former, releasing };
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isListOf<T>(value: unknown, is: (item: unknown) => item is T): value is T[] {
  return Array.isArray(value) && value.every(is);
}
