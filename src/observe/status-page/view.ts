/** What is sent to browsers: the report with short or whole names, and of its sessions only what changed. */

import type { SessionReport, StatusReport } from './report.ts';
import { shortenNames, shortenRuns } from './shorten.ts';

export type Names = 'short' | 'full';

/** More than a page can show: those in trouble and those with most to back up are among them. */
const ROWS_MAX = 5_000;
/** Two measurements of when a wait began differ by less. */
const SAME_MOMENT_MS = 2_000;
const TEXT_MAX = 500;

/** A session, or how it changed. Times are in ms since the epoch. */
interface Row {
  /** Names that are shortened alike have two. It means nothing beyond one page view. */
  readonly id: number;
  readonly name: string;
  readonly state: string;
  readonly files: number;
  readonly dirty: number;
  readonly backedUp?: number;
  readonly epoch?: number;
  readonly holder?: string;
  readonly waitsSince?: number;
  readonly error?: string;
  readonly hint?: string;
  readonly errorSince?: number;
  readonly waits?: string;
}

export class View {
  readonly #names: Names;
  readonly #ids = new Map<string, number>();
  #rows = new Map<number, { readonly row: Row; readonly text: string }>();
  #lastId = 0;
  #head: object = {};
  #omitted = 0;
  #isBucket = false;

  constructor(names: Names) {
    this.#names = names;
  }

  /** Takes the report over, and returns what a page needs that has seen the one before. */
  update(report: StatusReport, nowMs: number): string {
    const before = this.#rows;
    this.#head = this.#headOf(report, nowMs);
    this.#take(report.sessions, nowMs);
    const changed = [...this.#rows.values()]
      .filter(({ row, text }) => before.get(row.id)?.text !== text)
      .map(({ row }) => row);
    const gone = [...before.keys()].filter((id) => !this.#rows.has(id));
    return this.#text(changed, { gone });
  }

  /** What a page needs that has seen nothing. */
  whole(): string {
    return this.#text(
      [...this.#rows.values()].map(({ row }) => row),
      { whole: true },
    );
  }

  #text(rows: readonly Row[], how: { gone: readonly number[] } | { whole: true }): string {
    return JSON.stringify({
      ...this.#head,
      ...(this.#isBucket ? { sessions: { rows, omitted: this.#omitted, ...how } } : {}),
    });
  }

  /** All but the sessions. */
  #headOf({ mount, readiness, sessions, files, disk, totals }: StatusReport, nowMs: number): object {
    return {
      now: Math.round(nowMs),
      names: this.#names,
      mount: {
        ...mount,
        mountPoint: this.#place(mount.mountPoint),
        startedAt: Date.parse(mount.startedAt),
      },
      readiness,
      counts: sessions && countsOf(sessions),
      files: files && {
        ...files,
        longestHeldBack: (files.longestHeldBack ?? []).map(({ file, bytes, since }) => ({
          file: this.#shown(file),
          bytes,
          since: Date.parse(since),
        })),
      },
      disk,
      totals,
    };
  }

  #take(sessions: readonly SessionReport[] | undefined, nowMs: number): void {
    this.#isBucket = sessions !== undefined;
    const shown = importantFirst(sessions ?? []);
    this.#omitted = (sessions ?? []).length - shown.length;
    const rows = new Map<number, { row: Row; text: string }>();
    for (const session of shown) {
      const id = this.#idOf(session.session);
      const row = this.#rowOf(id, session, nowMs);
      rows.set(id, { row, text: JSON.stringify(row) });
    }
    this.#rows = rows;
    for (const [name, id] of this.#ids) if (!rows.has(id)) this.#ids.delete(name);
  }

  #idOf(session: string): number {
    let id = this.#ids.get(session);
    if (id === undefined) {
      id = ++this.#lastId;
      this.#ids.set(session, id);
    }
    return id;
  }

  #rowOf(id: number, report: SessionReport, nowMs: number): Row {
    const { session, state, files, dirty, lastBackupAt, epoch, holder, waitedMs, trouble } = report;
    const error = trouble?.error ?? report.lastError;
    return {
      ...{ id, name: this.#named(session), state, files, dirty },
      ...defined({
        backedUp: lastBackupAt === undefined ? undefined : Date.parse(lastBackupAt),
        epoch,
        holder: holder === undefined ? undefined : this.#place(holder),
        waitsSince: waitedMs === undefined ? undefined : this.#beganAt(id, nowMs - waitedMs),
        error: error === undefined ? undefined : this.#named(error),
        hint: trouble?.hint === undefined ? undefined : this.#named(trouble.hint),
        errorSince: trouble === undefined ? undefined : Date.parse(trouble.since),
        waits: trouble?.waits,
      }),
    };
  }

  /** The same as before as long as it is the same wait: a row that only grows older is not sent again. */
  #beganAt(id: number, ms: number): number {
    const before = this.#rows.get(id)?.row.waitsSince;
    return before !== undefined && Math.abs(before - ms) < SAME_MOMENT_MS ? before : Math.round(ms);
  }

  #named(text: string): string {
    return this.#shown(text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text);
  }

  #shown(text: string): string {
    return this.#names === 'full' ? text : shortenNames(text);
  }

  #place(text: string): string {
    return this.#names === 'full' ? text : shortenRuns(text);
  }
}

function countsOf(sessions: readonly SessionReport[]): object {
  const states: Record<string, number> = {};
  let dirty = 0;
  let troubled = 0;
  for (const session of sessions) {
    // Files outside of sessions.
    if (session.session !== '') states[session.state] = (states[session.state] ?? 0) + 1;
    dirty += session.dirty;
    if (isTroubled(session)) troubled++;
  }
  return { states, dirty, troubled };
}

function isTroubled({ state, trouble, lastError }: SessionReport): boolean {
  return state === 'conflict' || trouble !== undefined || lastError !== undefined;
}

/** In trouble, then not backed up, then by name. */
function importantFirst(sessions: readonly SessionReport[]): readonly SessionReport[] {
  if (sessions.length <= ROWS_MAX) return sessions;
  const weight = (session: SessionReport) => (isTroubled(session) ? 2 : 0) + (session.dirty > 0 ? 1 : 0);
  return [...sessions].sort((a, b) => weight(b) - weight(a)).slice(0, ROWS_MAX);
}

function defined<T extends object>(values: T): { [Name in keyof T]: NonNullable<T[Name]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Name in keyof T]: NonNullable<T[Name]>;
  };
}
