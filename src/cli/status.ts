/** `sessionfs status`: what the daemons say about their mounts. A mount that hangs is an error, not a wait. */
import { join } from 'node:path';
import { locateMount, statusOf } from '../api/locate.ts';
import { type MountStatus, readMountStatus, type StatusReading } from '../api/mount-status.ts';
import { loadMountPoint } from '../config/load.ts';
import { settings } from '../config/settings.ts';
import { type CachedSession, sessionsOfCache } from '../kit/export/sealed-session.ts';
import { exitStatus, SessionfsError } from '../lib/errors.ts';
import { agoText, columns, countText, momentText, printableLine } from '../lib/human.ts';
import { codeOf } from '../lib/system-error.ts';
import { allMounts, type SeenMount } from '../mount/mountinfo.ts';
import { type Invocation, print, printJson, printText } from './command.ts';

interface Trouble {
  readonly summary: string;
  readonly error: string;
  readonly hint?: string;
}

export async function run(invocation: Invocation): Promise<number> {
  const { given, directory, env } = invocation;
  if (directory === undefined && !env[settings.mountPoint.variable]) return everyMount(invocation);
  const path = await locateMount(loadMountPoint(env, directory));
  const { status: shown, raw } = await statusOf(path, 'for its status');
  if (given.has('--json')) print(raw.trimEnd());
  else printText(await tableOf(shown));
  return 0;
}

/** One that does not answer keeps no other from being shown; the exit status tells. */
async function everyMount({ given }: Invocation): Promise<number> {
  const mounts = await allMounts();
  if (mounts.length === 0)
    throw new SessionfsError('NOT_MOUNTED', 'no sessionfs is mounted on this machine', {
      hint: 'sessionfs mount DIR mounts one. Mounts of other users and containers are seen by root.',
    });
  const readings = await Promise.all(
    mounts.map(async (mount) => ({ mount, reading: await readMountStatus(placeOf(mount)) })),
  );
  if (given.has('--json')) printJson(readings.map(({ mount, reading }) => asJson(mount, reading)));
  else
    printText((await Promise.all(readings.map(({ mount, reading }) => asText(mount, reading)))).join('\n\n'));
  return readings.some(({ reading }) => reading.kind === 'hung') ? exitStatus.MOUNT_NOT_ANSWERING : 0;
}

/** How this process reaches it. */
function placeOf({ mountPoint, pid }: SeenMount): string {
  return pid === undefined ? mountPoint : join(`/proc/${pid}/root`, mountPoint);
}

function asJson({ mountPoint, pid }: SeenMount, reading: StatusReading): object {
  const state = reading.kind === 'answered' ? 'serving' : STATES[reading.kind];
  const within = pid === undefined ? {} : { namespaceOf: pid };
  return { mountPoint, state, ...within, ...(reading.kind === 'answered' ? { status: reading.status } : {}) };
}

const STATES = {
  hung: 'not answering',
  stale: 'dead',
  denied: 'not permitted',
  absent: 'not readable',
} as const;

const ADVICE = {
  hung: 'it did not answer: sessionfs status DIR says more',
  stale: 'its daemon has died: sessionfs mount DIR mounts it again, sessionfs unmount DIR takes it away',
  denied: 'ask as root or as the owner of the mount',
  absent: 'its status cannot be read',
} as const;

async function asText({ mountPoint, pid }: SeenMount, reading: StatusReading): Promise<string> {
  const within = pid === undefined ? [] : [row('namespace', `of process ${pid}`)];
  // The paths of another namespace are not of this one.
  const shown = ({ status }: { status: MountStatus }) =>
    pid === undefined ? tableOf(status) : table(status);
  if (reading.kind === 'answered') return [await shown(reading), ...within].join('\n');
  return [row('mount point', mountPoint), row('TROUBLE', ADVICE[reading.kind]), ...within].join('\n');
}

function row(label: string, value: string | number): string {
  return `${label.padEnd(16)}${printableLine(String(value))}`;
}

type CachedSessions = readonly (readonly [session: string, cached: CachedSession])[];

/** Of more, a look at each would take longer than a status may: `sessionfs ls` does it. */
const FILES_LOOKED_AT_MAX = 50_000;

/** With the sessions of a mount that backs nothing up, from its cache. */
async function tableOf(shown: MountStatus): Promise<string> {
  const { backups, cachePath, files } = shown;
  if (backups !== undefined || cachePath === undefined || files > FILES_LOOKED_AT_MAX) return table(shown);
  const sessions = await sessionsOfCache(cachePath).catch(ifUnreadable);
  return table(
    shown,
    [...(sessions ?? [])].filter(([session]) => session !== ''),
  );
}

/** For catch(): a cache of another user, say, or one that is damaged, keeps nothing else from being shown. */
function ifUnreadable(error: unknown): undefined {
  if (codeOf(error) === undefined) throw error;
}

export function table(shown: MountStatus, cached: CachedSessions = []): string {
  const trouble = shown.bucket?.trouble;
  const rows: [label: string, value: string | number][] = [
    ...(trouble ? troubleRows(trouble) : []),
    ...(shown.startedOver ?? []).flatMap(startedOverRows),
    ...(shown.lostCredentials ?? []).flatMap(lostRows),
    ...sessionRows(shown.backups ?? []),
    ...(shown.sharedSessions ?? []).flatMap(sharedRows),
    ['mount point', shown.mountPoint],
    ['mode', shown.mode],
    ...readOnlyRows(shown.readOnly),
    ['driver', shown.driver],
    ['version', shown.version],
    ['supervisor', shown.pids.supervisor],
    ['daemon', shown.pids.daemon],
    ['restarts', shown.restarts],
    ['sessions', shown.sessions],
    ['files', shown.files],
    ['not stored yet', shown.dirty],
    ...heldBackRows(shown.heldBack),
    ...(shown.incomplete ?? []).map(incompleteRow),
  ];
  return [
    ...rows.map(([label, value]) => row(label, value)),
    ...sessionTable(shown.backups ?? []),
    ...cachedTable(cached),
  ].join('\n');
}

/** The one that changed last first. */
function cachedTable(cached: CachedSessions): string[] {
  if (cached.length === 0) return [];
  const rows = [...cached]
    .sort(([, a], [, b]) => b.changedMs - a.changedMs)
    .slice(0, SESSIONS_SHOWN)
    .map(([session, { files, changedMs }]) => [
      session,
      String(files),
      agoText(new Date(changedMs).toISOString(), Date.now()),
    ]);
  const more = cached.length - SESSIONS_SHOWN;
  return [
    '',
    ...columns([['session', 'files', 'last change'], ...rows]),
    ...(more > 0 ? [`and ${more} more: see sessionfs ls`] : []),
  ];
}

const HEADINGS = ['session', 'state', 'files', 'dirty', 'last backup', 'lease', 'last error'];

/** Sessions in trouble first, then those with most to back up. */
function sessionTable(backups: Backups): string[] {
  if (backups.length === 0) return [];
  const worst = [...backups].sort(
    (a, b) =>
      Number(b.trouble !== undefined) - Number(a.trouble !== undefined) ||
      b.dirty - a.dirty ||
      a.session.localeCompare(b.session),
  );
  const rows = worst
    .slice(0, SESSIONS_SHOWN)
    .map((backup) => [
      backup.session === '' ? '(root)' : backup.session,
      backup.state ?? '',
      String(backup.files ?? ''),
      String(backup.dirty),
      backup.lastBackupAt === undefined ? 'none yet' : agoText(backup.lastBackupAt, Date.now()),
      leaseOf(backup),
      backup.lastError ?? backup.trouble?.error ?? '',
    ]);
  const more = worst.length - SESSIONS_SHOWN;
  return ['', ...columns([HEADINGS, ...rows]), ...(more > 0 ? [`and ${more} more: see --json`] : [])];
}

function leaseOf({ epoch, holder }: Backups[number]): string {
  if (holder !== undefined) return `of ${holder}`;
  return epoch === undefined ? '' : `held, epoch ${epoch}`;
}

function sinceText(time: string): string {
  return momentText(time, Date.now());
}

function troubleRows({ summary, error, hint }: Trouble): [label: string, value: string][] {
  const rows: [string, string][] = [['TROUBLE', `${summary}: ${error}`]];
  return hint === undefined ? rows : [...rows, ['', hint]];
}

function lostRows({ session }: { readonly session: string }): [label: string, value: string][] {
  return troubleRows({
    summary: session,
    error: 'its registered credentials were removed, and other files of it were not',
    hint: `If this was no logout: stop the application, then sessionfs restore DIR/${session}`,
  });
}

function startedOverRows({ session }: { readonly session: string }): [label: string, value: string][] {
  return troubleRows({
    summary: session,
    error: 'an application started over: other credentials took the place of its registered ones',
    hint: `To go on with the account before: stop the application, then sessionfs restore DIR/${session}`,
  });
}

function readOnlyRows(readOnly: MountStatus['readOnly']): [label: string, value: string][] {
  return !readOnly
    ? []
    : [['read-only', `a copy of ${readOnly.source}, made ${agoText(readOnly.copiedAt, Date.now())}`]];
}

type Shared = NonNullable<MountStatus['sharedSessions']>[number];

function sharedRows({ session, processes, since }: Shared): [label: string, value: string][] {
  const names = processes.map(({ pid, command }) => (pid === 0 ? command : `${pid} (${command})`));
  return troubleRows({
    summary: `${session}: two processes write it in turns, noticed at ${sinceText(since)}`,
    error: names.join(' and '),
    hint: 'stop one of them: each uses keys that the other has used, and the account may be logged out',
  });
}

function heldBackRows(heldBack: MountStatus['heldBack']): [label: string, value: string][] {
  if (heldBack === undefined || heldBack.files === 0) return [];
  const { files, longest } = heldBack;
  const shown = longest.map(({ file, bytes, since }): [string, string] => [
    '',
    `${file}: ${bytes} bytes, unchanged since ${sinceText(since)}`,
  ]);
  const more = files - longest.length;
  return [
    ['held back', `${countText(files, 'file')} of incomplete JSON: readers see the version before`],
    ...shown,
    ...(more > 0 ? [['', `and ${countText(more, 'file')} more`] as [string, string]] : []),
  ];
}

type Incomplete = NonNullable<MountStatus['incomplete']>[number];

function incompleteRow({ outcome, file, from, bytes, at }: Incomplete): [label: string, value: string] {
  return outcome === 'given-up'
    ? [
        'given up',
        `${file}, at ${sinceText(at)}: its ${bytes} bytes were incomplete JSON, the version before stays`,
      ]
    : ['EIO', `rename of ${from} to ${file}, at ${sinceText(at)}: its ${bytes} bytes are incomplete JSON`];
}

const SESSIONS_SHOWN = 10;

type Backups = NonNullable<MountStatus['backups']>;

function sessionRows(backups: Backups): [label: string, value: string][] {
  const troubled = backups.filter(({ trouble }) => trouble !== undefined);
  const rows = troubled.slice(0, SESSIONS_SHOWN).flatMap(({ session, dirty, trouble }) => {
    if (trouble === undefined) return [];
    const waiting =
      trouble.waits === 'calls' ? 'its callers wait' : `${countText(dirty, 'file')} not backed up`;
    return troubleRows({ ...trouble, summary: `${session}: ${waiting} since ${sinceText(trouble.since)}` });
  });
  const more = troubled.length - SESSIONS_SHOWN;
  return more > 0 ? [...rows, ['', `and ${countText(more, 'more session')}: see --json`]] : rows;
}
