/** Which trouble comes when: one seed is one schedule. */
import { Prng } from '../drivers/support/prng.ts';

interface Habit {
  /** From one to the next, on average, in ms. */
  readonly everyMs: number;
  readonly lastsMs: readonly [number, number];
  /**
   * It ends the daemon. Only in the first third of a run: memory of a daemon shows a trend only when one and the same daemon
   * serves the rest of it.
   */
  readonly endsDaemon?: true;
}

const HABITS = {
  /** The bucket refuses, cuts connections, and loses its answers. */
  storm: { everyMs: 45_000, lastsMs: [4000, 15_000] },
  /** Each request takes a third of a second more. */
  slow: { everyMs: 60_000, lastsMs: [5000, 20_000] },
  /** The bucket is out of reach. */
  outage: { everyMs: 90_000, lastsMs: [3000, 20_000] },
  /** SIGKILL of a bot in the middle of whatever it does. */
  application: { everyMs: 15_000, lastsMs: [0, 2000] },
  /** The disk of the cache has no room. */
  full: { everyMs: 100_000, lastsMs: [2000, 8000] },
  /** The wall clock of the mount's processes jumps. */
  clock: { everyMs: 50_000, lastsMs: [0, 0] },
  /** SIGKILL of the daemon: another one takes over. */
  daemon: { everyMs: 20_000, lastsMs: [0, 0], endsDaemon: true },
  /** SIGKILL of bots, supervisor and daemon: the mount is made anew. */
  machine: { everyMs: 400_000, lastsMs: [0, 0], endsDaemon: true },
} satisfies Record<string, Habit>;

export type TroubleName = keyof typeof HABITS;

export const TROUBLES = Object.keys(HABITS) as TroubleName[];

export interface Trouble {
  readonly name: TroubleName;
  readonly atMs: number;
  readonly lastsMs: number;
  /** Decides what else there is to decide. */
  readonly lot: number;
}

/** Nothing begins earlier, and nothing lasts longer, as shares of the run. */
const FIRST = 0.05;
const LAST = 0.92;
const LONGEST = 0.12;

/** Oldest first; at least one of each that is not spared. */
export function scheduleOf(seed: number, totalMs: number, spared: readonly TroubleName[] = []): Trouble[] {
  const names = TROUBLES.filter((name) => !spared.includes(name));
  return names
    .flatMap((name) => troublesOf(name, seed, totalMs))
    .sort((a, b) => a.atMs - b.atMs || TROUBLES.indexOf(a.name) - TROUBLES.indexOf(b.name));
}

function troublesOf(name: TroubleName, seed: number, totalMs: number): Trouble[] {
  const { everyMs, lastsMs, endsDaemon }: Habit = HABITS[name];
  const prng = new Prng(seed * 31 + TROUBLES.indexOf(name));
  const [shortest, longest] = lastsMs;
  const lastMs = totalMs * (endsDaemon ? 1 / 3 : LAST);
  const troubles: Trouble[] = [];
  const add = (atMs: number) => {
    const wantedMs = shortest + prng.below(longest - shortest + 1);
    const limitMs = Math.min(totalMs * LONGEST, totalMs * LAST - atMs);
    troubles.push({ name, atMs, lastsMs: Math.round(Math.min(wantedMs, limitMs)), lot: prng.u32() });
  };
  let atMs = totalMs * FIRST;
  for (;;) {
    atMs += Math.round(everyMs * (0.3 + prng.below(1400) / 1000));
    if (atMs >= lastMs) break;
    add(atMs);
    // The next one comes after the end of this one.
    atMs += troubles.at(-1)?.lastsMs ?? 0;
  }
  if (troubles.length === 0)
    add(Math.round(totalMs * FIRST + prng.below(Math.ceil(lastMs * 0.9 - totalMs * FIRST))));
  return troubles;
}
