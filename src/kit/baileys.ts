/** What a session of Baileys must have to log in: the keys that its credentials name. */
import { CREDS_KEY, CREDS_TABLE } from '../sqlite/credentials.ts';
import { DatabaseImage, type Value } from '../sqlite/image.ts';

export type Completeness =
  | 'complete'
  /** Files are missing that creds.json names. */
  | 'incomplete'
  /** Not paired yet: there is nothing to lose. */
  | 'not registered'
  /** No creds.json, or one that is no JSON object. */
  | 'no credentials'
  /** It is in a database that has no tables of Baileys. */
  | 'database';

export interface SessionState {
  readonly state: Completeness;
  /** Below the session. */
  readonly missing: readonly string[];
}

interface Creds {
  readonly me?: { readonly id?: unknown } | null;
  readonly account?: unknown;
  readonly registered?: unknown;
  readonly nextPreKeyId?: unknown;
  readonly firstUnuploadedPreKeyId?: unknown;
  readonly myAppStateKeyId?: unknown;
}

type Key = readonly [type: string, id: string];

/** A pairing makes 812; a damaged number must not ask for billions. */
const PRE_KEYS_MAX = 100_000;

/** `names`: the files of the session that can be opened, below it. */
export function stateOfSession(creds: Buffer | undefined, names: ReadonlySet<string>): SessionState {
  return stateOf(
    creds,
    ([type, id]) => `${type}-${fileName(id)}.json`,
    (name) => names.has(name) || names.has(`${name}.bak`),
  );
}

/** Of useSqliteAuthState's tables creds(key, value) and signal_keys(type, id, value). Throws SqliteError where it is damaged. */
export function stateOfDatabase(database: Uint8Array): SessionState {
  const image = new DatabaseImage(database);
  image.check();
  const [creds, keys] = [image.rows(CREDS_TABLE), image.rows('signal_keys')];
  if (creds === undefined || keys === undefined) return { state: 'database', missing: [] };
  const value = creds.find(([key]) => key === CREDS_KEY)?.[1];
  const there = new Set(keys.map(([type, id]) => `${type} ${id}`));
  return stateOf(
    value === undefined ? undefined : Buffer.from(textOf(value)),
    ([type, id]) => `${type} ${id}`,
    (key) => there.has(key),
  );
}

/** Whether these credentials are registered: not before a pairing, nor in the middle of one. */
export function logsIn(creds: Buffer): boolean {
  const parsed = parse(creds);
  return parsed !== undefined && isRegistered(parsed);
}

/** `nameOf`: what a key is called where `isThere` looks for it. */
function stateOf(
  content: Buffer | undefined,
  nameOf: (key: Key) => string,
  isThere: (name: string) => boolean,
): SessionState {
  const creds = content && parse(content);
  if (creds === undefined) return { state: 'no credentials', missing: [] };
  if (!isRegistered(creds)) return { state: 'not registered', missing: [] };
  const missing = keysNamedBy(creds)
    .map(nameOf)
    .filter((name) => !isThere(name));
  return { state: missing.length === 0 ? 'complete' : 'incomplete', missing };
}

function textOf(value: Value): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : String(value);
}

function parse(content: Buffer): Creds | undefined {
  try {
    const value: unknown = JSON.parse(content.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Creds) : undefined;
  } catch {
    return undefined;
  }
}

/** Paired by QR code (`account`), or by a code that the phone took (`registered`). */
function isRegistered({ me, account, registered }: Creds): boolean {
  const isPaired = (typeof account === 'object' && account !== null) || registered === true;
  return typeof me?.id === 'string' && me.id !== '' && isPaired;
}

/**
 * The newest pre-key; those that are not uploaded yet, which nothing can have used up; and the key that the account's changes are
 * encrypted with.
 */
function keysNamedBy({ nextPreKeyId, firstUnuploadedPreKeyId, myAppStateKeyId }: Creds): Key[] {
  const keys: Key[] = [];
  if (isCount(nextPreKeyId)) {
    const first = isCount(firstUnuploadedPreKeyId)
      ? Math.min(firstUnuploadedPreKeyId, nextPreKeyId - 1)
      : nextPreKeyId - 1;
    for (let id = Math.max(1, first); id < nextPreKeyId; id++) keys.push(['pre-key', String(id)]);
  }
  if (typeof myAppStateKeyId === 'string' && myAppStateKeyId !== '')
    keys.push(['app-state-sync-key', myAppStateKeyId]);
  return keys;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0 && (value as number) <= PRE_KEYS_MAX;
}

/** As useMultiFileAuthState writes an id into a name. */
function fileName(id: string): string {
  return id.replaceAll('/', '__').replaceAll(':', '-');
}
