/**
 * What a creds.json of Baileys says about its account, and when an application has started over.
 *
 * initAuthCreds makes keys and neither `me` nor `account`. Pairing adds them: by QR code both in one version, `registered`
 * staying false; by a code `me` when the code is asked for, `registered` when the phone took it, `account` at last. A socket
 * logs in as `me`, and registers anew without it. An account is its signedIdentityKey: it never changes, and belongs to no
 * other one. So two registrations can follow each other with no fresh version in between, because Baileys does not save fresh
 * credentials before they are paired, if nothing else makes it save them.
 */
export type Registration =
  /** Nothing that could be lost: fresh, or no credentials of Baileys at all. */
  | { kind: 'none' }
  | {
      kind: 'registered';
      /** The public identity key; undefined: it has none that can be read. */
      identity: Buffer | undefined;
      /** The key's bytes as they stand in the file; undefined: they do not stand there as base64. */
      mark: Buffer | undefined;
    };

export type Registered = Extract<Registration, { kind: 'registered' }>;

interface Creds {
  me?: { id?: unknown } | null;
  account?: unknown;
  registered?: unknown;
  signedIdentityKey?: { public?: unknown } | null;
}

const NONE: Registration = { kind: 'none' };
/** No fresh credentials contain it, and every version with `me` does. */
const ME = Buffer.from('"me"');

export function readRegistration(content: Buffer): Registration {
  if (!content.includes(ME)) return NONE;
  const creds = parseCreds(content);
  if (creds === undefined || !hasMe(creds)) return NONE;
  // Asking for a pairing code sets `me` too; such a registration is not complete and can be replaced.
  if (!isObject(creds.account) && creds.registered !== true) return NONE;
  return { kind: 'registered', identity: identityOf(creds), mark: markOf(creds) };
}

/** Whether `content` is a later version of the same registration; what is not JSON of an object is none. */
export function goesOn(before: Registered, content: Buffer): boolean {
  if (before.mark !== undefined && content.includes(before.mark) && content.includes(ME)) return true;
  const creds = parseCreds(content);
  if (creds === undefined || !hasMe(creds)) return false;
  return before.identity === undefined || identityOf(creds)?.equals(before.identity) === true;
}

function parseCreds(content: Buffer): Creds | undefined {
  try {
    const value: unknown = JSON.parse(content.toString('utf8'));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function hasMe({ me }: Creds): boolean {
  return typeof me?.id === 'string' && me.id !== '';
}

function markOf({ signedIdentityKey }: Creds): Buffer | undefined {
  const { data } = (signedIdentityKey?.public ?? {}) as { data?: unknown };
  return typeof data === 'string' && data.length > 0 ? Buffer.from(JSON.stringify(data)) : undefined;
}

/** In every form in which versions of Baileys have written bytes: base64, an array, an object by index. */
function identityOf({ signedIdentityKey }: Creds): Buffer | undefined {
  const key = signedIdentityKey?.public;
  if (typeof key === 'string') return Buffer.from(key, 'base64');
  if (!isObject(key)) return undefined;
  const { data = key } = key as { data?: unknown };
  if (typeof data === 'string') return Buffer.from(data, 'base64');
  const bytes = isObject(data) ? Object.values(data) : [];
  return bytes.length > 0 && bytes.every(Number.isInteger) ? Buffer.from(bytes as number[]) : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
