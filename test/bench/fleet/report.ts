/**
 * `npm run bench -- --only fleet`: 1 K, 10 K and 100 K sessions over several mounts, from the measured model of costs (src/kit/cost.ts), the
 * memory of a ledger (measured here), and a simulation of the loss of a zone.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { settings } from '../../../src/config/settings.ts';
import { costOf, measured, pricesOf } from '../../../src/kit/cost.ts';
import { Ledger, ledgerPath } from '../../../src/sync/ledger/ledger.ts';
import { readLedger } from '../../../src/sync/ledger/reading.ts';
import type { Scope } from '../../support/cleanup.ts';
import { markdownTable } from '../../support/markdown-table.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { loseZone, type Recovery, requestsOf } from './lost-zone.ts';

const MINUTE_MS = 60_000;
const SIZES = [1000, 10_000, 100_000];
/** 270,000 files of 300 sessions took 450 MB: a mount of a machine with 512 MB. */
const SESSIONS_PER_MOUNT = 250;
/** Of a mount, from a bucket 30 ms away, on two cores: 'Measured' in docs/operations.md. */
const FILES_PER_SECOND = measuredRestore();
/** https://cloud.google.com/storage/docs/request-rate: what a bucket begins with; more in steps, twice as much in 20 minutes. */
const BUCKET = { readsPerSecond: 5000, writesPerSecond: 1000, doublingMs: 20 * MINUTE_MS };
const OBJECTS_PER_PAGE = 1000;
/** Assumed, of a list of 1,000 objects. */
const PAGE_MS = 150;
const BOTS_BACK_MS = MINUTE_MS;
const MESSAGES_PER_HOUR = 60;
/** Of large files, that a mount restores; assumed. */
const BYTES_PER_SECOND = 30e6;
const GIB = 1024 ** 3;
const LEDGER_SAMPLE = 50_000;
const DATABASE_BYTES = 1e6;

interface Kind {
  readonly title: string;
  readonly files: number;
  readonly bytes: number;
}

const KINDS: readonly Kind[] = [
  { title: 'multi-file, 992 files a session', files: measured.filesPerSession, bytes: 1024 },
  { title: 'SQLite, 1 file a session', files: 1, bytes: DATABASE_BYTES },
];

interface Column {
  readonly sessions: number;
  readonly mounts: number;
  readonly cells: readonly string[];
}

/** What a fleet can do about it. */
const FEW = 8;

const ROWS = [
  'mounts',
  'objects in the bucket',
  'uploads a second, all mounts',
  'upload bandwidth, MB/s',
  'reads a second (polls of leases)',
  'uploads, $ a month',
  'reads and storage, $ a month',
  'a new mount with an empty cache: pages to list',
  '… until it serves',
  '… names in its memory, GiB',
  'a zone is lost: sessions to restore',
  '… requests, millions ($)',
  '… opened at once: half of them are there after',
  '… all of them',
  `… opened ${FEW} at a time on a mount: half of them`,
  '… all of them',
  '… the bucket is the limit, of that time',
];

export function reportFleet(scope: Scope): string {
  const bytesPerObject = ledgerBytes(scope);
  const intervalMs = Number(settings.backupIntervalMs.default);
  const takeoverMs = Number(settings.leaseTakeOverMs.default);
  const tables = KINDS.map((kind) => {
    const columns = SIZES.map((sessions) =>
      columnOf(kind, sessions, { bytesPerObject, intervalMs, takeoverMs }),
    );
    const head = ['', ...columns.map(({ sessions }) => `${sessions.toLocaleString('en')} sessions`)];
    const lines = [
      head,
      head.map((_, i) => (i === 0 ? '---' : '---:')),
      ...ROWS.map((row, i) => [row, ...columns.map(({ cells }) => cells[i] ?? '')]),
    ];
    return [`### ${title(kind.title)}`, '', ...lines.map((line) => `| ${line.join(' | ')} |`)].join('\n');
  });
  const assumed = [
    `\`npm run bench -- --only fleet\`. From the model of \`sessionfs cost\`: ${MESSAGES_PER_HOUR} messages an hour and session, backups every ${intervalMs / MINUTE_MS} minutes, prices of ${pricesOf.google.asOf}; ${SESSIONS_PER_MOUNT} sessions a mount; ${FILES_PER_SECOND} files a second restored by a mount ([measured](operations.md#measured), 30 ms away); ${Math.round(bytesPerObject)} bytes of memory for a name in the ledger, measured by this command; ${takeoverMs / 1000} s until a silent holder's sessions are taken over; bots back on the other mounts within ${BOTS_BACK_MS / 1000} s.`,
    `Assumed: ${PAGE_MS} ms for a list of ${OBJECTS_PER_PAGE.toLocaleString('en')} objects; a bucket that begins with ${BUCKET.readsPerSecond.toLocaleString('en')} reads and ${BUCKET.writesPerSecond.toLocaleString('en')} writes a second, and doubles them in ${BUCKET.doublingMs / MINUTE_MS} minutes of load ([Google](https://cloud.google.com/storage/docs/request-rate)); a mount that downloads ${BYTES_PER_SECOND / 1e6} MB a second at most; an upload of a database is ${DATABASE_BYTES / 1e6} MB, of a file ${Math.round(measured.uploadBytes / 1000)} KB.`,
  ];
  return [...assumed, ...tables].join('\n\n');
}

interface Known {
  readonly bytesPerObject: number;
  readonly intervalMs: number;
  readonly takeoverMs: number;
}

function columnOf(kind: Kind, sessions: number, { bytesPerObject, intervalMs, takeoverMs }: Known): Column {
  const { files, bytes } = kind;
  const mounts = Math.ceil(sessions / SESSIONS_PER_MOUNT);
  const load = { sessions, mounts, intervalMs, messagesPerHour: MESSAGES_PER_HOUR, filesPerSession: files };
  const { sessionfs } = costOf(load);
  const uploadBytes = files === 1 ? bytes : measured.uploadBytes;
  const uploads = (sessions * sessionfs.uploadsPerSessionAndHour) / 3600;
  const objects = sessions * (files + 1);
  const pages = Math.ceil((sessions * files) / OBJECTS_PER_PAGE) + Math.ceil(sessions / OBJECTS_PER_PAGE);
  const { readsPerSecond, writesPerSecond, doublingMs } = BUCKET;
  const world = { sessions, mounts, filesPerSession: files, botsBackMs: BOTS_BACK_MS, takeoverMs };
  const rates = { requestsPerSecond: rateOf(kind), readsPerSecond, doublingMs };
  const recovery = loseZone({ ...world, ...rates });
  const inTurns = loseZone({ ...world, ...rates, atATime: FEW });
  const { dollars } = sessionfs;
  return {
    sessions,
    mounts,
    cells: [
      String(mounts),
      objects.toLocaleString('en'),
      uploads.toFixed(0) +
        (uploads > writesPerSecond ? ` (above ${writesPerSecond.toLocaleString('en')}: grows into it)` : ''),
      ((uploads * uploadBytes) / 1e6).toFixed(1),
      ((mounts * measured.pollsPerHour) / 3600).toFixed(1),
      money(dollars.uploads),
      money(dollars.reads + dollars.storage),
      pages.toLocaleString('en'),
      duration(pages * PAGE_MS),
      ((sessions * files * bytesPerObject) / GIB).toFixed(2),
      ...lostCells(recovery, inTurns),
    ],
  };
}

function measuredRestore(): number {
  const head = ['files of 700 bytes, files/s', 'one by one', 'one by one, SDK defaults', 'sessionfs'];
  const rows = markdownTable('docs/operations.md', [...head, 'ratio', 'requests per file']);
  const [, , , found = ''] = rows.find(([what]) => what === 'restore of 1,000 files') ?? [];
  const filesPerSecond = Number(found);
  if (!(filesPerSecond > 0)) throw new Error('docs/operations.md does not say how fast a mount restores');
  return filesPerSecond;
}

/** Requests a second of a mount, which downloads no more than so many bytes with them. */
function rateOf({ files, bytes }: Kind): number {
  const share = files / requestsOf(files);
  return Math.min(FILES_PER_SECOND, BYTES_PER_SECOND / (bytes * share));
}

function lostCells({ lost, requests, halfMs, allMs, boundByBucket }: Recovery, inTurns: Recovery): string[] {
  const cost = (requests / 1000) * pricesOf.google.classB;
  return [
    lost.toLocaleString('en'),
    `${(requests / 1e6).toFixed(2)} ($${cost.toFixed(2)})`,
    duration(halfMs),
    duration(allMs),
    duration(inTurns.halfMs),
    duration(inTurns.allMs),
    `${(boundByBucket * 100).toFixed(0)} %`,
  ];
}

/** Of each object that a mount knows and whose session rests, in the main thread's heap. */
function ledgerBytes(scope: Scope): number {
  const cachePath = temporaryDirectory(scope);
  const ledger = Ledger.open({ cachePath, bucket: 'gs://fleet', cachedObjects: () => [] });
  for (let i = 0; i < LEDGER_SAMPLE; i++) {
    const session = Math.floor(i / measured.filesPerSession);
    const version = { generation: `17000000${i}`, crc32c: i, size: 700 + (i % 90), updatedMs: i };
    ledger.absent(`sessions/user${session}/+1555000${session}/pre-key-${i}.json`, version);
  }
  ledger.close();
  const before = usedBytes();
  const read = readLedger(ledgerPath(cachePath));
  const bytes = (usedBytes() - before) / LEDGER_SAMPLE;
  if (read?.state.entryCount !== LEDGER_SAMPLE) throw new Error('the ledger is incomplete');
  return bytes;
}

function usedBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

function money(dollars: number): string {
  return `$${dollars.toLocaleString('en', { maximumFractionDigits: dollars < 100 ? 2 : 0 })}`;
}

function duration(ms: number): string {
  if (ms < 120_000) return `${(ms / 1000).toFixed(0)} s`;
  return ms < 7_200_000 ? `${(ms / 60_000).toFixed(0)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}

function title(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
