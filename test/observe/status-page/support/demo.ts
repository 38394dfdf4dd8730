/** A mount with some of everything that the page shows, for screenshots. Nothing in it is chance. */
import type { SessionReport, StatusReport } from '../../../../src/observe/status-page/report.ts';
import { reportOf, sessionOf } from './reports.ts';

const SESSIONS = 1_000;
const STEP_MS = 2_000;
const SPAN_MS = 600_000;

export function demo(nowMs = Date.now()): { report(): StatusReport; history(): number[][] } {
  const ago = (seconds: number) => new Date(nowMs - seconds * 1_000).toISOString();
  return {
    report: () => demoReport(ago, (Date.now() - nowMs) / 1_000),
    history: () => historyUntil(Date.now()),
  };
}

function demoReport(ago: (seconds: number) => string, seconds: number): StatusReport {
  const base = reportOf();
  return {
    ...base,
    mount: {
      ...base.mount,
      mountPoint: '/srv/bots/sessions',
      startedAt: ago(3 * 86_400 + 7_000),
      restarts: 1,
    },
    files: {
      ...{ sessions: SESSIONS, files: 148_210, dirty: 3, heldBack: 1 },
      longestHeldBack: [{ file: 'user212-+49151550123/pre-key-31.json', bytes: 512, since: ago(4) }],
    },
    disk: { journalBytes: 2_400_000, cacheBytes: 312_400_000, freeBytes: 48_200_000_000 },
    totals: {
      ...base.totals,
      ...{
        backups: 91_422 + Math.floor(seconds),
        backupFiles: 640_118 + Math.round(seconds * 4.4),
        backupBytes: 812_400_000,
        restores: 964,
      },
      ...{
        backupFailures: 7,
        requests: 702_344 + Math.round(seconds * 5.3),
        requestErrors: { unreachable: 21, throttled: 4 },
      },
      ...{ calls: 8_412_003 + Math.round(seconds * 208) },
    },
    sessions: demoSessions(ago),
  };
}

function demoSessions(ago: (seconds: number) => string): SessionReport[] {
  const special: SessionReport[] = [
    sessionOf('user7-+491515550107', {
      ...{ dirty: 4, files: 163, lastBackupAt: ago(1_980) },
      trouble: {
        error: 'the bucket did not answer within 15 s',
        hint: 'It is tried again at the next interval.',
        since: ago(312),
        waits: 'backup',
      },
    }),
    waitingSession(ago),
    { session: 'user44-+15550144', state: 'restoring', files: 131, dirty: 0 },
  ];
  const others = Array.from({ length: SESSIONS - special.length }, (_, index) => {
    const number = index + 100;
    const session = `user${number}-+1555${String(number * 7919)
      .padStart(7, '0')
      .slice(-7)}`;
    if (index % 27 === 26) return { session, state: 'remote', files: 120, dirty: 0 };
    const dirty = index % 9 === 4 ? (index % 3) + 1 : 0;
    return sessionOf(session, {
      files: 96 + (index % 83),
      dirty,
      epoch: 1,
      lastBackupAt: ago(4 + ((index * 37) % 290)),
    });
  });
  return [...special, ...others];
}

/** Another mount has it. */
function waitingSession(ago: (seconds: number) => string): SessionReport {
  const { epoch: _, ...session } = sessionOf('user12-+4915155500112', {
    state: 'waiting',
    files: 142,
    lastBackupAt: ago(5_400),
  });
  return { ...session, holder: 'bot-host-2:/srv/bots/sessions', waitedMs: 18_000 };
}

/** Points as the page keeps them: time, dirty files, calls, uploads a minute, requests and failed requests a second. */
function historyUntil(nowMs: number): number[][] {
  const points: number[][] = [];
  for (let ms = nowMs - SPAN_MS; ms < nowMs; ms += STEP_MS) {
    const at = (ms - nowMs) / 1_000;
    const wave = Math.sin(at / 31) + Math.sin(at / 7.3) / 2 + Math.sin(at / 2.9) / 4;
    const isOut = at > -330 && at < -290;
    const dirty = isOut
      ? 256 + (at + 330) * 4
      : Math.round(222 + 48 * wave + (at > -290 && at < -270 ? 60 : 0));
    points.push([
      ms,
      dirty,
      205 + 60 * wave,
      isOut ? 0 : 260 + 90 * wave,
      isOut ? 3 : 5.2 + 1.6 * wave,
      isOut ? 2.4 : 0,
    ]);
  }
  return points;
}
