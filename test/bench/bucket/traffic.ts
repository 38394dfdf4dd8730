/** What hybrid mode asks of the bucket while real Baileys sessions are in use, and what that costs. */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scope } from '../../support/cleanup.ts';
import type { Mounted } from '../../support/mount-sessionfs.ts';
import { runWorkload, type WorkloadResult } from '../../support/run-workload.ts';
import { type Measurement, measurement, record } from '../measurement.ts';
import { countCharges, type Rig } from './rig.ts';

export const TRAFFIC_SUBJECTS = ['every file, every 5 minutes', 'sessionfs'] as const;

const SESSIONS = 4;
const INTERVAL_MS = 300_000;
/**
 * The clock is wound forward: interval and pace are both that much shorter than in use. What changes between two backups is the
 * same then; only the second within which a changed creds.json goes out is that much longer in comparison.
 */
const FASTER = 10;
/** Of one conversation; each session has two, so that it sends or receives a message a minute. */
const MESSAGE_EVERY_MS = 120_000;
const BASIS_FILES = 50;
const DOLLARS_PER_A = 0.000_005;
const DOLLARS_PER_B = 0.000_000_4;
const HOURS_A_MONTH = 720;

/** `messages`: of each conversation. */
export async function measureTraffic(scope: Scope, rig: Rig, messages: number): Promise<Measurement[]> {
  const interval = String(INTERVAL_MS / FASTER);
  const env = { SESSION_BACKUP_INTERVAL: interval, LOG_LEVEL: 'warn' };
  const mounted = await rig.mount(scope, await rig.newBucket(), env);
  await succeeds(mounted, '--mode', 'init', '--k', String(SESSIONS), '--m', String(10 * SESSIONS));
  await storeAll(mounted);

  const from = rig.proxy.requests.length;
  const startedMs = performance.now();
  const pace = String(MESSAGE_EVERY_MS / FASTER);
  const run = await succeeds(mounted, '--mode', 'resume', '--rounds', String(messages), '--pace-ms', pace);
  const hours = (FASTER * (performance.now() - startedMs)) / 3_600_000;
  await storeAll(mounted);
  const { A, B } = countCharges(rig.proxy, from);
  const files = await filesOf(mounted);
  await mounted.unmount();

  const perSessionHour = (count: number) => count / (SESSIONS * hours);
  const ours = { a: perSessionHour(A), b: perSessionHour(B) };
  const rows: [string, string, number | undefined, number][] = [
    ['files in a session', '', files / SESSIONS, files / SESSIONS],
    ['messages sent and received', '/session/h', undefined, perSessionHour(2 * (run.resume?.direct ?? 0))],
    ['files written by Baileys', '/session/h', undefined, perSessionHour(run.storeOps?.writes ?? 0)],
    ['class A operations', '/session/h', everyFile(files / SESSIONS), ours.a],
    ['class B operations', '/session/h', undefined, ours.b],
    ['1,000 such sessions', '$/month', dollars(everyFile(files / SESSIONS), 0), dollars(ours.a, ours.b)],
    [
      `1,000 sessions of ${BASIS_FILES} files`,
      '$/month',
      dollars(everyFile(BASIS_FILES), 0),
      dollars(ours.a, ours.b),
    ],
  ];
  return rows.map(([name, unit, copying, sessionfs]) => {
    const row = measurement(name, unit);
    if (copying !== undefined) record(row, TRAFFIC_SUBJECTS[0], copying);
    record(row, 'sessionfs', sessionfs);
    return row;
  });
}

function everyFile(files: number): number {
  return (files * 3_600_000) / INTERVAL_MS;
}

/** Of 1,000 sessions. */
function dollars(aPerSessionHour: number, bPerSessionHour: number): number {
  return 1000 * HOURS_A_MONTH * (aPerSessionHour * DOLLARS_PER_A + bPerSessionHour * DOLLARS_PER_B);
}

async function succeeds({ mountPoint }: Mounted, ...args: string[]): Promise<WorkloadResult> {
  const result = await runWorkload(mountPoint, ...args);
  if (!result.ok) throw new Error(`the workload failed: ${result.error ?? JSON.stringify(result.resume)}`);
  return result;
}

/** What is in the journal only is no dirty file yet: asking for a backup brings it out. */
async function storeAll({ mountPoint }: Mounted): Promise<void> {
  await writeFile(join(mountPoint, '.sessionfs/flush'), 'all');
}

async function filesOf({ mountPoint }: Mounted): Promise<number> {
  const found = await readdir(mountPoint, { recursive: true, withFileTypes: true });
  return found.filter((entry) => entry.isFile()).length;
}
