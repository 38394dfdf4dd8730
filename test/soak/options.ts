import { parseArgs } from 'node:util';
import { TROUBLES, type TroubleName } from './schedule.ts';

export interface SoakOptions {
  readonly minutes: number;
  readonly sessions: number;
  readonly seed: number;
  readonly spared: readonly TroubleName[];
  /** Where the report goes. */
  readonly out: string;
}

export const USAGE = `npm run soak -- [--minutes 60] [--sessions 200] [--seed N] [--spare ${TROUBLES.join(',')}] [--out dist/soak]`;

/** Throws where an option means nothing. */
export function optionsOf(args: readonly string[]): SoakOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '60' },
      sessions: { type: 'string', default: '200' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      spare: { type: 'string', default: '' },
      out: { type: 'string', default: 'dist/soak' },
    },
  });
  const [minutes, sessions, seed] = [Number(values.minutes), Number(values.sessions), Number(values.seed)];
  if (!(minutes >= 0.1 && minutes <= 100_000)) throw new Error(`--minutes ${values.minutes}: 0.1 or more`);
  if (!(Number.isInteger(sessions) && sessions >= 1 && sessions <= 10_000))
    throw new Error(`--sessions ${values.sessions}: from 1 to 10000`);
  if (!(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 31))
    throw new Error(`--seed ${values.seed}: a whole number below 2^31`);
  const spared = values.spare.split(',').filter(Boolean);
  const unknown = spared.filter((name) => !(TROUBLES as string[]).includes(name));
  if (unknown.length > 0) throw new Error(`--spare ${unknown.join(', ')}; known: ${TROUBLES.join(', ')}`);
  return { minutes, sessions, seed, spared: spared as TroubleName[], out: values.out };
}
