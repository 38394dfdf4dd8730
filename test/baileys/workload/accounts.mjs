import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { useMultiFileAuthState as nextState } from '../next-multi-file.mjs';
import { baileys } from './baileys.mjs';
import { clocked, counted, latency, storeOperations } from './measure.mjs';
import { options } from './options.mjs';

const {
  addTransactionCapability,
  Curve,
  DEFAULT_CONNECTION_CONFIG,
  jidEncode,
  makeCacheableSignalKeyStore,
  useMultiFileAuthState: releasedState,
  signedKeyPair,
  xmppPreKey,
  xmppSignedPreKey,
} = baileys;

const nop = () => {};
const debug = process.env.WORKLOAD_DEBUG
  ? (...values) =>
      process.stderr.write(`${values.map((value) => value?.stack ?? JSON.stringify(value)).join(' ')}\n`)
  : nop;

// libsignal prints with console.*, and stdout is for the result only.
for (const method of ['log', 'info', 'warn', 'error', 'debug']) console[method] = debug;

export const logger = {
  level: 'silent',
  trace: nop,
  debug: nop,
  info: nop,
  warn: debug,
  error: debug,
  child: () => logger,
};

/** Our accounts are companion device 7; a phone is device 0. */
export const DEVICE = 7;
export const pnOf = (n) => `1555000${String(n).padStart(3, '0')}`;
export const lidOf = (n) => `2000000000${String(n).padStart(4, '0')}`;
export const devPn = (n) => jidEncode(pnOf(n), 's.whatsapp.net', DEVICE);
export const devLid = (n) => jidEncode(lidOf(n), 'lid', DEVICE);

export const tag = (name, attrs = {}, content = undefined) => ({ tag: name, attrs, content });
export const nowSeconds = () => Math.floor(Date.now() / 1000);

let messageSequence = 0;
export const newId = () => `3EB0${randomBytes(9).toString('hex').toUpperCase()}${messageSequence++ % 10}`;

async function openState(dir) {
  if (options.state !== 'next-sqlite')
    return (options.state === 'next-multi-file' ? nextState : releasedState)(dir);
  await mkdir(dir, { recursive: true });
  // Its package is not there in the application's container.
  const { databaseIn, useSqliteAuthState } = await import('../next-sqlite.mjs');
  return useSqliteAuthState({ dbPath: databaseIn(dir) });
}

/** An account as Baileys' makeSocket wires it: its state on disk, its keys in transactions, its Signal repository. */
export async function openAccount(dir) {
  const { state, saveCreds, close: closeState } = await openState(dir);
  const { creds } = state;
  const base = counted(state.keys);
  const store = options.cache ? makeCacheableSignalKeyStore(base, logger) : base;
  const keys = addTransactionCapability(store, logger, DEFAULT_CONNECTION_CONFIG.transactionOpts);
  // The third argument asks the server for LIDs, and the server knows none here.
  const repository = DEFAULT_CONNECTION_CONFIG.makeSignalRepository({ creds, keys }, logger, async () => []);
  const pending = new Set();
  return {
    dir,
    creds,
    keys,
    repository,
    knownDevices: new Set(),
    /** The socket assigns, then the bot's listener saves; no code waits for it. */
    credsUpdate(update) {
      Object.assign(creds, update);
      storeOperations.credsWrites++;
      const saved = clocked(latency.creds, saveCreds).finally(() => pending.delete(saved));
      pending.add(saved);
      return saved;
    },
    async idle() {
      while (pending.size > 0) await Promise.all(pending);
    },
    close() {
      repository.close?.();
      closeState?.();
    },
  };
}

/** What the server hands out about a device. */
export function bundle(jid, { registrationId, identity, signedPreKey, preKey }) {
  const registration = Buffer.alloc(4);
  registration.writeUInt32BE(registrationId);
  return tag('user', { jid }, [
    tag('registration', {}, registration),
    tag('type', {}, Buffer.from([5])),
    tag('identity', {}, identity),
    xmppSignedPreKey(signedPreKey),
    ...(preKey ? [preKey] : []),
  ]);
}

/** A phone's bundle, whose private keys are not kept. */
export function phoneBundle(jid) {
  const identity = Curve.generateKeyPair();
  return bundle(jid, {
    registrationId: randomBytes(2).readUInt16BE() & 16383,
    identity: identity.public,
    signedPreKey: signedKeyPair(identity, 1),
    preKey: xmppPreKey(Curve.generateKeyPair(), 1),
  });
}
