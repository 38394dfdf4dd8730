/* The bot of the tour: Baileys' own auth state, paired as its socket pairs it. The server and the phone are objects in memory. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Curve } from '@whiskeysockets/baileys';
import { openAccount, pnOf } from '../baileys/workload/accounts.mjs';
import { pair } from '../baileys/workload/pairing.mjs';

const MESSAGE_MS = 600;

const say = (text) => process.stdout.write(`bot: ${text}\n`);
let account = await openAccount(`sessions/user1-+${pnOf(1)}`);
if (account.creds.me === undefined) {
  say('no session, pairing a new device');
  account = await pair(account, 1, { accounts: new Map() });
}
const { creds, keys } = account;
const identity = Buffer.from(creds.signedIdentityKey.public).toString('hex').slice(0, 12);
say(`logged in as ${creds.me.id}, registration id ${creds.registrationId}, identity ${identity}`);
for (;;) {
  const message = creds.accountSyncCounter + 1;
  await keys.set({ 'pre-key': { [message]: Curve.generateKeyPair() } });
  await account.credsUpdate({ accountSyncCounter: message });
  say(`message ${message}`);
  await sleep(MESSAGE_MS);
}
