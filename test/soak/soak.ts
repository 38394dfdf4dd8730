/** A mount in hybrid mode that is used for a long time while everything goes wrong, and is then compared with what was acknowledged. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { daemonOf } from '../crash/support/processes.ts';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { cliMain } from '../support/cli-main.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { createTestBucket, startGcsEmulator } from '../support/gcs-emulator-process.ts';
import { type GcsProxy, startGcsProxy } from '../support/gcs-proxy.ts';
import { type Mounted, mountSessionfs } from '../support/mount-sessionfs.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import type { BotNews, BotOrder } from './bot.ts';
import { BotProcess } from './bots.ts';
import { JumpingClock } from './clock.ts';
import { SoakDisk } from './disk.ts';
import type { SoakOptions } from './options.ts';
import { Progress } from './progress.ts';
import { journalMiB, processFigures, type Sample } from './samples.ts';
import { scheduleOf, type Trouble, type TroubleName } from './schedule.ts';

const BOTS = 4;
const SESSIONS_OF_A_BOT = 5;
/** Between two steps of a bot. */
const PAUSE_MS = 15;
const SAMPLE_MS_MAX = 5000;
const SAMPLES = 240;
const BACKUP_INTERVAL_MS = 5000;
const STORM = [
  { fault: { status: 503 }, probability: 0.35 },
  { fault: { status: 429, retryAfter: '1' }, probability: 0.1 },
  { fault: 'reset', probability: 0.05 },
  { fault: 'lost-answer', probability: 0.05 },
] as const;
const SLOW_MS = 300;
const SQUEEZE_MS = 50;
const FLUSHES = 8;
const SHOWN_CHARS = 2000;
/** Lines of the mount's log that go with a difference. */
const WORDS = 8;
const WORD_CHARS = 500;
const BEGIN_HANG_MS = 120_000;
/** A mount that took sessions of a dead one stores each of their objects again: at the end it may need all of this. */
const SHUTDOWN_MS = 60_000;
const SHUTDOWN_HANG_MS = 2 * SHUTDOWN_MS;
/** SQLite says the same of a full disk and of a call that failed: so long after a disk was full it is that. */
const FULL_GRACE_MS = 15_000;
const CHECK_HANG_MS = 1_200_000;

export interface Happened extends Trouble {
  /** What it came to, for people. */
  readonly note: string;
}

/** A comparison of everything that was acknowledged with one place. */
export interface Comparison {
  readonly place: string;
  readonly differences: number;
}

export interface Run {
  readonly totalMs: number;
  readonly samples: readonly Sample[];
  readonly troubles: readonly Happened[];
  readonly steps: number;
  readonly refusedForSpace: number;
  readonly daemons: number;
  readonly longestMs: number;
  readonly comparisons: readonly Comparison[];
  /** What differed, and when it was found. */
  readonly violations: readonly { readonly atMs: number; readonly text: string }[];
  /** What this machine cannot do, and what it lacks. */
  readonly missing: readonly string[];
}

/** Of a log that may be long: how it began, and what came last. */
function bothEnds(text: string): string {
  return text.length <= 2 * SHOWN_CHARS
    ? text
    : `${text.slice(0, SHOWN_CHARS)}\n…\n${text.slice(-SHOWN_CHARS)}`;
}

export class Soak {
  readonly #options: SoakOptions;
  readonly #scope: Scope;
  readonly #say: (line: string) => void;
  readonly #totalMs: number;
  readonly #directory: string;
  readonly #disk: SoakDisk;
  readonly #clock: JumpingClock;
  readonly #progressPath: string;
  readonly #progress: Progress;
  readonly #key = randomBytes(32).toString('hex');
  readonly #samples: Sample[] = [];
  readonly #happened: Happened[] = [];
  readonly #violations: { atMs: number; text: string }[] = [];
  readonly #comparisons: Comparison[] = [];
  readonly #seen = new Set<number>();
  readonly #rules = new Set<TroubleName>();
  #bots: BotProcess[] = [];
  #proxy!: GcsProxy;
  #bucket = '';
  #mounted!: Mounted;
  #startedMs = 0;
  /** When the disk had no room last, or there was no mount. */
  #lackedMs = Number.NEGATIVE_INFINITY;
  #noSpace = 0;
  #longestMs = 0;
  #longestInSampleMs = 0;
  #isOver = false;

  constructor(scope: Scope, options: SoakOptions, say: (line: string) => void) {
    this.#scope = scope;
    this.#options = options;
    this.#say = say;
    this.#totalMs = options.minutes * 60_000;
    this.#directory = temporaryDirectory(scope);
    this.#disk = new SoakDisk(join(this.#directory, 'disk'));
    this.#clock = new JumpingClock(scope, join(this.#directory, 'clock'));
    this.#progressPath = join(this.#directory, 'progress');
    Progress.create(this.#progressPath, options.sessions);
    this.#progress = new Progress(this.#progressPath);
    cleanUp(scope, () => this.#progress.close());
  }

  async run(): Promise<Run> {
    const emulator = await this.#emulator();
    this.#proxy = await startGcsProxy(this.#scope, emulator);
    this.#bucket = await createTestBucket(emulator);
    this.#mounted = await this.#mount('sessions');
    cleanUp(this.#scope, () => this.#killBots());
    this.#startedMs = performance.now();
    this.#bots = this.#shares().map((sessions) => this.#bot(sessions));
    // Their start is no part of a run that may be short.
    await this.#begun();
    this.#startedMs = performance.now();
    await Promise.all([this.#trouble(), this.#sample()]);
    await this.#judge();
    return this.#result();
  }

  /** Acknowledged so far. */
  get #steps(): number {
    let steps = 0;
    for (let session = 0; session < this.#options.sessions; session++)
      steps += this.#progress.read(session).done;
    return steps;
  }

  async #begun(): Promise<void> {
    const hasBegun = (sessions: readonly number[]) =>
      sessions.some((session) => this.#progress.read(session).done > 0);
    await until(
      () => this.#shares().every(hasBegun),
      () => sleep(50),
      BEGIN_HANG_MS,
    );
  }

  get #nowMs(): number {
    return performance.now() - this.#startedMs;
  }

  async #emulator(): Promise<string> {
    const shared = process.env.SESSIONFS_TEST_GCS_EMULATOR;
    if (shared) return shared;
    const { daemon, url } = startGcsEmulator();
    cleanUp(this.#scope, async () => {
      daemon.killAll();
      await daemon.waitForExit(30_000);
    });
    return url;
  }

  #mount(name: string): Promise<Mounted> {
    const isOther = name !== 'sessions';
    return mountSessionfs(this.#scope, {
      mountPoint: join(this.#directory, name),
      args: ['--cache-path', isOther ? join(this.#directory, `${name}.cache`) : this.#cachePath],
      env: { ...this.#settings, ...(isOther ? {} : this.#clock.environment) },
    });
  }

  get #cachePath(): string {
    return join(this.#disk.path, 'cache');
  }

  get #settings(): Record<string, string> {
    return {
      SESSION_STORAGE_TYPE: 'hybrid',
      STORAGE_BUCKET: this.#bucket,
      STORAGE_EMULATOR_HOST: this.#proxy.url,
      SESSION_ENCRYPTION_KEY: this.#key,
      SESSION_BACKUP_INTERVAL: String(BACKUP_INTERVAL_MS),
      SESSION_SHUTDOWN_TIMEOUT: String(SHUTDOWN_MS),
      LOG_LEVEL: 'warn',
    };
  }

  #shares(): number[][] {
    const bots = Math.min(BOTS, Math.ceil(this.#options.sessions / SESSIONS_OF_A_BOT));
    return Array.from({ length: bots }, (_, bot) =>
      Array.from({ length: this.#options.sessions }, (__, index) => index).filter(
        (index) => index % bots === bot,
      ),
    );
  }

  #order(sessions: readonly number[], directory: string): BotOrder {
    const { seed } = this.#options;
    return { directory, seed, sessions, progress: this.#progressPath, pauseMs: PAUSE_MS };
  }

  #bot(sessions: readonly number[]): BotProcess {
    return new BotProcess(this.#order(sessions, this.#mounted.mountPoint), (news) => this.#hear(news));
  }

  #hear({ noSpace, longestMs, ioErrors, violations }: BotNews): void {
    this.#noSpace += noSpace;
    this.#longestInSampleMs = Math.max(this.#longestInSampleMs, longestMs);
    this.#longestMs = Math.max(this.#longestMs, longestMs);
    const mayFail = this.#nowMs - this.#lackedMs < FULL_GRACE_MS;
    const failed = mayFail ? [] : ioErrors.map((text) => `${text}, and the disk had room`);
    for (const text of [...violations, ...failed]) this.#complain(`${text}${this.#lastWords()}`);
  }

  /** What the mount logged last, as far as it is about itself. */
  #lastWords(): string {
    const lines = this.#mounted.log().trimEnd().split('\n');
    const own = lines.filter((line) => !/"session":/.test(line) || /"level":"error"/.test(line));
    return own.slice(-WORDS).reduce((all, line) => `${all}\n  ${line.slice(0, WORD_CHARS)}`, '');
  }

  #complain(text: string): void {
    this.#violations.push({ atMs: Math.round(this.#nowMs), text });
    this.#say(`VIOLATION ${text}`);
  }

  async #trouble(): Promise<void> {
    const spared = [...this.#options.spared, ...(this.#clock.missing ? (['clock'] as const) : [])];
    const running: Promise<void>[] = [];
    for (const trouble of scheduleOf(this.#options.seed, this.#totalMs, spared)) {
      await sleep(Math.max(0, trouble.atMs - this.#nowMs));
      // Both replace processes that the other one is about to end.
      if (trouble.name === 'machine' || trouble.name === 'application') await this.#make(trouble);
      else running.push(this.#make(trouble));
    }
    await Promise.all(running);
    await sleep(Math.max(0, this.#totalMs - this.#nowMs));
    this.#isOver = true;
  }

  async #make(trouble: Trouble): Promise<void> {
    const atMs = Math.round(this.#nowMs);
    const note = await this.#strike(trouble);
    this.#happened.push({ ...trouble, atMs, lastsMs: Math.round(this.#nowMs - atMs), note });
    this.#say(`${(atMs / 1000).toFixed(0)} s: ${trouble.name}${note === '' ? '' : `, ${note}`}`);
  }

  /** Resolves when it is over. */
  async #strike({ name, lastsMs, lot }: Trouble): Promise<string> {
    switch (name) {
      case 'storm':
      case 'slow':
        this.#rule(name, true);
        await sleep(lastsMs);
        this.#rule(name, false);
        return '';
      case 'outage':
        this.#proxy.outage(true);
        await sleep(lastsMs);
        this.#proxy.outage(false);
        return '';
      case 'full':
        return this.#fillDisk(lastsMs);
      case 'clock':
        return `${this.#clock.jump(lot)} s from the right time`;
      case 'daemon':
        return this.#killDaemon();
      case 'application':
        return this.#killBot(lot, lastsMs);
      case 'machine':
        return this.#killMachine();
    }
  }

  /** What a checkpoint gives back is taken again. */
  async #fillDisk(lastsMs: number): Promise<string> {
    const refused = this.#noSpace;
    const untilMs = this.#nowMs + lastsMs;
    do {
      this.#disk.fill();
      this.#lackedMs = this.#nowMs;
      await sleep(SQUEEZE_MS);
    } while (this.#nowMs < untilMs);
    this.#disk.free();
    this.#lackedMs = this.#nowMs;
    return `${this.#noSpace - refused} calls refused so far`;
  }

  #rule(name: TroubleName, isOn: boolean): void {
    if (isOn) this.#rules.add(name);
    else this.#rules.delete(name);
    this.#proxy.clear();
    if (this.#rules.has('slow')) this.#proxy.inject({ fault: { latencyMs: SLOW_MS } });
    if (this.#rules.has('storm')) for (const rule of STORM) this.#proxy.inject(rule);
  }

  #killDaemon(): string {
    const daemon = daemonOf(this.#mounted.pid);
    if (daemon === undefined) return 'there was none';
    process.kill(daemon, 'SIGKILL');
    return `process ${daemon}`;
  }

  async #killBot(lot: number, pauseMs: number): Promise<string> {
    const index = lot % this.#bots.length;
    await this.#bots[index]?.kill();
    await sleep(pauseMs);
    this.#bots[index] = this.#bot(this.#shares()[index] ?? []);
    return `bot ${index}`;
  }

  async #killBots(): Promise<void> {
    await Promise.all(this.#bots.map((bot) => bot.kill()));
  }

  /** Bots last: they are in the middle of calls when the mount ends. */
  async #killMachine(): Promise<string> {
    this.#lackedMs = this.#nowMs;
    this.#mounted.crash();
    await this.#killBots();
    await this.#mounted.kill();
    // A container that is started on a full disk is started again until there is room.
    for (let attempt = 1; ; attempt++) {
      try {
        this.#mounted = await this.#mount('sessions');
        break;
      } catch (error) {
        if (attempt === FLUSHES) throw error;
        await sleep(1000);
      }
    }
    this.#bots = this.#shares().map((sessions) => this.#bot(sessions));
    return 'the mount was made anew';
  }

  async #sample(): Promise<void> {
    const everyMs = Math.min(SAMPLE_MS_MAX, Math.max(250, this.#totalMs / SAMPLES));
    let [before, atMs] = [0, this.#nowMs];
    while (!this.#isOver) {
      await sleep(everyMs);
      const seconds = (this.#nowMs - atMs) / 1000;
      atMs = this.#nowMs;
      const steps = this.#steps;
      const daemon = daemonOf(this.#mounted.pid);
      const figures = daemon === undefined ? undefined : processFigures(daemon);
      if (daemon === undefined || figures === undefined) continue;
      this.#seen.add(daemon);
      this.#samples.push({
        atMs: Math.round(atMs),
        daemon,
        ...figures,
        journalMiB: journalMiB(this.#cachePath),
        diskMiB: this.#disk.usedMiB,
        stepsPerSecond: (steps - before) / seconds,
        longestMs: this.#longestInSampleMs,
        requestsPerSecond: this.#proxy.requests.length / seconds,
      });
      before = steps;
      this.#longestInSampleMs = 0;
      // A run of days must not keep each request.
      this.#proxy.requests.length = 0;
      this.#proxy.changes.length = 0;
    }
  }

  /** The last crash comes under full load. */
  async #judge(): Promise<void> {
    this.#say('the end: SIGKILL of everything, then comparisons');
    this.#heal();
    this.#mounted.crash();
    await this.#killBots();
    await this.#mounted.kill();
    this.#mounted = await this.#mount('sessions');
    await this.#compare('on the mount after the last SIGKILL', this.#mounted, { only: 'finish' });
    await this.#compare('on the mount, each step ended', this.#mounted, { only: 'check' });
    await this.#flush();
    await this.#compare('on the mount after a flush', this.#mounted, { only: 'check' });
    await this.#stop('the mount');
    this.#mounted = await this.#mount('sessions');
    await this.#compare('on a remount', this.#mounted, { only: 'check' });
    await this.#stop('the remount');
    await this.#verify();
    this.#mounted = await this.#mount('restored');
    await this.#compare('restored into an empty cache', this.#mounted, { only: 'check', restored: true });
    await this.#stop('the restored mount');
  }

  #heal(): void {
    this.#proxy.outage(false);
    this.#proxy.clear();
    this.#disk.free();
  }

  async #compare(
    place: string,
    { mountPoint }: Mounted,
    how: Pick<BotOrder, 'only' | 'restored'>,
  ): Promise<void> {
    const before = this.#violations.length;
    const checkers = this.#shares().map((sessions) => {
      const order = { ...this.#order(sessions, mountPoint), ...how };
      return new BotProcess(order, ({ violations }) => {
        for (const text of violations) this.#complain(`${place}: ${text}`);
      });
    });
    const hang = AbortSignal.timeout(CHECK_HANG_MS);
    hang.addEventListener('abort', () => {
      this.#complain(`${place}: the comparison did not end`);
      for (const checker of checkers) void checker.kill();
    });
    this.#bots = checkers;
    await Promise.all(checkers.map((checker) => checker.ended()));
    const differences = this.#violations.length - before;
    this.#comparisons.push({ place, differences });
    this.#say(`${place}: ${differences} differences`);
  }

  async #flush(): Promise<void> {
    const control = join(this.#mounted.mountPoint, '.sessionfs/flush');
    for (let attempt = 1; ; attempt++) {
      try {
        return await writeFile(control, 'all\n');
      } catch (error) {
        if (attempt === FLUSHES) return this.#complain(`a flush failed: ${(error as Error).message}`);
      }
    }
  }

  async #stop(what: string): Promise<void> {
    try {
      await this.#mounted.unmount(SHUTDOWN_HANG_MS);
    } catch (error) {
      this.#complain(`${what} did not stop well: ${bothEnds((error as Error).message)}`);
      await this.#mounted.kill();
    }
  }

  /** `sessionfs verify`: each file opens, in the cache and in the bucket. */
  async #verify(): Promise<void> {
    const args = [cliMain, 'verify', '--cache-path', this.#cachePath, '--json'];
    const child = spawn(process.execPath, args, {
      env: cleanEnvironment(this.#settings),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [said, errors] = [child.stdout, child.stderr].map((stream) => {
      const text: string[] = [];
      stream.setEncoding('utf8').on('data', (piece: string) => text.push(piece));
      return text;
    }) as [string[], string[]];
    const before = this.#violations.length;
    const [code] = await once(child, 'close');
    if (code !== 0)
      this.#complain(`sessionfs verify ended with ${code}: ${[...errors, ...said].join('').slice(0, 2000)}`);
    this.#comparisons.push({
      place: 'sessionfs verify of cache and bucket',
      differences: this.#violations.length - before,
    });
  }

  #result(): Run {
    const missing = this.#clock.missing;
    return {
      totalMs: this.#totalMs,
      samples: this.#samples,
      troubles: this.#happened,
      steps: this.#steps,
      refusedForSpace: this.#noSpace,
      daemons: this.#seen.size,
      longestMs: this.#longestMs,
      comparisons: this.#comparisons,
      violations: this.#violations,
      missing: missing && !this.#options.spared.includes('clock') ? [`clock jumps: ${missing}`] : [],
    };
  }
}
