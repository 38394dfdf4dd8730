/**
 * Half of the mounts are gone, and bots open the sessions that these had on the others: a simulation in steps of a second. A session waits
 * for its lease, then for its listing and its files; those of a mount share its rate, and all mounts share the bucket's.
 */
import { Prng } from '../../drivers/support/prng.ts';

export interface LostZone {
  readonly sessions: number;
  readonly mounts: number;
  readonly filesPerSession: number;
  /** Bots are back within so long, each at some moment. */
  readonly botsBackMs: number;
  /** How long a holder must be silent, as seen by a mount that waits for it. */
  readonly takeoverMs: number;
  /** What a mount asks the bucket for. */
  readonly requestsPerSecond: number;
  /** Reads that a bucket serves at first; it doubles them each `doublingMs` under load. */
  readonly readsPerSecond: number;
  readonly doublingMs: number;
  /** Sessions that are opened at a time on a mount; all at once when not given. */
  readonly atATime?: number;
}

export interface Recovery {
  readonly lost: number;
  /** From the loss on, until so many of the lost sessions are there again. */
  readonly halfMs: number;
  readonly allMs: number;
  /** In all, and in the busiest second. */
  readonly requests: number;
  readonly peak: number;
  /** For how much of the time the bucket was the limit, not the mounts. */
  readonly boundByBucket: number;
}

const STEP_MS = 1000;
const OBJECTS_PER_PAGE = 1000;
/** Of a session, beside listing and files: its owner object read, and claimed. */
const CLAIM_REQUESTS = 2;
const END_MS = 48 * 3_600_000;

/** One mount that restores: each session gets the same share, so that they end in the order in which they begin. */
interface Restoring {
  readonly readyMs: number[];
  next: number;
  /** How many requests each session under way has got, counted from the start of all. */
  share: number;
  readonly under: number[];
}

export function loseZone(world: LostZone, seed = 1): Recovery {
  const mounts = arrivals(world, seed);
  const need = requestsOf(world.filesPerSession);
  const doneMs: number[] = [];
  const lost = mounts.reduce((sum, { readyMs }) => sum + readyMs.length, 0);
  let [capacity, peak, bound, busy] = [world.readsPerSecond, 0, 0, 0];
  for (let nowMs = 0; doneMs.length < lost && nowMs < END_MS; nowMs += STEP_MS) {
    for (const mount of mounts) begin(mount, nowMs, need, world.atATime);
    const active = mounts.filter(({ under }) => under.length > 0);
    const wanted = active.length * world.requestsPerSecond;
    if (wanted === 0) continue;
    const part = Math.min(1, capacity / wanted);
    busy++;
    if (part < 1) bound++;
    peak = Math.max(peak, wanted * part);
    // A bucket grows while it is used at half of what it can do, or more.
    if (wanted * 2 > capacity) capacity *= 2 ** (STEP_MS / world.doublingMs);
    for (const mount of active) serve(mount, world.requestsPerSecond * part, nowMs + STEP_MS, doneMs);
  }
  const at = (share: number) =>
    doneMs[Math.min(doneMs.length, Math.ceil(lost * share)) - 1] ?? Number.POSITIVE_INFINITY;
  return {
    lost,
    halfMs: at(0.5),
    allMs: at(1),
    requests: lost * need,
    peak,
    boundByBucket: busy === 0 ? 0 : bound / busy,
  };
}

/** For a session: its lease, its listing, its files. */
export function requestsOf(files: number): number {
  return files + Math.ceil(files / OBJECTS_PER_PAGE) + CLAIM_REQUESTS;
}

/** When each lost session has its lease: its bot is back, and the mount that it was on has been silent for long enough. */
function arrivals({ sessions, mounts, botsBackMs, takeoverMs }: LostZone, seed: number): Restoring[] {
  const prng = new Prng(seed);
  const gone = Math.floor(mounts / 2);
  const left = mounts - gone;
  const restoring = Array.from({ length: left }, (): Restoring => {
    return { readyMs: [], next: 0, share: 0, under: [] };
  });
  const firstLook = new Map<number, number>();
  const touched: [mount: number, pair: number, atMs: number][] = [];
  for (let session = 0; session < Math.floor((sessions * gone) / mounts); session++) {
    const mount = prng.below(left);
    const pair = mount * gone + prng.below(gone);
    const atMs = prng.below(botsBackMs);
    firstLook.set(pair, Math.min(firstLook.get(pair) ?? atMs, atMs));
    touched.push([mount, pair, atMs]);
  }
  for (const [mount, pair, atMs] of touched)
    restoring[mount]?.readyMs.push(Math.max(atMs, (firstLook.get(pair) ?? 0) + takeoverMs));
  for (const { readyMs } of restoring) readyMs.sort((a, b) => a - b);
  return restoring;
}

function begin(mount: Restoring, nowMs: number, need: number, atATime = Number.POSITIVE_INFINITY): void {
  while (mount.under.length < atATime && (mount.readyMs[mount.next] ?? Number.POSITIVE_INFINITY) <= nowMs) {
    mount.under.push(mount.share + need);
    mount.next++;
  }
}

function serve(mount: Restoring, requests: number, atMs: number, doneMs: number[]): void {
  let left = requests;
  while (mount.under.length > 0 && left > 0) {
    const first = mount.under[0] ?? 0;
    const each = Math.min(left / mount.under.length, first - mount.share);
    mount.share += each;
    left -= each * mount.under.length;
    if (first - mount.share > 1e-9) break;
    mount.under.shift();
    doneMs.push(atMs);
  }
}
