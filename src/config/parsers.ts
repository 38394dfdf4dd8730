/** From what a user typed to a checked value. Each parser throws Refusal, which says what is allowed. */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mayBeKey } from '../lib/quote.ts';
import { isSecretName, parseSecretName } from '../lib/secret-name.ts';

/** Completes the sentence "X is "…", but …". */
export class Refusal extends Error {}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
  readonly ownsAll?: boolean;
}

export type BucketAddress =
  | { readonly kind: 'gcs'; readonly name: string }
  | { readonly kind: 's3'; readonly name: string }
  /** An absolute path. */
  | { readonly kind: 'directory'; readonly path: string };

export interface HttpAddress {
  /** A name or an address, an IPv6 one without its brackets. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

export function choice<T extends string>(...allowed: readonly T[]): (text: string) => T {
  return (text) => {
    const found = allowed.find((value) => value === text.toLowerCase());
    if (found === undefined) throw new Refusal(`must be one of ${allowed.join(', ')}`);
    return found;
  };
}

export function integer(min: number, max: number, unit: string): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max))
      throw new Refusal(`must be a whole number of ${unit} from ${min} to ${max}`);
    return value;
  };
}

/** The permission bits that new files do not get, in octal as umask(1) takes it. */
export function umask(text: string): number {
  if (!/^0?[0-7]{1,3}$/.test(text))
    throw new Refusal('must be an octal number from 000 to 777, like 077 or 022');
  return Number.parseInt(text, 8);
}

/** Made absolute against the working directory. */
export function path(text: string): string {
  if (text === '' || text.includes('\0')) throw new Refusal('must be a path');
  try {
    return resolve(text);
  } catch {
    throw new Refusal('is relative to the working directory, which has been deleted: change to another one');
  }
}

/** Error messages name key files, so a key in the path's place has to be caught here. */
export function keyFilePath(text: string): string {
  refuseSecret(text, 'key');
  if (!isSecretName(text)) return path(text);
  if (parseSecretName(text) === undefined)
    throw new Refusal('must be the path of a file, or sm://projects/PROJECT/secrets/SECRET/versions/VERSION');
  return text;
}

/** The same of a token. */
export function tokenFilePath(text: string): string {
  refuseSecret(text, 'token');
  return path(text);
}

function refuseSecret(text: string, what: string): void {
  if (mayBeKey(text.trim()))
    throw new Refusal(`must be the path of a file that holds the ${what}, not the ${what} itself`);
}

/** Error messages name the command, and every user of the machine may read command lines. */
export function keyCommand(text: string): string {
  const command = text.trim();
  if (mayBeKey(command)) throw new Refusal('must be a command that prints the key, not the key itself');
  if (command === '' || text.includes('\0')) throw new Refusal('must be a command');
  return text;
}

/** The last id is taken: in chown(2), and in a sealed file, it means something else. */
const ID_MAX = 0xfffffffe;

export function owner(text: string): Owner {
  const [, uid, gid] = /^(\d{1,10}):(\d{1,10})$/.exec(text) ?? [];
  if (uid === undefined || gid === undefined || Number(uid) > ID_MAX || Number(gid) > ID_MAX) {
    throw new Refusal('must be UID:GID, two numbers, for example 1000:1000');
  }
  return { uid: Number(uid), gid: Number(gid) };
}

const GCS_NAME = /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/;

export function bucket(text: string): BucketAddress {
  if (text.startsWith('file:')) return directoryBucket(text);
  const name = text.replace(/^(gs|s3):\/\//, '').replace(/\/$/, '');
  const problem = bucketNameProblem(name);
  if (problem !== undefined)
    throw new Refusal(
      `must be a bucket name, gs://NAME, s3://NAME or file:///ABSOLUTE/DIRECTORY: ${problem}`,
    );
  return { kind: text.startsWith('s3:') ? 's3' : 'gcs', name };
}

function bucketNameProblem(name: string): string | undefined {
  const scheme = /^[a-z0-9+.-]+:\/\//i.exec(name)?.[0];
  if (scheme !== undefined) return `${scheme} is not supported`;
  if (name.includes('/')) return 'a folder in the bucket cannot be named';
  if (/[A-Z]/.test(name)) return 'capital letters are not allowed';
  const character = /[^a-z0-9._-]/u.exec(name)?.[0];
  if (character !== undefined) return `the character ${JSON.stringify(character)} is not allowed`;
  if (name.length < 3) return 'it is shorter than 3 characters';
  if (name.length > 222) return 'it is longer than 222 characters';
  return GCS_NAME.test(name) ? undefined : 'it must begin and end with a letter or a digit';
}

function directoryBucket(text: string): BucketAddress {
  try {
    const path = text.startsWith('file:///') ? fileURLToPath(text) : undefined;
    if (path !== undefined && !path.includes('\0')) return { kind: 'directory', path: resolve(path) };
  } catch {
    // Not a file URL after all.
  }
  throw new Refusal('must have three slashes and an absolute path: file:///ABSOLUTE/DIRECTORY');
}

/** Google's client libraries take HOST:PORT and a URL; the answer is always a URL, without a slash at its end. */
export function emulatorHost(text: string): string {
  const url = httpUrl(text.includes('://') ? text : `http://${text}`);
  if (url === undefined) throw new Refusal('must be HOST:PORT or http://HOST:PORT');
  return url;
}

/** As the AWS SDKs take it; without a slash at its end. */
export function endpointUrl(text: string): string {
  const url = httpUrl(text);
  if (url === undefined) throw new Refusal('must be https://HOST or http://HOST:PORT');
  return url;
}

function httpUrl(text: string): string | undefined {
  const url = parseUrl(text);
  const usable = url !== null && /^https?:$/.test(url.protocol) && url.host !== '' && url.username === '';
  return usable ? `${url.protocol}//${url.host}${url.pathname.replace(/\/$/, '')}` : undefined;
}

function parseUrl(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

export function httpAddress(text: string): HttpAddress {
  const [, v6, name, port] = /^(?:\[([0-9a-f:.%]+)\]|([^\s:[\]/]+)):(\d{1,5})$/i.exec(text) ?? [];
  const host = v6 ?? name;
  if (host === undefined || Number(port) > 65535) {
    throw new Refusal('must be HOST:PORT, for example 127.0.0.1:9464 or [::1]:9464');
  }
  return { host, port: Number(port) };
}
