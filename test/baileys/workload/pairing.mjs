import { createHmac, randomBytes } from 'node:crypto';
import { DEVICE, devLid, devPn, newId, nowSeconds, openAccount, pnOf, tag } from './accounts.mjs';
import { baileys } from './baileys.mjs';
import { options } from './options.mjs';

const {
  Curve,
  configureSuccessfulPairing,
  encodeSyncdPatch,
  getNextPreKeysNode,
  INITIAL_PREKEY_COUNT,
  jidEncode,
  proto,
} = baileys;

/** The stanza that a phone sends after the QR code was scanned. */
function pairSuccess(creds, n) {
  const phone = Curve.generateKeyPair();
  const identity = { rawId: n, timestamp: nowSeconds(), keyIndex: 1, accountType: 0, deviceType: 0 };
  const details = proto.ADVDeviceIdentity.encode(identity).finish();
  const signedBytes = Buffer.concat([Buffer.from([6, 0]), details, creds.signedIdentityKey.public]);
  const accountSignature = Curve.sign(phone.private, signedBytes);
  const signed = { details, accountSignatureKey: phone.public, accountSignature };
  const signedDetails = proto.ADVSignedDeviceIdentity.encode(signed).finish();
  const hmac = createHmac('sha256', Buffer.from(creds.advSecretKey, 'base64')).update(signedDetails).digest();
  const sealed = proto.ADVSignedDeviceIdentityHMAC.encode({ details: signedDetails, hmac }).finish();
  return tag('iq', { id: newId(), from: '@s.whatsapp.net', type: 'set' }, [
    tag('pair-success', {}, [
      tag('device-identity', {}, sealed),
      tag('platform', { name: 'android' }),
      tag('device', { jid: devPn(n), lid: devLid(n) }),
    ]),
  ]);
}

/** Pairs, then opens the account anew: the server asks for a restart (515), so the credentials come from the disk. */
export async function pair(account, n, server) {
  await account.credsUpdate({});
  const { creds } = configureSuccessfulPairing(pairSuccess(account.creds, n), account.creds);
  await account.credsUpdate(creds);
  await account.idle();
  account.close();
  const reopened = await openAccount(account.dir);
  if (reopened.creds.me?.id !== devPn(n))
    throw new Error(`the credentials of ${account.dir} did not survive the restart`);
  server.accounts.set(n, reopened);
  return reopened;
}

/** Makes and stores 812 pre-keys in one commit: the burst. */
async function uploadPreKeys(account, n, server) {
  const node = await account.keys.transaction(async () => {
    const state = { creds: account.creds, keys: account.keys };
    const { update, node } = await getNextPreKeysNode(state, options.prekeys ?? INITIAL_PREKEY_COUNT);
    account.credsUpdate(update);
    return node;
  }, account.creds.me.id);
  const list = node.content.find((child) => child.tag === 'list').content;
  server.preKeys.set(n, [...(server.preKeys.get(n) ?? []), ...list]);
}

export async function login(account, n, server) {
  await uploadPreKeys(account, n, server);
  account.credsUpdate({ me: { ...account.creds.me, lid: devLid(n), name: `bot ${n}` } });
  await account.repository.lidMapping.storeLIDPNMappings([{ lid: devLid(n), pn: devPn(n) }]);
  await account.keys.set({ 'device-list': { [pnOf(n)]: [String(DEVICE)] } });
  await account.repository.migrateSession(devPn(n), devLid(n));
  account.credsUpdate({ routingInfo: randomBytes(30) });
  await account.idle();
}

/** Six bytes; those of the last two give '/' and '+' in base64, which Baileys must replace in the file's name. */
function appStateKeyId(i) {
  const prefix = i < 3 ? Buffer.alloc(4) : Buffer.from([0xff, 0xfe, 0xfb, 0xff]);
  return Buffer.concat([prefix, randomBytes(2)]).toString('base64');
}

async function shareAppStateKeys(account, n) {
  const ids = Array.from({ length: 5 }, (_, i) => appStateKeyId(i));
  await account.keys.transaction(async () => {
    for (const [currentIndex, id] of ids.entries()) {
      const fingerprint = { rawId: n, currentIndex, deviceIndexes: [0, 1] };
      const data = { keyData: randomBytes(32), fingerprint, timestamp: Date.now() };
      const key = proto.Message.AppStateSyncKeyData.fromObject(data);
      await account.keys.set({ 'app-state-sync-key': { [id]: key } });
    }
  }, account.creds.me.id);
  await account.credsUpdate({ myAppStateKeyId: ids.at(-1) });
  return ids.at(-1);
}

async function patchCollection(account, keyId, type, count) {
  const getKey = async (id) => (await account.keys.get('app-state-sync-key', [id]))[id];
  const stored = (await account.keys.get('app-state-sync-version', [type]))[type];
  let state = stored ?? { version: 0, hash: Buffer.alloc(128), indexValueMap: {} };
  for (let i = 0; i < count; i++) {
    const patch = {
      type,
      index: ['contact', `1555999${i}@s.whatsapp.net`],
      syncAction: { contactAction: { fullName: `Contact ${i}` } },
      apiVersion: 2,
      operation: proto.SyncdMutation.SyncdOperation.SET,
    };
    ({ state } = await encodeSyncdPatch(patch, keyId, state, getKey));
  }
  await account.keys.set({ 'app-state-sync-version': { [type]: state } });
}

async function syncHistory(account) {
  const contacts = Array.from({ length: options.contacts }, (_, i) => ({
    pn: `${15559990000 + i}@s.whatsapp.net`,
    lid: `${300000000000000 + i}@lid`,
  }));
  if (contacts.length === 0) return;
  await account.repository.lidMapping.storeLIDPNMappings(contacts);
  const token = () => ({ token: randomBytes(12), timestamp: String(nowSeconds()) });
  const tctoken = Object.fromEntries(contacts.map(({ lid }) => [lid, token()]));
  const index = { token: Buffer.from(JSON.stringify(Object.keys(tctoken))) };
  await account.keys.set({ tctoken: { ...tctoken, __index: index } });
}

/** Key share, the five app-state collections (one index entry per contact in one of them), history. */
export async function firstSync(account, n) {
  const keyId = await shareAppStateKeys(account, n);
  const collections = {
    critical_block: 2,
    critical_unblock_low: options.contacts,
    regular_high: 3,
    regular_low: 3,
    regular: 3,
  };
  for (const [type, count] of Object.entries(collections)) {
    await account.keys.transaction(() => patchCollection(account, keyId, type, count), account.creds.me.id);
  }
  await syncHistory(account);
  for (let i = 0; i < 3; i++) {
    const key = { remoteJid: jidEncode(pnOf(n), 's.whatsapp.net'), fromMe: true, id: newId() };
    const processed = [...account.creds.processedHistoryMessages, { key, messageTimestamp: nowSeconds() }];
    account.credsUpdate({ processedHistoryMessages: processed });
  }
  account.credsUpdate({ accountSyncCounter: 1, lastAccountSyncTimestamp: nowSeconds(), registered: true });
  await account.idle();
}
