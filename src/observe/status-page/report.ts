/** What the status page is made of: everything that it shows, with whole names. */
import type { Readiness } from '../http-pages.ts';
import type { Overview } from '../metrics.ts';

export interface StatusReport extends Overview {
  readonly mount: MountReport;
  /** Applications are served, or why not; and what is wrong with the bucket although they are. */
  readonly readiness: Readiness;
  /** Undefined in local mode: there is no bucket. */
  readonly sessions: readonly SessionReport[] | undefined;
}

export interface MountReport {
  readonly version: string;
  readonly mode: string;
  readonly driver: string;
  readonly mountPoint: string;
  readonly bucket: string | undefined;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly restarts: number;
}

export interface SessionReport {
  readonly session: string;
  /** SessionState of `remote/`. */
  readonly state: string;
  readonly files: number;
  readonly dirty: number;
  /** ISO 8601. */
  readonly lastBackupAt?: string | undefined;
  readonly lastError?: string | undefined;
  /** This mount holds the lease. */
  readonly epoch?: number;
  /** Another mount holds it, and calls wait for that. */
  readonly holder?: string;
  readonly waitedMs?: number;
  readonly trouble?: {
    readonly error: string;
    readonly hint?: string;
    readonly since: string;
    readonly waits: string;
  };
}
