/** What flusher and restorer tell whoever counts; the log they write themselves. */
export interface Backup {
  files: number;
  bytes: number;
  deletes: number;
}

export type RestoreResult = 'success' | 'corrupt' | 'failure';

export interface SyncEvents {
  backup(result: 'success' | 'failure', backup: Backup): void;
  /** `ms`: from the first caller's wish to the last file. */
  restore(result: RestoreResult, ms: number): void;
  /** Sessions that were found changed here and there. */
  conflicts(sessions: number): void;
  /** Objects that are stored again, to become young. */
  refreshed(objects: number): void;
}
