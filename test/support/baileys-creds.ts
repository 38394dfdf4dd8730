/** Credentials as Baileys itself makes and saves them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadBaileys } from './baileys-file.ts';
import type { Scope } from './cleanup.ts';
import { workloadSucceeds } from './run-workload.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const { BufferJSON, initAuthCreds } = loadBaileys();

/** A part of what creds.json holds. */
export interface SavedCreds {
  me?: { id: string; name?: string };
  account?: unknown;
  registered: boolean;
  pairingCode?: string;
  signedIdentityKey: { public: { data: string } };
  [field: string]: unknown;
}

/** What an application begins with that finds no credentials, or cannot read them. */
export function freshCreds(): string {
  return JSON.stringify(initAuthCreds(), BufferJSON.replacer);
}

/** Of an account of its own, registered as a pairing leaves them, as far as they say so. */
export function registeredCreds(): string {
  const account = { details: 'signed by the phone' };
  return changed(
    freshCreds(),
    (creds) => void Object.assign(creds, { me: { id: '49@s.whatsapp.net' }, account }),
  );
}

/** Of the workload's first account, paired by QR code on a plain disk. */
export async function pairedCreds(scope: Scope): Promise<string> {
  const directory = temporaryDirectory(scope);
  const small = ['--k', '2', '--m', '2', '--group', '0', '--prekeys', '5', '--contacts', '1'];
  await workloadSucceeds(directory, '--mode', 'init', ...small);
  return readFileSync(join(directory, WORKLOAD_SESSION, 'creds.json'), 'utf8');
}

/** Where the workload keeps its first account. */
export const WORKLOAD_SESSION = 'user1-+1555000001';

/** The same with other fields, as Baileys would save it. */
export function changed(creds: string, change: (creds: SavedCreds) => void): string {
  const value = JSON.parse(creds) as SavedCreds;
  change(value);
  return JSON.stringify(value);
}
