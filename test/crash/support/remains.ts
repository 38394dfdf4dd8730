/** What a killed application left in its folders. */
import { type Dirent, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Remains {
  json: number;
  empty: string[];
  /** Not JSON as a whole: cut, or of two versions. */
  broken: string[];
  creds: number;
  /** creds.json that would make Baileys start over with a new identity. */
  badCreds: string[];
  /** Both accounts had answered one another: every session that a conversation needs is there. */
  canResume: boolean;
}

const ACCOUNTS = 2;
/** Of each account: one with its peer, one with its own phone. */
const SESSIONS = 2;

export function remainsIn(directory: string): Remains {
  const remains: Remains = { json: 0, empty: [], broken: [], creds: 0, badCreds: [], canResume: false };
  const folders = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const ready = folders.filter((folder) => lookInto(directory, folder, remains));
  remains.canResume = ready.length === ACCOUNTS;
  return remains;
}

/** Returns whether the account had sent and received. */
function lookInto(directory: string, { name: folder }: Dirent, remains: Remains): boolean {
  let [sessions, isRegistered] = [0, false];
  for (const file of readdirSync(join(directory, folder)).filter((name) => name.endsWith('.json'))) {
    const path = `${folder}/${file}`;
    const text = readFileSync(join(directory, path), 'utf8');
    const value = parse(text);
    remains.json++;
    if (text === '') remains.empty.push(path);
    else if (value === undefined) remains.broken.push(`${path} (${text.length} bytes)`);
    if (file.startsWith('session-')) sessions++;
    if (file !== 'creds.json') continue;
    remains.creds++;
    isRegistered = value?.registered === true;
    if (!isIdentity(value)) remains.badCreds.push(path);
  }
  return isRegistered && sessions >= SESSIONS;
}

type Json = Record<string, unknown> | undefined;

function parse(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What Baileys cannot go on without. */
function isIdentity(creds: Json): boolean {
  const keys = [creds?.noiseKey, creds?.signedIdentityKey, creds?.signedPreKey, creds?.advSecretKey];
  return keys.every(Boolean) && Number.isInteger(creds?.registrationId);
}
