/** The files that SQLite keeps beside a database, by their names. */

const KINDS = { '-wal': 'wal', '-journal': 'journal', '-shm': 'index' } as const;

/** wal: write-ahead log. journal: rollback journal. index: of the log, for the processes of one machine. */
export type CompanionKind = (typeof KINDS)[keyof typeof KINDS];

export interface Companion {
  /** The database that it would belong to. */
  readonly database: string;
  readonly kind: CompanionKind;
}

/** What the name of a file says; whether it belongs to a database, that file's content tells (see format.ts). */
export function asCompanion(path: string): Companion | undefined {
  for (const [suffix, kind] of Object.entries(KINDS)) {
    const database = path.slice(0, -suffix.length);
    if (path.endsWith(suffix) && database !== '' && !database.endsWith('/')) return { database, kind };
  }
  return undefined;
}

/** All that may lie beside a database. */
export function companionsOf(path: string): { path: string; kind: CompanionKind }[] {
  return Object.entries(KINDS).map(([suffix, kind]) => ({ path: path + suffix, kind }));
}
