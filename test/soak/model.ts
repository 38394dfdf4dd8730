/**
 * What each session of a soak holds: a function of the seed and of the number of steps that its bot has made. So bots and
 * checkers, in processes of their own, need to agree on two numbers for a session only.
 */
import { Prng } from '../drivers/support/prng.ts';

export type Kind = 'today' | 'next' | 'sqlite';

/** Describes a content: `json VERSION`, `plain VERSION SIZE`, `notes GENERATION LENGTH`, `rows COUNT`. Undefined: no such file. */
export type Value = string | undefined;

export type Action = 'pair' | 'key' | 'creds' | 'remove' | 'notes' | 'media' | 'transaction' | 'logout';

export interface Change {
  readonly name: string;
  readonly to: Value;
  /** What may be there when the bot dies in the middle of the step, beside what was and what comes. */
  readonly onTheWay: readonly Value[];
}

export interface Step {
  readonly number: number;
  readonly action: Action;
  readonly changes: readonly Change[];
}

export const CREDS = 'creds.json';
export const BACKUP = `${CREDS}.bak`;
export const TEMPORARY = `${CREDS}.tmp`;
export const NOTES = 'history.log';
export const DATABASE = 'auth.db';
export const EMPTY = 'plain 0 0';

const PRE_KEYS = 16;
const NOTES_MAX = 40_000;
const MEDIA_BYTES = 150_000;
/** One step of so many ends a session. */
const LOGOUT_ONE_IN = 150;

export class SessionModel {
  readonly index: number;
  readonly kind: Kind;
  readonly folder: string;
  readonly files = new Map<string, string>();
  #steps = 0;
  readonly #seed: number;

  constructor(seed: number, index: number) {
    this.#seed = seed;
    this.index = index;
    this.kind = index % 10 === 0 ? 'sqlite' : index % 10 < 4 ? 'next' : 'today';
    this.folder = `user${index % 7}-+1555${String(index).padStart(6, '0')}`;
  }

  get steps(): number {
    return this.#steps;
  }

  /** The step after the last one that was applied. */
  next(): Step {
    const number = this.#steps + 1;
    const prng = new Prng(Math.imul(this.#seed, 7919) ^ Math.imul(this.index + 1, 104_729) ^ (number * 31));
    prng.u32();
    if (this.files.size === 0) return { number, action: 'pair', changes: this.#paired(number) };
    if (prng.below(LOGOUT_ONE_IN) === 0) {
      const changes = [...this.files.keys()].map((name) => ({ name, to: undefined, onTheWay: [] }));
      return { number, action: 'logout', changes };
    }
    if (this.kind === 'sqlite') {
      const rows = Number(this.files.get(DATABASE)?.split(' ')[1]);
      return { number, action: 'transaction', changes: [change(DATABASE, `rows ${rows + 1}`)] };
    }
    return { number, ...this.#changed(number, prng) };
  }

  apply({ number, changes }: Step): void {
    for (const { name, to } of changes)
      if (to === undefined) this.files.delete(name);
      else this.files.set(name, to);
    this.#steps = number;
  }

  /** To what is there after so many steps. */
  advance(steps: number): void {
    while (this.#steps < steps) this.apply(this.next());
  }

  #paired(number: number): Change[] {
    if (this.kind === 'sqlite') return [change(DATABASE, 'rows 1', ['rows 0'])];
    const keys = Array.from({ length: PRE_KEYS }, (_, i) => change(`pre-key-${i}.json`, `json ${number}`));
    return [...keys, change(CREDS, `json ${number}`)];
  }

  #changed(number: number, prng: Prng): Pick<Step, 'action' | 'changes'> {
    const lot = prng.below(20);
    if (lot < 9) return one('key', change(`session-${prng.below(20)}.json`, `json ${number}`));
    if (lot < 14) return { action: 'creds', changes: this.#credentials(number) };
    if (lot < 15) return one('remove', change(`pre-key-${prng.below(PRE_KEYS)}.json`, undefined));
    if (lot < 16) {
      const size = 1 + prng.below(MEDIA_BYTES);
      return one('media', change(`media-${prng.below(3)}.bin`, `plain ${number} ${size}`, [EMPTY]));
    }
    return one('notes', this.#notes(prng));
  }

  /** In place, as Baileys does today, or by way of two other names, as its next release does. */
  #credentials(number: number): Change[] {
    const to = `json ${number}`;
    if (this.kind === 'today') return [change(CREDS, to)];
    return [
      change(TEMPORARY, undefined, [EMPTY, to]),
      change(BACKUP, this.files.get(CREDS)),
      change(CREDS, to, [undefined]),
    ];
  }

  #notes(prng: Prng): Change {
    const [, generation = '0', length = '0'] = this.files.get(NOTES)?.split(' ') ?? [];
    if (Number(length) > NOTES_MAX) return change(NOTES, `notes ${Number(generation) + 1} 0`);
    return change(NOTES, `notes ${generation} ${Number(length) + 1 + prng.below(2000)}`);
  }
}

function change(name: string, to: Value, onTheWay: readonly Value[] = []): Change {
  return { name, to, onTheWay };
}

function one(action: Action, changed: Change): Pick<Step, 'action' | 'changes'> {
  return { action, changes: [changed] };
}

/** Of a file that is no database. What is renamed keeps its content. */
export function contentOf(named: string, value: string): Buffer {
  const path = named.replace(/\.(bak|tmp)$/, '');
  const [kind = '', first = '0', second = '0'] = value.split(' ');
  switch (kind) {
    case 'json':
      return document(path, Number(first));
    case 'plain':
      return bytes(path, Number(first), Number(second));
    case 'notes':
      return bytes(path, Number(first), Number(second));
    default:
      throw new Error(`no content is known of ${value}`);
  }
}

function document(path: string, version: number): Buffer {
  const filler = 'x'.repeat(new Prng(version * 7 + path.length).below(1500));
  const me = { id: `${path}@s.whatsapp.net` };
  return Buffer.from(JSON.stringify({ me, registered: true, path, version, filler }));
}

/** The beginning of one and the same text, so that it can grow. */
function bytes(path: string, version: number, size: number): Buffer {
  const line = `${path} ${version} `;
  return Buffer.from(line.repeat(Math.ceil(size / line.length))).subarray(0, size);
}
