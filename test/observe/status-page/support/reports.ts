/** Reports as a daemon makes them. */
import type { SessionReport, StatusReport } from '../../../../src/observe/status-page/report.ts';

const AT = '2026-03-01T10:00:00.000Z';

export function reportOf(changes: Partial<StatusReport> = {}): StatusReport {
  return {
    mount: {
      ...{ version: '1.2.3', mode: 'hybrid', driver: 'direct', mountPoint: '/srv/bots/sessions' },
      ...{ bucket: 'gs://example-sessions', startedAt: AT, restarts: 0 },
    },
    readiness: { ready: true },
    files: { sessions: 2, files: 20, dirty: 0, heldBack: 0 },
    disk: { journalBytes: 0, cacheBytes: 1_000, freeBytes: 1e9 },
    totals: {
      ...{ backups: 0, backupFailures: 0, backupFiles: 0, backupBytes: 0, restores: 0, restoreFailures: 0 },
      ...{ requests: 0, requestErrors: {}, conflicts: 0, freshRegistrations: 0, credentialsRemoved: 0 },
      ...{ leasesLost: 0, calls: 0, sharedSessions: 0 },
    },
    sessions: [sessionOf('user1-+4915100000')],
    ...changes,
  };
}

export function sessionOf(session: string, changes: Partial<SessionReport> = {}): SessionReport {
  return { session, state: 'local', files: 10, dirty: 0, lastBackupAt: AT, epoch: 1, ...changes };
}
