/*
 * The multi-file state of Baileys' develop branch (2026-05-22), call by call: a whole NAME.tmp, NAME to NAME.bak, NAME.tmp to NAME;
 * what is missing or does not parse is read from NAME.bak. An error is thrown where today's version returns null.
 *
 *   node next-multi-file.mjs write DIR [ROUNDS]   changes credentials and keys, and prints a line after each round
 *   node next-multi-file.mjs read DIR             prints what is read of each, as JSON; fails as the state does
 */
import { mkdir, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const isProgram = process.argv[1] === fileURLToPath(import.meta.url);
// What the program writes has no buffers, and Baileys takes as long to load as some hundred rounds take.
const { BufferJSON, initAuthCreds, proto } = isProgram
  ? {}
  : (await import('./workload/baileys.mjs')).baileys;

const isMissing = (error) => error.code === 'ENOENT';
const ifMissing = (error) => {
  if (!isMissing(error)) throw error;
};

/** What Baileys throws where neither a file nor its backup can be used. */
class AuthFileCorruptError extends Error {}

/** One call after another for each file, as its mutexes do. */
const turns = new Map();
function inTurn(path, work) {
  const turn = (turns.get(path) ?? Promise.resolve()).catch(() => {}).then(work);
  turns.set(path, turn);
  return turn;
}

function fileOperations(folder) {
  const pathOf = (file) => join(folder, file.replace(/\//g, '__').replace(/:/g, '-'));
  const write = async (path, text) => {
    await writeFile(`${path}.tmp`, text);
    await rename(path, `${path}.bak`).catch(ifMissing);
    await rename(`${path}.tmp`, path);
  };
  const parse = (text) => {
    try {
      return { value: JSON.parse(text, BufferJSON?.reviver) };
    } catch {
      return undefined;
    }
  };
  const read = async (path) => {
    const text = await readFile(path, 'utf8').catch(ifMissing);
    const parsed = text === undefined ? undefined : parse(text);
    if (parsed !== undefined) return parsed.value;
    const backup = await readFile(`${path}.bak`, 'utf8').catch(ifMissing);
    if (backup === undefined && text === undefined) return null;
    const saved = backup === undefined ? undefined : parse(backup);
    if (saved === undefined) throw new AuthFileCorruptError(`${path} and its backup cannot be used`);
    return saved.value;
  };
  const remove = (path) =>
    Promise.all([path, `${path}.tmp`, `${path}.bak`].map((each) => unlink(each).catch(ifMissing)));
  return {
    writeData: (data, file) =>
      inTurn(pathOf(file), () => write(pathOf(file), JSON.stringify(data, BufferJSON?.replacer))),
    readData: (file) => inTurn(pathOf(file), () => read(pathOf(file))),
    removeData: (file) => inTurn(pathOf(file), () => remove(pathOf(file))),
  };
}

/** Takes the place of Baileys' own. */
export async function useMultiFileAuthState(folder) {
  await mkdir(folder, { recursive: true });
  const { readData, writeData, removeData } = fileOperations(folder);
  const creds = (await readData('creds.json')) ?? initAuthCreds();
  const get = async (type, ids) => {
    const read = async (id) => {
      const value = await readData(`${type}-${id}.json`);
      const isKey = type === 'app-state-sync-key' && value;
      return [id, isKey ? proto.Message.AppStateSyncKeyData.fromObject(value) : value];
    };
    return Object.fromEntries(await Promise.all(ids.map(read)));
  };
  const set = async (data) => {
    const files = Object.entries(data).flatMap(([type, values]) =>
      Object.entries(values).map(([id, value]) => [`${type}-${id}.json`, value]),
    );
    await Promise.all(files.map(([file, value]) => (value ? writeData(value, file) : removeData(file))));
  };
  return { state: { creds, keys: { get, set } }, saveCreds: () => writeData(creds, 'creds.json') };
}

/** After each round, so that the processor also gets to those who kill. */
const REST_MS = 10;
const FILES = ['creds.json', 'session-1.0.json', 'session-2.0.json', 'pre-key-1.json'];

async function main([command, folder, rounds = '1000000']) {
  const { readData, writeData } = fileOperations(folder);
  if (command === 'read') {
    const read = await Promise.all(FILES.map(async (file) => [file, await readData(file)]));
    process.stdout.write(JSON.stringify(Object.fromEntries(read)));
    return;
  }
  await mkdir(folder, { recursive: true });
  const before = await readData('creds.json');
  let round = before?.round ?? 0;
  for (let left = Number(rounds); left > 0; left--) {
    round++;
    const padding = 'x'.repeat((round * 7919) % 20_000);
    await Promise.all(FILES.map((file) => writeData({ round, padding }, file)));
    process.stdout.write(`${round}\n`);
    await sleep(REST_MS);
  }
}

if (isProgram) await main(process.argv.slice(2));
