import { resolve } from 'node:path';

const STATES = ['multi-file', 'next-multi-file', 'next-sqlite'];
const MODES = ['all', 'init', 'resume', 'check'];

function parse(argv) {
  const named = new Map();
  const positional = [];
  for (let i = 0; i < argv.length; i++) {
    if (argv[i].startsWith('--')) named.set(argv[i].slice(2), argv[++i]);
    else positional.push(argv[i]);
  }
  const number = (name, fallback) => Number(named.get(name) ?? fallback);
  const mode = named.get('mode') ?? 'all';
  if (!MODES.includes(mode)) throw new Error(`--mode ${mode}: expected one of ${MODES.join(', ')}`);
  const state = named.get('state') ?? 'multi-file';
  if (!STATES.includes(state)) throw new Error(`--state ${state}: expected one of ${STATES.join(', ')}`);
  const m = number('m', 400);
  return {
    dir: resolve(positional[0] ?? './sessions'),
    mode,
    /** How it is stored: as Baileys' release does, or as its develop branch. */
    state,
    /** The arguments for another process on the same directory; a later --mode wins. */
    forward: argv,
    k: number('k', 4),
    m,
    group: number('group', Math.ceil(m / 10)),
    /** As many as Baileys makes when not given. */
    prekeys: named.has('prekeys') ? number('prekeys') : undefined,
    contacts: number('contacts', 50),
    /** Own phones that each direct message also goes to. */
    fanout: number('fanout', 1),
    /** 1: with Baileys' cacheable key store, as many bots have it. */
    cache: number('cache', 0),
    rounds: number('rounds', 4),
    credsEvery: number('creds-every', 25),
    /** Milliseconds from one message of a conversation to the next; 0: as fast as they go. */
    paceMs: number('pace-ms', 0),
  };
}

export const options = parse(process.argv.slice(2));
