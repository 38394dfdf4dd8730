import {
  bundle,
  DEVICE,
  devLid,
  devPn,
  lidOf,
  logger,
  newId,
  nowSeconds,
  phoneBundle,
  pnOf,
  tag,
} from './accounts.mjs';
import { baileys } from './baileys.mjs';
import { clocked, latency } from './measure.mjs';
import { options } from './options.mjs';

const { decryptMessageNode, encodeWAMessage, jidDecode, jidEncode, parseAndInjectE2ESessions } = baileys;

const GROUP = '120363000000000001@g.us';

/** The bundle the server has for a device: one of ours with its next pre-key, or a phone. */
function bundleFor(jid, server) {
  const { user, device, server: host } = jidDecode(jid);
  const userOf = host === 'lid' ? lidOf : pnOf;
  const n = device === DEVICE ? [...server.accounts.keys()].find((i) => userOf(i) === user) : undefined;
  if (n === undefined) return phoneBundle(jid);
  const { creds } = server.accounts.get(n);
  return bundle(jid, {
    registrationId: creds.registrationId,
    identity: creds.signedIdentityKey.public,
    signedPreKey: creds.signedPreKey,
    preKey: server.preKeys.get(n)?.shift(),
  });
}

/** Without a server a session must be on disk. */
async function assertSessions(account, jids, server) {
  for (const jid of jids) {
    const { exists, reason } = await account.repository.validateSession(jid);
    if (exists) continue;
    if (!server) throw new Error(`no session for ${jid} on disk (${reason})`);
    const answer = tag('iq', {}, [tag('list', {}, [bundleFor(jid, server)])]);
    await parseAndInjectE2ESessions(answer, account.repository);
  }
}

/** What a device look-up at the server stores, once per peer. */
async function learnDevices(account, peer, viaLid) {
  if (account.knownDevices.has(peer)) return;
  account.knownDevices.add(peer);
  if (viaLid) {
    const mapping = { lid: `${lidOf(peer)}@lid`, pn: `${pnOf(peer)}@s.whatsapp.net` };
    await account.repository.lidMapping.storeLIDPNMappings([mapping]);
  }
  await account.keys.set({ 'device-list': { [pnOf(peer)]: ['0', String(DEVICE)] } });
}

const ownPhones = (n) =>
  Array.from({ length: options.fanout }, (_, d) => jidEncode(lidOf(n), 'lid', d === 0 ? 0 : 20 + d));

/** Encrypts `text` for `peer` and for our own phones; answers the stanza that the peer gets. */
export async function sendDirect(account, n, peer, text, server, viaLid) {
  const recipients = [viaLid ? devLid(peer) : devPn(peer), ...ownPhones(n)];
  const encrypted = await clocked(latency.send, () =>
    account.keys.transaction(async () => {
      if (server) await learnDevices(account, peer, viaLid);
      await assertSessions(account, recipients, server);
      const data = encodeWAMessage({ conversation: text });
      const all = await Promise.all(
        recipients.map((jid) => account.repository.encryptMessage({ jid, data })),
      );
      await account.keys.get('tctoken', [`${lidOf(peer)}@lid`]);
      return all[0];
    }, account.creds.me.id),
  );
  const sender = { from: devPn(n), notify: `bot ${n}`, sender_lid: devLid(n) };
  return tag('message', { id: newId(), t: String(nowSeconds()), type: 'text', ...sender }, [
    tag('enc', { v: '2', type: encrypted.type }, encrypted.ciphertext),
  ]);
}

export async function receive(account, n, stanza, bucket = latency.recv) {
  const message = decryptMessageNode(stanza, devPn(n), devLid(n), account.repository, logger);
  await clocked(bucket, () => message.decrypt());
  const { messageStubType, messageStubParameters, message: content } = message.fullMessage;
  if (messageStubType) throw new Error(`account ${n} could not decrypt: ${messageStubParameters}`);
  return content?.conversation;
}

/** Our sender key for each member that has not got it yet; `memory` notes that they have now. */
async function distributeSenderKey(account, members, memory, distribution, server) {
  const targets = members.filter((member) => !memory[devLid(member)]);
  if (targets.length === 0) return new Map();
  for (const target of targets) memory[devLid(target)] = true;
  await assertSessions(account, targets.map(devLid), server);
  const senderKeyDistributionMessage = { axolotlSenderKeyDistributionMessage: distribution, groupId: GROUP };
  const data = encodeWAMessage({ senderKeyDistributionMessage });
  const encrypt = async (member) => [
    member,
    await account.repository.encryptMessage({ jid: devLid(member), data }),
  ];
  return new Map(await Promise.all(targets.map(encrypt)));
}

function groupStanza(n, distribution, ciphertext, id) {
  const sender = { participant: devLid(n), participant_pn: devPn(n), addressing_mode: 'lid' };
  return tag('message', { id, from: GROUP, t: String(nowSeconds()), type: 'text', ...sender }, [
    ...(distribution ? [tag('enc', { v: '2', type: distribution.type }, distribution.ciphertext)] : []),
    tag('enc', { v: '2', type: 'skmsg' }, ciphertext),
  ]);
}

/** Encrypts `text` once for the group; answers a stanza for each other member. */
export function sendGroup(account, n, members, text, server) {
  const send = async () => {
    const others = members.filter((member) => member !== n);
    const memory = (await account.keys.get('sender-key-memory', [GROUP]))[GROUP] ?? {};
    const { ciphertext, senderKeyDistributionMessage } = await account.repository.encryptGroupMessage({
      group: GROUP,
      data: encodeWAMessage({ conversation: text }),
      meId: devLid(n),
    });
    const keys = await distributeSenderKey(account, others, memory, senderKeyDistributionMessage, server);
    await account.keys.set({ 'sender-key-memory': { [GROUP]: memory } });
    const id = newId();
    return others.map((to) => ({ to, stanza: groupStanza(n, keys.get(to), ciphertext, id) }));
  };
  return clocked(latency.groupSend, () => account.keys.transaction(send, account.creds.me.id));
}
