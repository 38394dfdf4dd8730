/** One file that holds what SQLite would find in a database and the files beside it. */
import { SqliteError } from './format.ts';
import { rollBack } from './rollback-journal.ts';
import { foldLog } from './write-ahead-log.ts';

/** All of one instant. */
export interface DatabaseFiles {
  database: Uint8Array;
  log: Uint8Array | undefined;
  journal: Uint8Array | undefined;
}

/**
 * The database as SQLite would recover it from these files: an unfinished transaction taken back, every committed one folded in.
 * May change `database` or return a part of it. Throws SqliteError beyond `maxBytes`.
 */
export function fold({ database, log, journal }: DatabaseFiles, maxBytes: number): Uint8Array {
  if (database.length > maxBytes) throw new SqliteError(`the database has ${database.length} bytes`);
  const rolledBack = journal === undefined ? database : rollBack(database, journal, maxBytes);
  // SQLite drops the log of a database without content.
  return log === undefined || rolledBack.length === 0 ? rolledBack : foldLog(rolledBack, log, maxBytes);
}
