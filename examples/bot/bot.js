/*
 * A small WhatsApp bot: links itself to an account, then answers "ping". Its session is what useMultiFileAuthState keeps in
 * SESSION_DIR; nothing here knows whether that folder is a plain one or a mount of sessionfs.
 *
 *   SESSION_DIR    default ./sessions/user1-+15550001
 *   PHONE_NUMBER   digits only: link by a code that is typed into the phone, instead of a QR code
 *   LOG_LEVEL      of Baileys itself, default warn
 */
import makeWASocket, { Browsers, DisconnectReason, useMultiFileAuthState } from '@whiskeysockets/baileys';
import pino from 'pino';
import qrcode from 'qrcode-terminal';

const directory = process.env.SESSION_DIR ?? './sessions/user1-+15550001';
const logger = pino({ level: process.env.LOG_LEVEL ?? 'warn' });
const RECONNECT_MS = 3_000;

let socket;
let stopping = false;
let codeAskedFor = false;
/** Baileys does not wait for the listener that saves; the end of the process does. */
let saved = Promise.resolve();

// Throws if the folder cannot be made, for example because nothing is mounted yet: better than a new identity.
const { state, saveCreds } = await useMultiFileAuthState(directory);
console.log(`session ${directory}: ${state.creds.me ? `linked as ${state.creds.me.id}` : 'not linked yet'}`);

function connect() {
  socket = makeWASocket({ auth: state, logger, browser: Browsers.ubuntu('sessionfs example') });
  socket.ev.on('creds.update', () => {
    saved = saved.then(saveCreds).catch((error) => console.error('the credentials were not saved:', error));
  });
  socket.ev.on('connection.update', onConnectionUpdate);
  socket.ev.on('messages.upsert', onMessages);
}

async function onConnectionUpdate({ connection, lastDisconnect, qr }) {
  if (qr !== undefined) await offerLink(qr);
  if (connection === 'open') console.log(`connected as ${socket.user?.id}`);
  if (connection !== 'close' || stopping) return;
  const reason = lastDisconnect?.error?.output?.statusCode;
  if (reason === DisconnectReason.loggedOut) {
    console.error(`the phone has unlinked this session: remove ${directory} and start again to link it anew`);
    return stop(1);
  }
  console.log(
    `disconnected (${reason ?? lastDisconnect?.error?.message ?? 'no reason given'}), connecting again`,
  );
  setTimeout(connect, RECONNECT_MS);
}

/** A new QR code comes every few seconds; a code for the phone is asked for once. */
async function offerLink(qr) {
  const phoneNumber = process.env.PHONE_NUMBER;
  if (!phoneNumber) {
    qrcode.generate(qr, { small: true });
    console.log('scan this: WhatsApp, Linked devices, Link a device');
  } else if (!codeAskedFor) {
    codeAskedFor = true;
    const code = await socket.requestPairingCode(phoneNumber).catch((error) => `none: ${error.message}`);
    console.log(`enter this: WhatsApp, Linked devices, Link with phone number: ${code}`);
  }
}

async function onMessages({ messages, type }) {
  if (type !== 'notify') return;
  for (const { key, message } of messages) {
    const text = message?.conversation ?? message?.extendedTextMessage?.text;
    if (key.fromMe || !key.remoteJid || text?.trim().toLowerCase() !== 'ping') continue;
    await socket
      .sendMessage(key.remoteJid, { text: 'pong' })
      .catch((error) => console.error('the answer was not sent:', error.message));
  }
}

async function stop(status) {
  if (stopping) return;
  stopping = true;
  socket?.end(undefined);
  await saved;
  process.exit(status);
}

for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => void stop(0));
connect();
