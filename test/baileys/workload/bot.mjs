import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { devPn, openAccount, pnOf } from './accounts.mjs';
import { converse, groupTalk, lanes } from './conversations.mjs';
import { timed } from './measure.mjs';
import { options } from './options.mjs';
import { firstSync, login, pair } from './pairing.mjs';

/** Makes accounts, pairs them and lets them talk. */
export async function init() {
  const server = { accounts: new Map(), preKeys: new Map() };
  const errors = [];
  const accounts = new Map();
  await timed('open', async () => {
    for (let n = 1; n <= options.k; n++)
      accounts.set(n, await openAccount(join(options.dir, `user${n}-+${pnOf(n)}`)));
  });
  for (const account of accounts.values()) {
    if (account.creds.me)
      throw new Error(`${account.dir} already holds a paired account; use an empty directory`);
  }
  await timed('pair', async () => {
    for (const [n, account] of accounts) accounts.set(n, await pair(account, n, server));
  });
  await timed('prekeys+login', () =>
    Promise.all([...accounts].map(([n, account]) => login(account, n, server))),
  );
  await timed('firstSync', () => Promise.all([...accounts].map(([n, account]) => firstSync(account, n))));
  const direct = await timed('messages', () => converse(accounts, server, options.m, 'init', errors));
  const group = await timed('group', () => groupTalk(accounts, server, options.group, 'init', errors));
  for (const account of accounts.values()) account.close();
  return { direct, group, errors };
}

/** Continues every conversation of the accounts that are there. */
export async function resume() {
  const errors = [];
  const accounts = new Map();
  await timed('reopen', async () => {
    for (const { name, n } of await accountFolders()) {
      const account = await openAccount(join(options.dir, name));
      if (account.creds.me?.id === devPn(n)) accounts.set(n, account);
      else errors.push(`${name}: credentials lost, Baileys started over with a new identity (QR code again)`);
    }
  });
  const total = options.rounds * lanes([...accounts.keys()]).length;
  const direct = await timed('resumeMessages', () => converse(accounts, null, total, 'resume', errors));
  const group = await timed('resumeGroup', () => groupTalk(accounts, null, accounts.size, 'resume', errors));
  for (const account of accounts.values()) account.close();
  return { accounts: accounts.size, direct, group, errors };
}

async function accountFolders() {
  const folders = (await readdir(options.dir)).filter((name) => /^user\d+-\+\d+$/.test(name));
  return folders.map((name) => ({ name, n: Number.parseInt(name.slice(4), 10) })).sort((a, b) => a.n - b.n);
}
