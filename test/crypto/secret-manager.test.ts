/** Keys of Google Secret Manager: the real client, with a server that plays Secret Manager and the machine's account. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { promisify } from 'node:util';
import { findKeys, type KeyRequest } from '../../src/crypto/key-source.ts';
import { Keyring } from '../../src/crypto/keyring.ts';
import { crc32c } from '../../src/lib/crc32c.ts';
import { cliMain } from '../support/cli-main.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const [NEW, OLD] = ['0a'.repeat(32), '0b'.repeat(32)];
const NAME = 'sm://projects/project-id/secrets/sessionfs-key/versions/2';
const PREVIOUS = 'sm://projects/project-id/secrets/sessionfs-key/versions/1';

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

let server: Server;
let asked: string[] = [];
/** What the metadata server says when a token is asked for. */
let token: Answer;
let tokensAsked = 0;
let answers: Record<string, Answer[]> = {};

function held(text: string, crc = crc32c(Buffer.from(text))): Answer {
  const payload = { data: Buffer.from(text).toString('base64'), dataCrc32c: String(crc) };
  return { status: 200, body: { name: 'of the version', payload } };
}

function refused(status: number, code: string, message: string): Answer {
  return { status, body: { error: { code: status, status: code, message } } };
}

function answerTo({ url = '', headers }: IncomingMessage): Answer {
  if (url.startsWith('/computeMetadata/')) {
    if (url.includes('/token')) tokensAsked++;
    return token;
  }
  asked.push(url);
  if (headers.authorization !== 'Bearer token') return refused(401, 'UNAUTHENTICATED', 'no token');
  const left = answers[url.replace(/^\/v1\//, 'sm://').replace(/:access$/, '')];
  return (
    (left !== undefined && left.length > 1 ? left.shift() : left?.[0]) ?? refused(404, 'NOT_FOUND', 'none')
  );
}

before(async () => {
  server = createServer((request, response) => {
    const { status, body } = answerTo(request);
    response.writeHead(status, { 'content-type': 'application/json', 'metadata-flavor': 'Google' });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  Object.assign(process.env, googleEnvironment());
});

function googleEnvironment(): Record<string, string> {
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    SESSIONFS_TEST_SECRET_MANAGER: `http://${host}`,
    GCE_METADATA_HOST: host,
    METADATA_SERVER_DETECTION: 'assume-present',
    GOOGLE_APPLICATION_CREDENTIALS: '',
    CLOUDSDK_CONFIG: '/nonexistent',
  };
}

beforeEach(() => {
  asked = [];
  tokensAsked = 0;
  token = { status: 200, body: { access_token: 'token', expires_in: 3600, token_type: 'Bearer' } };
  answers = { [NAME]: [held(`${NEW}\n`)], [PREVIOUS]: [held(OLD)] };
});

after(() => server.close());

function request(given: Partial<KeyRequest>): KeyRequest {
  return {
    env: {},
    keyFile: undefined,
    cachePath: '/nonexistent/sessions.sealed',
    mayGenerate: false,
    expectedKeyId: undefined,
    ...given,
  };
}

test('a secret is the key, wherever a key may be named, and is asked for once', async () => {
  const ids = [Keyring.fromHex(NEW).currentId, Keyring.fromHex(OLD).currentId];
  const env = { SESSION_ENCRYPTION_KEY: NAME, SESSION_ENCRYPTION_KEYS_PREVIOUS: `${PREVIOUS},${NAME}` };
  const byVariable = await findKeys(request({ env }));
  assert.deepEqual(byVariable.keyring.ids, ids);
  assert.deepEqual(env, {});
  assert.deepEqual([byVariable.origin, byVariable.path], ['secret', NAME]);
  assert.deepEqual(asked.length, 2);
  const byFlag = await findKeys(request({ keyFile: NAME, env: { SESSION_ENCRYPTION_KEYS_PREVIOUS: OLD } }));
  assert.deepEqual(byFlag.keyring.ids, ids);
});

test('what keeps a secret from being read is said, with what to do, and nothing of a secret', async () => {
  const cases: readonly [answers: Answer[], code: string, message: RegExp, hint: RegExp][] = [
    [
      [refused(403, 'PERMISSION_DENIED', 'no')],
      'KEY_MISSING',
      /may not be read by this account/,
      /secretAccessor/,
    ],
    [[refused(404, 'NOT_FOUND', 'no')], 'KEY_MISSING', /is not there/, /versions list/],
    [[refused(400, 'FAILED_PRECONDITION', 'no')], 'KEY_MISSING', /disabled or destroyed/, /versions enable/],
    [[held(NEW, 1)], 'KEY_MALFORMED', /changed on its way/, /Try again/],
    [[held(`${NEW}00`)], 'KEY_MALFORMED', /must be 64 hex digits, but it has 66 characters/, /hex/],
    [[{ status: 200, body: {} }], 'KEY_MALFORMED', /no payload/, /^$/],
  ];
  for (const [given, code, message, hint] of cases) {
    answers = { [NAME]: [...given] };
    const env = { SESSION_ENCRYPTION_KEY: NAME };
    await assert.rejects(findKeys(request({ env })), (error: Error & { code?: string; hint?: string }) => {
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      assert.match(error.hint ?? '', hint);
      assert.ok(!JSON.stringify([error.message, error.hint, error.stack]).includes(NEW.slice(0, 16)));
      return true;
    });
    assert.deepEqual(env, {}, 'the variables are gone all the same');
  }
  await assert.rejects(findKeys(request({ env: { SESSION_ENCRYPTION_KEY: 'sm://no/../secret' } })), {
    code: 'KEY_MALFORMED',
  });
});

test('credentials that give no token are named, not the network, and not asked for again', async () => {
  token = refused(403, 'PERMISSION_DENIED', 'no service account');
  await assert.rejects(
    findKeys(request({ keyFile: NAME })),
    (error: Error & { code?: string; hint?: string }) => {
      assert.equal(error.code, 'KEY_MISSING');
      assert.match(error.message, /^Secret Manager cannot be asked/);
      assert.match(error.hint ?? '', /GOOGLE_APPLICATION_CREDENTIALS/);
      return true;
    },
  );
  assert.deepEqual([asked.length, tokensAsked], [0, 1]);
});

test('what may pass is tried again', async () => {
  answers = {
    [NAME]: [refused(503, 'UNAVAILABLE', 'later'), refused(429, 'RESOURCE_EXHAUSTED', 'later'), held(NEW)],
  };
  const { keyring } = await findKeys(request({ keyFile: NAME }));
  assert.equal(keyring.currentId, Keyring.fromHex(NEW).currentId);
  assert.equal(asked.length, 3);
});

test('a command takes the name of a secret by flag and by variable, and refuses one that is none', async (t) => {
  const directory = temporaryDirectory(t);
  const doctor = async (args: string[], env: Record<string, string> = {}) => {
    const given = [cliMain, 'doctor', join(directory, 'sessions'), ...args];
    const options = { env: { ...cleanEnvironment(env), ...googleEnvironment() } };
    return promisify(execFile)(process.execPath, given, options).catch(
      (error: { stdout: string; stderr: string }) => error,
    );
  };
  const line = new RegExp(`^ok +key +key ${Keyring.fromHex(NEW).currentId}, from ${NAME}$`, 'm');
  assert.match((await doctor(['--encryption-key-file', NAME])).stdout, line);
  assert.match((await doctor([], { SESSION_ENCRYPTION_KEY: NAME })).stdout, line);
  assert.match(
    (await doctor(['--encryption-key-file', 'sm://sessionfs-key'])).stdout,
    /must be the path of a file, or sm:\/\/projects\/PROJECT/,
  );
});
