/** The files that SQLite keeps beside a database, by their names. */

const SUFFIX_OF = { wal: '-wal', journal: '-journal', index: '-shm' } as const;

/** wal: write-ahead log. journal: rollback journal. index: of the log, for the processes of one machine. */
export type CompanionKind = keyof typeof SUFFIX_OF;

const SUFFIXES = Object.entries(SUFFIX_OF) as readonly [CompanionKind, string][];

export interface Companion {
  /** The database that it would belong to. */
  readonly database: string;
  readonly kind: CompanionKind;
}

/** What the name of a file says; whether it belongs to a database, that file's content tells (see format.ts). */
export function asCompanion(path: string): Companion | undefined {
  for (const [kind, suffix] of SUFFIXES) {
    if (!path.endsWith(suffix)) continue;
    const database = path.slice(0, -suffix.length);
    if (database !== '' && !database.endsWith('/')) return { database, kind };
  }
  return undefined;
}

/** Of a database, by its path or its name. */
export function companionName(database: string, kind: CompanionKind): string {
  return database + SUFFIX_OF[kind];
}

/** All that may lie beside a database. */
export function companionsOf(path: string): { path: string; kind: CompanionKind }[] {
  return SUFFIXES.map(([kind, suffix]) => ({ path: path + suffix, kind }));
}
