/** How fast sessions go to the bucket and come back, beside copying the same sealed files one after another by the same SDK. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Scope } from '../../support/cleanup.ts';
import { cleanEnvironment } from '../../support/environment.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { type Measurement, measurement, record } from '../measurement.ts';
import { withScope } from '../subjects.ts';
import type { CopyOrder, CopyResult } from './copier.ts';
import type { Rig } from './rig.ts';

export const TRANSFER_SUBJECTS = ['one by one', 'one by one, SDK defaults', 'sessionfs'] as const;

const COPIER = fileURLToPath(new URL('./copier.js', import.meta.url));
const LATENCIES_MS = [0, 30];
const LARGE = { session: 'user1-+15550001', prefix: 'sessions/user1/+15550001', files: 1000 };
const SMALL = { session: 'user2-+15550002', prefix: 'sessions/user2/+15550002', files: 54 };
type Session = typeof LARGE;
/** Copying one by one is a rate: with latency, this many files say it as well as a thousand. */
const SAMPLE = 250;
/** A JSON text of 700 bytes, as of a young session file. */
const CONTENT = JSON.stringify({ data: 'x'.repeat(689) });

/** Each round on new mounts and new buckets; the ways to copy take turns within a round. */
export async function measureTransfer(rig: Rig, rounds: number): Promise<Measurement[]> {
  const series = LATENCIES_MS.map((latencyMs) => ({ latencyMs, ...new Series(latencyMs) }));
  for (let round = 0; round < rounds; round++) {
    for (const { latencyMs, ...measured } of series) {
      rig.setLatency(latencyMs);
      await withScope((scope) => measureRound(scope, rig, measured, latencyMs > 0 ? SAMPLE : LARGE.files));
    }
  }
  rig.setLatency(0);
  return series.flatMap(({ flush, restoreLarge, restoreSmall }) => [
    ...Object.values(flush),
    ...Object.values(restoreLarge),
    ...Object.values(restoreSmall),
  ]);
}

interface Pair {
  rate: Measurement;
  requests: Measurement;
}

class Series {
  readonly flush: Pair;
  readonly restoreLarge: Pair;
  readonly restoreSmall: Pair;

  constructor(latencyMs: number) {
    const where = latencyMs === 0 ? 'no latency' : `${latencyMs} ms`;
    const pair = (what: string): Pair => ({
      rate: measurement(`${what}, ${where}`, 'files/s'),
      requests: measurement(`${what}, ${where}`, 'requests/file'),
    });
    this.flush = pair(`flush of ${LARGE.files} dirty files`);
    this.restoreLarge = pair(`restore of ${LARGE.files} files`);
    this.restoreSmall = pair(`restore of ${SMALL.files} files`);
  }
}

async function measureRound(scope: Scope, rig: Rig, measured: Series, sample: number): Promise<void> {
  const bucket = await rig.newBucket();
  const sealed = await flush(scope, rig, bucket, measured.flush);
  for (const [subject, saveOptions] of [
    ['one by one', { resumable: false }],
    ['one by one, SDK defaults', {}],
  ] as const) {
    const order = {
      bucket: await rig.newBucket(),
      direction: 'upload',
      saveOptions,
      directory: sealed,
    } as const;
    await copyOneByOne(rig, measured.flush, subject, { ...order, ...objectsOf(LARGE, sealed, sample) });
  }
  for (const [session, pair] of [
    [LARGE, measured.restoreLarge],
    [SMALL, measured.restoreSmall],
  ] as const) {
    await restore(scope, rig, bucket, session, pair);
    const directory = temporaryDirectory(scope);
    const names = Array.from({ length: session.files }, (_, i) => fileName(i)).slice(0, sample);
    const order = { bucket, direction: 'download', saveOptions: {}, directory } as const;
    await copyOneByOne(rig, pair, 'one by one', { ...order, prefix: session.prefix, files: names });
  }
}

/** Both sessions go to the bucket; answers where the cache keeps the large one. */
async function flush(scope: Scope, rig: Rig, bucket: string, pair: Pair): Promise<string> {
  const mounted = await rig.mount(scope, bucket);
  const control = join(mounted.mountPoint, '.sessionfs/flush');
  await fill(mounted.mountPoint, SMALL);
  await writeFile(control, 'all');
  await fill(mounted.mountPoint, LARGE);
  await time(rig, pair, 'sessionfs', LARGE.files, () => writeFile(control, LARGE.session));
  await mounted.unmount();
  return join(`${mounted.mountPoint}.sealed`, LARGE.prefix);
}

/** From the first touch of the session's folder to the answer, which comes when all of it is here. */
async function restore(scope: Scope, rig: Rig, bucket: string, session: Session, pair: Pair): Promise<void> {
  const mounted = await rig.mount(scope, bucket);
  await time(rig, pair, 'sessionfs', session.files, async () => {
    const found = await readdir(join(mounted.mountPoint, session.session));
    if (found.length !== session.files) throw new Error(`restored ${found.length} of ${session.files} files`);
  });
  await mounted.unmount();
}

async function time(
  rig: Rig,
  pair: Pair,
  subject: string,
  files: number,
  work: () => Promise<void>,
): Promise<void> {
  const requests = rig.proxy.requests.length;
  const startedMs = performance.now();
  await work();
  record(pair.rate, subject, (files * 1000) / (performance.now() - startedMs));
  record(pair.requests, subject, (rig.proxy.requests.length - requests) / files);
}

async function copyOneByOne(
  rig: Rig,
  pair: Pair,
  subject: string,
  order: Omit<CopyOrder, 'endpoint'>,
): Promise<void> {
  const requests = rig.proxy.requests.length;
  const argument = JSON.stringify({ ...order, endpoint: rig.proxy.url } satisfies CopyOrder);
  const options = { env: cleanEnvironment() };
  const { stdout } = await promisify(execFile)(process.execPath, [COPIER, argument], options);
  const { files, ms } = JSON.parse(stdout) as CopyResult;
  record(pair.rate, subject, (files * 1000) / ms);
  // One is the copier's look at the bucket before it begins.
  record(pair.requests, subject, (rig.proxy.requests.length - requests - 1) / files);
}

async function fill(mountPoint: string, { session, files }: Session): Promise<void> {
  const folder = join(mountPoint, session);
  mkdirSync(folder);
  const names = Array.from({ length: files }, (_, i) => fileName(i));
  await Promise.all(names.map((name) => writeFile(join(folder, name), CONTENT)));
}

function fileName(i: number): string {
  return i === 0 ? 'creds.json' : `pre-key-${i}.json`;
}

function objectsOf({ prefix }: Session, sealed: string, sample: number): Pick<CopyOrder, 'prefix' | 'files'> {
  return { prefix, files: readdirSync(sealed).slice(0, sample) };
}
