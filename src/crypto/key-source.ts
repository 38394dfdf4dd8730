/**
 * Where a mount's key comes from. The only place that reads a key from the environment or a file, and the only one that
 * ever makes one: in local mode, for a cache that holds nothing yet. A cache that holds sessions is never given a new key.
 */
import { existsSync } from 'node:fs';
import { SessionfsError } from '../lib/errors.ts';
import { generatedKeyPath } from '../lib/generated-key-path.ts';
import { requirePrivatePath } from '../lib/private-path.ts';
import { isSecretName } from '../lib/secret-name.ts';
import { readKeyFromCommand } from './key-command.ts';
import { createKeyFile, readKeyFile } from './key-file.ts';
import { Keyring, parseKeyHex } from './keyring.ts';

const KEY_VARIABLE = 'SESSION_ENCRYPTION_KEY';
const PREVIOUS_VARIABLE = 'SESSION_ENCRYPTION_KEYS_PREVIOUS';
const MAKE_A_KEY =
  'Make a key with `openssl rand -hex 32` and set SESSION_ENCRYPTION_KEY or SESSION_ENCRYPTION_KEY_FILE.';

export interface KeyRequest {
  /** Its SESSION_ENCRYPTION_KEY* variables are deleted, so that children do not inherit them. */
  env: NodeJS.ProcessEnv;
  /** From --encryption-key-file or SESSION_ENCRYPTION_KEY_FILE, or a secret's name; comes before SESSION_ENCRYPTION_KEY. */
  keyFile: string | undefined;
  /** Prints the key; comes before SESSION_ENCRYPTION_KEY too. */
  keyCommand?: string | undefined;
  /** Absolute. The generated key lies beside the cache, never in it: `${cachePath}.key`. */
  cachePath: string;
  /** Local mode makes its key on first use; with a bucket a key has to be given. */
  mayGenerate: boolean;
  /** What the cache says it was sealed with; undefined for a cache that does not exist yet. */
  expectedKeyId: string | undefined;
}

export interface KeySource {
  keyring: Keyring;
  origin: 'environment' | 'file' | 'command' | 'generated' | 'secret';
  /** The key file, or the name of the secret, unless the key came from the environment. */
  path?: string;
  /** Whole sentences for the log. */
  warnings: string[];
}

/** Raw keys on their way into a keyring, which zeroes them. */
interface FoundKey {
  raw: Buffer;
  origin: KeySource['origin'];
  path?: string;
}

/** Raw keys by the names of their secrets. */
type FetchedKeys = ReadonlyMap<string, Buffer>;

/** As `loadKeys`, with what is named sm://…, which Secret Manager is asked for. Throws KEY_MISSING where it does not tell. */
export async function findKeys(request: KeyRequest): Promise<KeySource> {
  const fetched = await fetchKeys(request);
  try {
    return loadKeys(request, fetched);
  } finally {
    for (const raw of fetched.values()) raw.fill(0);
  }
}

async function fetchKeys({ env, ...named }: KeyRequest): Promise<FetchedKeys> {
  const names = secretsIn({ env, ...named });
  if (names.length === 0) return new Map();
  try {
    return await (await import('./secret-manager.ts')).readSecretKeys(names);
  } catch (error) {
    forgetVariables(env);
    throw error;
  }
}

function secretsIn({ env, keyFile, keyCommand }: KeyRequest): string[] {
  const current = keyFile ?? (keyCommand === undefined ? env[KEY_VARIABLE]?.trim() : undefined) ?? '';
  return [current, ...previousTexts(env)].filter(isSecretName);
}

/**
 * Reads or makes the key. A key that it made is on stable storage when it returns. Call it with the cache's lock held.
 * Throws KEY_MISSING, KEY_MALFORMED, KEY_WRONG (not the key of the cache), CACHE_NOT_WRITABLE (no place for a new key), UNSAFE_PATH.
 */
export function loadKeys(request: KeyRequest, fetched: FetchedKeys = new Map()): KeySource {
  const warnings: string[] = [];
  try {
    const previous = previousKeys(request.env, fetched);
    const found = givenKey(request, fetched, warnings) ?? keyOfTheCache(request, warnings);
    const keyring = Keyring.fromBytes(found.raw, previous);
    requireExpected(keyring, found, request);
    return {
      keyring,
      origin: found.origin,
      ...(found.path === undefined ? {} : { path: found.path }),
      warnings,
    };
  } finally {
    forgetVariables(request.env);
  }
}

function givenKey(
  { env, keyFile, keyCommand }: KeyRequest,
  fetched: FetchedKeys,
  warnings: string[],
): FoundKey | undefined {
  if (keyFile !== undefined)
    return isSecretName(keyFile) ? fromSecret(keyFile, fetched) : fromFile(keyFile, warnings);
  if (keyCommand !== undefined) return { raw: readKeyFromCommand(keyCommand), origin: 'command' };
  const text = env[KEY_VARIABLE]?.trim();
  if (text === undefined || text === '') return undefined;
  if (isSecretName(text)) return fromSecret(text, fetched);
  return { raw: parseKeyHex(text, KEY_VARIABLE), origin: 'environment' };
}

function fromSecret(name: string, fetched: FetchedKeys): FoundKey {
  return { raw: secretKey(name, fetched), origin: 'secret', path: name };
}

/** A copy: the keyring zeroes what it takes. */
function secretKey(name: string, fetched: FetchedKeys): Buffer {
  const raw = fetched.get(name);
  if (raw === undefined) throw new Error('the secret was not read');
  return Buffer.from(raw);
}

function keyOfTheCache(request: KeyRequest, warnings: string[]): FoundKey {
  const path = generatedKeyPath(request.cachePath);
  if (!request.mayGenerate) throw missingWithBucket(path);
  requirePrivatePath(path, 'the key file', 'SESSION_CACHE_PATH');
  if (existsSync(path)) return fromFile(path, warnings);
  if (request.expectedKeyId !== undefined) throw missingForCache(request, path);
  return { raw: createKeyFile(path), origin: 'generated', path };
}

function fromFile(path: string, warnings: string[]): FoundKey {
  const { raw, warnings: found } = readKeyFile(path);
  warnings.push(...found);
  return { raw, origin: 'file', path };
}

function previousKeys(env: NodeJS.ProcessEnv, fetched: FetchedKeys): Buffer[] {
  return previousTexts(env).map((text, index) =>
    isSecretName(text)
      ? secretKey(text, fetched)
      : parseKeyHex(text, `key ${index + 1} of ${PREVIOUS_VARIABLE}`),
  );
}

function previousTexts(env: NodeJS.ProcessEnv): string[] {
  return (env[PREVIOUS_VARIABLE] ?? '').split(/[\s,]+/).filter((text) => text !== '');
}

function forgetVariables(env: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(env)) if (name.startsWith(KEY_VARIABLE)) delete env[name];
}

/** A key changes only when the operator names the old one. */
function requireExpected(keyring: Keyring, found: FoundKey, { expectedKeyId, cachePath }: KeyRequest): void {
  if (expectedKeyId === undefined || keyring.byId(expectedKeyId) !== undefined) return;
  const where = found.path ?? (found.origin === 'command' ? 'the output of the key command' : KEY_VARIABLE);
  const generated = generatedKeyPath(cachePath);
  const opens = generated !== found.path && holdsKey(generated, expectedKeyId);
  throw new SessionfsError(
    'KEY_WRONG',
    `the sessions in ${cachePath} are sealed with key ${expectedKeyId}, but ${where} holds key ${keyring.currentId}`,
    {
      hint: opens
        ? `The key file ${generated} opens them: set SESSION_ENCRYPTION_KEY_FILE=${generated}. To change the key, put the old one into ${PREVIOUS_VARIABLE}.`
        : `Give the key that sealed them, or, after a change of keys, name the old one in ${PREVIOUS_VARIABLE}.`,
    },
  );
}

function holdsKey(path: string, keyId: string): boolean {
  try {
    const keyring = Keyring.fromBytes(readKeyFile(path).raw);
    const holds = keyring.currentId === keyId;
    keyring.destroy();
    return holds;
  } catch {
    return false;
  }
}

function missingWithBucket(path: string): SessionfsError {
  const hint = existsSync(path)
    ? `The sessions here were sealed with the key in ${path}: set SESSION_ENCRYPTION_KEY_FILE=${path} to go on with it.`
    : MAKE_A_KEY;
  return new SessionfsError('KEY_MISSING', 'an encryption key is required in hybrid and cloud mode', {
    hint,
  });
}

function missingForCache({ cachePath, expectedKeyId }: KeyRequest, path: string): SessionfsError {
  return new SessionfsError(
    'KEY_MISSING',
    `the sessions in ${cachePath} are sealed with key ${expectedKeyId}, but no key is set and ${path} does not exist`,
    {
      hint: `Put ${path} back from your backup, or set SESSION_ENCRYPTION_KEY. Without that key nothing can open them.`,
    },
  );
}
