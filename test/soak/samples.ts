/** What a soak measures now and then, and whether it stays flat. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { median } from '../bench/statistics.ts';

export interface Sample {
  readonly atMs: number;
  /** Of the daemon that serves. */
  readonly daemon: number;
  readonly memoryMiB: number;
  readonly descriptors: number;
  readonly threads: number;
  readonly journalMiB: number;
  /** Of cache and journal, and what else lies on that disk. */
  readonly diskMiB: number;
  readonly stepsPerSecond: number;
  readonly longestMs: number;
  readonly requestsPerSecond: number;
}

export type Metric = 'memoryMiB' | 'descriptors' | 'threads' | 'journalMiB';

interface Tolerance {
  readonly title: string;
  /** What the last third may have more than the middle one: a share of it, and so much besides. */
  readonly share: number;
  readonly besides: number;
}

export const TOLERANCES: Readonly<Record<Metric, Tolerance>> = {
  memoryMiB: { title: 'memory of the daemon, MiB', share: 0.15, besides: 24 },
  descriptors: { title: 'open descriptors of the daemon', share: 0.1, besides: 8 },
  threads: { title: 'threads of the daemon', share: 0, besides: 2 },
  journalMiB: { title: 'journal, MiB', share: 0.25, besides: 32 },
};

export interface Trend {
  readonly metric: Metric;
  readonly title: string;
  readonly middle: number;
  readonly last: number;
  readonly limit: number;
  readonly isFlat: boolean;
}

/** Fewer samples in a third say nothing. */
const SAMPLES_MIN = 10;

/** The median of the last third beside that of the middle one; undefined: the run was too short. */
export function trendOf(samples: readonly Sample[], totalMs: number, metric: Metric): Trend | undefined {
  const { title, share, besides } = TOLERANCES[metric];
  const third = (index: number) =>
    samples
      .filter(({ atMs }) => Math.min(2, Math.floor((3 * atMs) / totalMs)) === index)
      .map((sample) => sample[metric]);
  const [middles, lasts] = [third(1), third(2)];
  if (middles.length < SAMPLES_MIN || lasts.length < SAMPLES_MIN) return undefined;
  const [middle, last] = [median(middles), median(lasts)];
  const limit = middle * (1 + share) + besides;
  return { metric, title, middle, last, limit, isFlat: last <= limit };
}

const MIB = 1024 * 1024;

/** Undefined where the process is gone. */
export function processFigures(
  pid: number,
): Pick<Sample, 'memoryMiB' | 'descriptors' | 'threads'> | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const field = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)?.[1]);
    const memoryMiB = field('VmRSS') / 1024;
    if (Number.isNaN(memoryMiB)) return undefined;
    return { memoryMiB, threads: field('Threads'), descriptors: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return undefined;
  }
}

export function journalMiB(cachePath: string): number {
  const folder = join(cachePath, 'journal');
  let bytes = 0;
  try {
    for (const name of readdirSync(folder)) bytes += statSync(join(folder, name)).size;
  } catch {
    // A segment went meanwhile: the next sample has the others.
  }
  return bytes / MIB;
}
