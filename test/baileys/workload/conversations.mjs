import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { nowSeconds } from './accounts.mjs';
import { latency } from './measure.mjs';
import { receive, sendDirect, sendGroup } from './messages.mjs';
import { options } from './options.mjs';

const ERRORS_MAX = 200;

/** A ring of pairs; every other one talks by LID, the rest by phone number, which Baileys then migrates. */
export function lanes(ids) {
  if (ids.length < 2) return [];
  const starts = ids.length === 2 ? ids.slice(0, 1) : ids;
  return starts.map((a, i) => ({ a, b: ids[(i + 1) % ids.length], viaLid: i % 2 === 0 }));
}

async function exchange(accounts, server, { from, to, viaLid, text }) {
  const stanza = await sendDirect(accounts.get(from), from, to, text, server, viaLid);
  if ((await receive(accounts.get(to), to, stanza)) !== text) throw new Error('plaintext differs');
}

function saveCredsNowAndThen(account, i) {
  if (options.credsEvery === 0 || i % options.credsEvery !== options.credsEvery - 1) return;
  const accountSyncCounter = account.creds.accountSyncCounter + 1;
  account.credsUpdate({ accountSyncCounter, lastAccountSyncTimestamp: nowSeconds() });
}

/** Returns how many of `total` direct messages arrived. With a server a failure ends the run, without it is counted. */
export async function converse(accounts, server, total, label, errors) {
  const ring = lanes([...accounts.keys()]);
  let done = 0;
  const talk = async (lane, laneIndex) => {
    const mine = Math.floor(total / ring.length) + (laneIndex < total % ring.length ? 1 : 0);
    for (let i = 0; i < mine; i++) {
      if (options.paceMs > 0) await sleep(options.paceMs);
      // Runs of one to three messages each way, so that chains advance and ratchets step.
      const forward = Math.floor(i / (1 + (laneIndex % 3))) % 2 === 0;
      const [from, to] = forward ? [lane.a, lane.b] : [lane.b, lane.a];
      const text = `${label} lane ${laneIndex} msg ${i} ${randomBytes(40).toString('base64')}`;
      try {
        await exchange(accounts, server, { from, to, viaLid: lane.viaLid, text });
        done++;
      } catch (error) {
        errors.push(`lane ${laneIndex} (${from}->${to}) msg ${i}: ${error.message}`);
        if (server) throw error;
        if (errors.length > ERRORS_MAX) return;
      }
      saveCredsNowAndThen(accounts.get(from), i);
    }
  };
  await Promise.all(ring.map(talk));
  await Promise.all([...accounts.values()].map((account) => account.idle()));
  return done;
}

export async function groupTalk(accounts, server, count, label, errors) {
  const ids = [...accounts.keys()];
  if (ids.length < 2) return 0;
  let done = 0;
  for (let i = 0; i < count; i++) {
    const n = ids[i % ids.length];
    const text = `${label} group ${i} ${randomBytes(20).toString('hex')}`;
    try {
      const stanzas = await sendGroup(accounts.get(n), n, ids, text, server);
      const deliver = async ({ to, stanza }) => {
        const got = await receive(accounts.get(to), to, stanza, latency.groupRecv);
        if (got !== text) throw new Error('group plaintext differs');
      };
      await Promise.all(stanzas.map(deliver));
      done++;
    } catch (error) {
      errors.push(`group msg ${i} from ${n}: ${error.message}`);
      if (server) throw error;
    }
  }
  return done;
}
