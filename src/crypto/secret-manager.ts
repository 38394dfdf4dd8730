/**
 * A key in Google Secret Manager, by its REST interface and the library that signs requests for Google Cloud Storage, too, loaded only
 * for this: the client package @google-cloud/secret-manager would add 90 packages and half a second to each start.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../lib/backoff.ts';
import { crc32c } from '../lib/crc32c.ts';
import { SessionfsError } from '../lib/errors.ts';
import { parseSecretName } from '../lib/secret-name.ts';
import { messageOf } from '../lib/system-error.ts';
import { parseKeyHex } from './keyring.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
/** A name says its project; without one the library would run gcloud and ask the machine, for seconds. */
const NO_PROJECT = 'none';
/** Set by tests: the origin of a server that plays Secret Manager. */
const ENDPOINT = 'SESSIONFS_TEST_SECRET_MANAGER';
const ATTEMPTS = 4;
const TIMEOUT_MS = 15_000;
const RETRY = { minMs: 500, maxMs: 8_000 };
/** A key is 65 bytes; a secret may have 64 KiB. */
const ANSWER_MAX = 128 * 1024;

/** For the requests of one process. */
interface Client {
  get(url: string): Promise<{ status: number; body: Buffer }>;
}

/**
 * The raw keys of `names` (sm://…), which the caller owns. No message has anything of a secret. Throws KEY_MISSING, KEY_MALFORMED.
 */
export async function readSecretKeys(names: readonly string[]): Promise<Map<string, Buffer>> {
  const keys = new Map<string, Buffer>();
  try {
    const client = await authorized();
    for (const name of new Set(names)) keys.set(name, await readSecretKey(client, name));
    return keys;
  } catch (error) {
    for (const raw of keys.values()) raw.fill(0);
    throw error;
  }
}

/** Throws KEY_MISSING where there are no credentials. */
async function authorized(): Promise<Client> {
  const { GoogleAuth } = await import('google-auth-library');
  let client: Awaited<ReturnType<InstanceType<typeof GoogleAuth>['getClient']>>;
  try {
    client = await new GoogleAuth({ scopes: SCOPE, projectId: NO_PROJECT }).getClient();
  } catch (error) {
    throw noCredentials(error);
  }
  return {
    get: async (url) => {
      const { status, data } = await client.request<ArrayBuffer>({
        url,
        responseType: 'arraybuffer',
        timeout: TIMEOUT_MS,
        size: ANSWER_MAX,
        retry: false,
        validateStatus: () => true,
      });
      return { status, body: Buffer.from(data) };
    },
  };
}

function noCredentials(error: unknown): SessionfsError {
  return new SessionfsError('KEY_MISSING', `Secret Manager cannot be asked: ${messageOf(error)}`, {
    hint: 'Give credentials of Google, as for a bucket: GOOGLE_APPLICATION_CREDENTIALS, or the account of the machine.',
    cause: error,
  });
}

async function readSecretKey(client: Client, name: string): Promise<Buffer> {
  const parsed = parseSecretName(name);
  if (parsed === undefined)
    throw new SessionfsError(
      'KEY_MALFORMED',
      'a key that begins with sm:// must be sm://projects/PROJECT/secrets/SECRET/versions/VERSION',
    );
  const { resource, location } = parsed;
  const host = location === undefined ? 'secretmanager' : `secretmanager.${location}.rep`;
  const origin = process.env[ENDPOINT] ?? `https://${host}.googleapis.com`;
  const body = await patiently(name, () => client.get(`${origin}/v1/${resource}:access`));
  try {
    return keyIn(body, name);
  } finally {
    body.fill(0);
  }
}

/** Tries again what may pass. Throws KEY_MISSING. */
async function patiently(name: string, ask: () => ReturnType<Client['get']>): Promise<Buffer> {
  for (let attempt = 0; ; attempt++) {
    let failure: SessionfsError;
    try {
      const { status, body } = await ask();
      if (status === 200) return body;
      failure = refusal(name, status, body);
      if (!mayPass(status)) throw failure;
    } catch (error) {
      if (error instanceof SessionfsError) throw error;
      // Secret Manager's own answers are not thrown: this one came when a token was fetched.
      const { status } = (error as { response?: { status?: number } }).response ?? {};
      if (status !== undefined && !mayPass(status)) throw noCredentials(error);
      failure = new SessionfsError('KEY_MISSING', `Secret Manager does not answer: ${messageOf(error)}`, {
        hint: 'The key is read at each start: see that the network and Google’s services can be reached.',
        cause: error,
      });
    }
    if (attempt + 1 === ATTEMPTS) throw failure;
    await sleep(backoffMs(attempt, RETRY));
  }
}

function mayPass(status: number): boolean {
  return status >= 500 || status === 429;
}

/** What an answer means that has no key. */
function refusal(name: string, status: number, body: Buffer): SessionfsError {
  const said = errorIn(body);
  const [what, hint] = meaningOf(status, said.status);
  return new SessionfsError('KEY_MISSING', `${name} ${what} (HTTP ${status}${said.message})`, { hint });
}

function meaningOf(status: number, code: string): [what: string, hint: string] {
  if (status === 401 || status === 403)
    return [
      'may not be read by this account',
      'Grant it roles/secretmanager.secretAccessor on this secret, and nothing more.',
    ];
  if (status === 404)
    return ['is not there', 'gcloud secrets versions list SECRET --project=PROJECT lists the versions.'];
  if (status === 400 && code === 'FAILED_PRECONDITION')
    return [
      'is disabled or destroyed',
      'gcloud secrets versions enable VERSION --secret=SECRET enables one that is disabled.',
    ];
  return [
    'cannot be read now',
    'Secret Manager refused it: try again, and see https://status.cloud.google.com.',
  ];
}

/** What Google says, which names no secret's content. */
function errorIn(body: Buffer): { status: string; message: string } {
  try {
    const { error } = JSON.parse(body.toString('utf8')) as { error?: { status?: string; message?: string } };
    return {
      status: String(error?.status ?? ''),
      message: error?.message ? `: ${error.message.slice(0, 300)}` : '',
    };
  } catch {
    return { status: '', message: '' };
  }
}

interface Access {
  readonly payload?: { readonly data?: string; readonly dataCrc32c?: string };
}

function keyIn(body: Buffer, name: string): Buffer {
  const { data, dataCrc32c } = payloadOf(body);
  if (data === undefined)
    throw new SessionfsError('KEY_MALFORMED', `Secret Manager’s answer for ${name} has no payload`);
  const bytes = Buffer.from(data, 'base64');
  try {
    if (dataCrc32c === undefined || Number(dataCrc32c) !== crc32c(bytes))
      throw new SessionfsError(
        'KEY_MALFORMED',
        `${name} was changed on its way: its checksum is another one`,
        {
          hint: 'Try again. If it stays so, something between this machine and Google changes answers.',
        },
      );
    return parseKeyHex(bytes.toString('latin1').trim(), `the secret ${name}`);
  } finally {
    bytes.fill(0);
  }
}

function payloadOf(body: Buffer): NonNullable<Access['payload']> {
  try {
    return (JSON.parse(body.toString('utf8')) as Access).payload ?? {};
  } catch {
    return {};
  }
}
