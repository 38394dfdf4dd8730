/**
 * A process with sessions of its own: it makes one step after the other, each acknowledged once all its calls have returned, and may be
 * killed at any moment. With `only: 'check'` it compares everything and ends; with 'finish' it redoes first what it was killed in.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'libsql';
import { differences, transact } from './check.ts';
import {
  BACKUP,
  type Change,
  CREDS,
  contentOf,
  DATABASE,
  SessionModel,
  type Step,
  TEMPORARY,
} from './model.ts';
import { Progress } from './progress.ts';

export interface BotOrder {
  readonly directory: string;
  readonly seed: number;
  readonly sessions: readonly number[];
  /** Of `Progress`. */
  readonly progress: string;
  readonly pauseMs: number;
  readonly only?: 'check' | 'finish';
  readonly restored?: boolean;
}

/** What a bot says once a second, and when it ends: what happened since it said so last. */
export interface BotNews {
  readonly noSpace: number;
  readonly longestMs: number;
  /** Errors that a full disk excuses, and nothing else does. */
  readonly ioErrors: readonly string[];
  readonly violations: readonly string[];
  readonly ended?: true;
}

/** SQLite's errors of I/O; the last one is SQLITE_CANTOPEN, where it could not make a file. */
const IO_ERROR = /SQLITE_IOERR|disk I\/O error|Unable to open connection to local database .*: 14\b/;
/** The codes of a full disk; SQLite says so in its own words, or fails with I/O. */
const FULL = new RegExp(
  `ENOSPC|SQLITE_FULL|disk is full|database is locked|cannot start a transaction|${IO_ERROR.source}`,
);
const RETRY_MS = 50;
const SAY_MS = 1000;
/** One step of so many reads its whole session first. */
const READ_ONE_IN = 12;

class Bot {
  readonly #order: BotOrder;
  readonly #progress: Progress;
  readonly #models: SessionModel[];
  readonly #databases = new Map<string, Database.Database>();
  #news = noNews();
  #isStopping = false;

  constructor(order: BotOrder) {
    this.#order = order;
    this.#progress = new Progress(order.progress);
    this.#models = order.sessions.map((index) => new SessionModel(order.seed, index));
    for (const model of this.#models) model.advance(this.#progress.read(model.index).done);
  }

  stop(): void {
    this.#isStopping = true;
  }

  async run(): Promise<void> {
    for (const model of this.#models) this.#check(model);
    if (this.#order.only !== 'check') for (const model of this.#models) await this.#finish(model);
    if (this.#order.only === undefined) await this.#work();
    this.#say(true);
  }

  async #work(): Promise<void> {
    let saidMs = performance.now();
    while (!this.#isStopping) {
      const model = this.#models[Math.floor(Math.random() * this.#models.length)];
      if (model === undefined) return;
      if (Math.random() * READ_ONE_IN < 1) this.#check(model);
      await this.#step(model);
      if (performance.now() - saidMs > SAY_MS) {
        this.#say(false);
        saidMs = performance.now();
      }
      await sleep(this.#order.pauseMs);
    }
  }

  #say(isEnd: boolean): void {
    process.send?.({ ...this.#news, ...(isEnd ? { ended: true } : {}) } satisfies BotNews);
    this.#news = noNews();
  }

  /** Redoes the step that the bot before this one was killed in. */
  async #finish(model: SessionModel): Promise<void> {
    const { begun, done } = this.#progress.read(model.index);
    if (begun > done) await this.#step(model);
  }

  async #step(model: SessionModel): Promise<void> {
    const step = model.next();
    this.#progress.begin(model.index, step.number);
    for (let hasFailed = true; hasFailed; ) {
      const startedMs = performance.now();
      try {
        this.#perform(model, step);
        hasFailed = false;
      } catch (error) {
        const text = `${(error as NodeJS.ErrnoException).code} ${(error as Error).message}`;
        if (!FULL.test(text)) throw error;
        this.#noteIoError(model, text);
        this.#closeDatabase(model);
        this.#news.noSpace++;
        await sleep(RETRY_MS);
      }
      this.#news.longestMs = Math.max(this.#news.longestMs, performance.now() - startedMs);
    }
    this.#progress.end(model.index, step.number);
    model.apply(step);
  }

  #perform(model: SessionModel, { action, changes }: Step): void {
    const folder = join(this.#order.directory, model.folder);
    const [first] = changes;
    if (first === undefined) throw new Error('a step changes something');
    if (action === 'pair') mkdirSync(folder, { recursive: true });
    if (action === 'logout') {
      this.#closeDatabase(model);
      rmSync(folder, { recursive: true, force: true });
    } else if (model.kind === 'sqlite') {
      transact(this.#database(model, folder), Number(first.to?.split(' ')[1]));
    } else if (action === 'notes') this.#note(model, folder, first);
    else if (action === 'media') this.#store(model, folder, first);
    else if (action === 'creds' && model.kind === 'next') this.#replaceCredentials(model, folder, changes);
    else this.#overwrite(model, folder, changes);
  }

  /** As `writeFile` does. */
  #overwrite({ folder: session }: SessionModel, folder: string, changes: readonly Change[]): void {
    for (const { name, to } of changes) {
      if (to === undefined) remove(join(folder, name));
      else writeFileSync(join(folder, name), contentOf(`${session}/${name}`, to));
    }
  }

  #note({ folder: session, files }: SessionModel, folder: string, { name, to = '' }: Change): void {
    const content = contentOf(`${session}/${name}`, to);
    const from = Number(files.get(name)?.split(' ')[2] ?? 0);
    const file = join(folder, name);
    const fd = openSync(file, existsSync(file) ? 'r+' : 'w+');
    try {
      if (content.length === 0) ftruncateSync(fd, 0);
      else writeAll(fd, content.subarray(from), from);
    } finally {
      closeSync(fd);
    }
  }

  #store({ folder: session }: SessionModel, folder: string, { name, to = '' }: Change): void {
    const fd = openSync(join(folder, name), 'w');
    try {
      writeAll(fd, contentOf(`${session}/${name}`, to), 0);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** Where they are in place already, the bot before this one was killed before it could note that. */
  #replaceCredentials({ folder: session }: SessionModel, folder: string, changes: readonly Change[]): void {
    const to = changes.find(({ name }) => name === CREDS)?.to ?? '';
    const content = contentOf(`${session}/${CREDS}`, to);
    const [creds, backup, temporary] = [CREDS, BACKUP, TEMPORARY].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    if (existsSync(creds) && readFileSync(creds).equals(content)) {
      remove(temporary);
      return;
    }
    writeFileSync(temporary, content);
    if (existsSync(creds)) renameSync(creds, backup);
    renameSync(temporary, creds);
  }

  #database(model: SessionModel, folder: string): Database.Database {
    const known = this.#databases.get(model.folder);
    if (known !== undefined) return known;
    const database = new Database(join(folder, DATABASE));
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = NORMAL');
    database.pragma('wal_autocheckpoint = 50');
    this.#databases.set(model.folder, database);
    return database;
  }

  #closeDatabase({ folder }: SessionModel): void {
    try {
      this.#databases.get(folder)?.close();
    } catch {
      // A checkpoint on a full disk: what was committed is in the write-ahead log.
    }
    this.#databases.delete(folder);
  }

  #check(model: SessionModel): void {
    const { begun, done } = this.#progress.read(model.index);
    const underWay = begun > done ? model.next() : undefined;
    const { directory, restored = false } = this.#order;
    try {
      this.#news.violations.push(...differences(directory, model, { underWay, restored }));
    } catch (error) {
      const { message } = error as Error;
      // At the end there is room again: then an error of the disk is one of the mount.
      if (this.#order.only !== undefined || !FULL.test(message))
        this.#news.violations.push(`${model.folder}: ${message}`);
      else this.#noteIoError(model, message);
    }
  }

  #noteIoError({ folder }: SessionModel, text: string): void {
    if (IO_ERROR.test(text)) this.#news.ioErrors.push(`${folder}: ${text}`);
  }
}

function noNews() {
  return { noSpace: 0, longestMs: 0, ioErrors: [] as string[], violations: [] as string[] };
}

/** write(2) may take a part only: of a full disk the next one says so. */
function writeAll(fd: number, content: Buffer, position: number): void {
  for (let at = 0; at < content.length; )
    at += writeSync(fd, content, at, content.length - at, position + at);
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

const bot = new Bot(JSON.parse(process.argv[2] ?? '') as BotOrder);
process.on('message', () => bot.stop());
// The process that started this bot is gone.
process.on('disconnect', () => process.exit(0));
await bot.run();
process.disconnect();
