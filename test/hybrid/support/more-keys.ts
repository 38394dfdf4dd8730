/** What Baileys does when the server runs out of an account's pre-keys: new ones, then the credentials that count them. */
import { loadBaileys } from '../../support/baileys-file.ts';

const { getNextPreKeys, useMultiFileAuthState } = loadBaileys();

/** Makes `count` keys in a session folder, and answers the id of the next one. */
export async function makeMoreKeys(folder: string, count: number): Promise<number> {
  const { state, saveCreds } = await useMultiFileAuthState(folder);
  const { update } = await getNextPreKeys(state, count);
  Object.assign(state.creds, update);
  await saveCreds();
  return state.creds.nextPreKeyId;
}
