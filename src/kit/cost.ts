/** What hybrid mode costs a month, from the measured model. docs/google-cloud.md shows where its numbers come from. */

/** List prices of class Standard, in dollars. */
export interface Prices {
  /** 1,000 uploads, copies or lists. */
  readonly classA: number;
  /** 1,000 downloads or lookups. */
  readonly classB: number;
  /** A GB and month. */
  readonly storage: number;
  /** What was replaced or deleted is stored and paid for so long, where nothing else is set. */
  readonly softDeleteHours: number;
  readonly region: string;
  readonly asOf: string;
  readonly source: string;
}

export type Provider = 'google' | 's3' | 'r2';

export const pricesOf: { readonly [Name in Provider]: Prices } = {
  google: {
    classA: 0.005,
    classB: 0.0004,
    storage: 0.02,
    softDeleteHours: 168,
    region: 'a region in the United States',
    asOf: '2026-11-26',
    source: 'https://cloud.google.com/storage/pricing',
  },
  s3: {
    classA: 0.005,
    classB: 0.0004,
    storage: 0.023,
    softDeleteHours: 0,
    region: 'us-east-1',
    asOf: '2026-11-26',
    source: 'https://aws.amazon.com/s3/pricing/',
  },
  r2: {
    classA: 0.0045,
    classB: 0.00036,
    storage: 0.015,
    softDeleteHours: 0,
    region: 'any region; without what is free of charge each month',
    asOf: '2026-11-26',
    source: 'https://developers.cloudflare.com/r2/pricing/',
  },
};

/** Measured with real Baileys at a message a minute (`npm run bench -- --only bucket`). */
export const measured = {
  /** Files that are written for a message. */
  writesPerMessage: 1.7,
  /**
   * Among so many files the writes of a session are spread: those that fall on the same file within an interval are one upload.
   * Fitted to the measured 50 uploads an hour of 102 files written an hour, at an interval of 5 minutes.
   */
  hotFiles: 5.17,
  /** Of a session that was paired. */
  filesPerSession: 992,
  sessionBytes: 1_000_000,
  /** Of an upload. */
  uploadBytes: 4096,
  /** Polls of a mount's inbox an hour. */
  pollsPerHour: 120,
} as const;

const HOURS_PER_MONTH = 720;
const GB = 1e9;

export interface Load {
  readonly sessions: number;
  readonly messagesPerHour: number;
  readonly intervalMs: number;
  readonly filesPerSession: number;
  readonly mounts: number;
}

export interface Cost {
  readonly uploadsPerSessionAndHour: number;
  /** A month. */
  readonly uploads: number;
  readonly reads: number;
  readonly storedGb: number;
  readonly dollars: {
    readonly uploads: number;
    readonly reads: number;
    readonly storage: number;
    readonly total: number;
  };
}

export interface CostReport {
  readonly load: Load;
  readonly sessionfs: Cost;
  /** Every file, in every interval, as simple backups do. */
  readonly copyingEverything: Cost;
  readonly prices: Prices;
}

export function costOf(load: Load, provider: Provider = 'google'): CostReport {
  const prices = pricesOf[provider];
  const perInterval = 3_600_000 / load.intervalMs;
  return {
    load,
    sessionfs: costs(load, perInterval * changedFiles(load), prices),
    copyingEverything: costs(load, perInterval * load.filesPerSession, prices),
    prices,
  };
}

/** How many different files of a session change within an interval. */
function changedFiles({ messagesPerHour, intervalMs, filesPerSession }: Load): number {
  const writes = (messagesPerHour * intervalMs * measured.writesPerMessage) / 3_600_000;
  const files = Math.min(measured.hotFiles, filesPerSession);
  return files * (1 - Math.exp(-writes / files));
}

function costs({ sessions, mounts }: Load, uploadsPerSessionAndHour: number, prices: Prices): Cost {
  const uploads = Math.round(sessions * uploadsPerSessionAndHour * HOURS_PER_MONTH);
  const reads = mounts * measured.pollsPerHour * HOURS_PER_MONTH;
  const replaced = sessions * uploadsPerSessionAndHour * prices.softDeleteHours * measured.uploadBytes;
  const storedGb = (sessions * measured.sessionBytes + replaced) / GB;
  const dollars = {
    uploads: (uploads / 1000) * prices.classA,
    reads: (reads / 1000) * prices.classB,
    storage: storedGb * prices.storage,
  };
  const total = dollars.uploads + dollars.reads + dollars.storage;
  return { uploadsPerSessionAndHour, uploads, reads, storedGb, dollars: { ...dollars, total } };
}
