/** The events that flusher and restorer report to the metrics; they write the log themselves. */
import type { RestoreResult } from '../observe/measurements.ts';
export interface Backup {
  files: number;
  bytes: number;
  deletes: number;
}

export interface SyncEvents {
  backup(result: 'success' | 'failure', backup: Backup): void;
  /** A flush has deleted the last objects of the session: neither cache nor bucket has anything of it. */
  emptied(session: string): void;
  /** `ms`: from the first caller's wish to the last file. */
  restore(result: RestoreResult, ms: number): void;
  /** A session was found changed here and in the bucket; so many of its files here are kept aside. */
  conflict(quarantined: number): void;
  /** Objects that are stored again, to become young. */
  refreshed(objects: number): void;
}
