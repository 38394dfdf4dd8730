/** `sessionfs status`: what the daemon says about its mount. A mount that hangs is an error, not a wait. */
import { loadMountPoint } from '../config/load.ts';
import { type Invocation, print } from './command.ts';
import { locateMount, statusOf } from './locate.ts';
import type { MountStatus } from './mount-status.ts';

interface Trouble {
  readonly summary: string;
  readonly error: string;
  readonly hint?: string;
}

export async function run({ given, directory, env }: Invocation): Promise<number> {
  const path = await locateMount(loadMountPoint(env, directory));
  const { status: shown, raw } = await statusOf(path, 'for its status');
  print(given.has('--json') ? raw.trimEnd() : table(shown));
  return 0;
}

export function table(shown: MountStatus): string {
  const trouble = shown.bucket?.trouble;
  const rows: [label: string, value: string | number][] = [
    ...(trouble ? troubleRows(trouble) : []),
    ...sessionRows(shown.backups ?? []),
    ['mount point', shown.mountPoint],
    ['mode', shown.mode],
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
  return rows.map(([label, value]) => `${label.padEnd(16)}${value}`).join('\n');
}

function troubleRows({ summary, error, hint }: Trouble): [label: string, value: string][] {
  const rows: [string, string][] = [['TROUBLE', `${summary}: ${error}`]];
  return hint === undefined ? rows : [...rows, ['', hint]];
}

function heldBackRows(heldBack: MountStatus['heldBack']): [label: string, value: string][] {
  if (heldBack === undefined || heldBack.files === 0) return [];
  const { files, longest } = heldBack;
  const shown = longest.map(({ file, bytes, since }): [string, string] => [
    '',
    `${file}: ${bytes} bytes, unchanged since ${since}`,
  ]);
  const more = files - longest.length;
  return [
    ['held back', `${count(files)} of incomplete JSON: readers see the version before`],
    ...shown,
    ...(more > 0 ? [['', `and ${count(more)} more`] as [string, string]] : []),
  ];
}

type Incomplete = NonNullable<MountStatus['incomplete']>[number];

function incompleteRow({ outcome, file, from, bytes, at }: Incomplete): [label: string, value: string] {
  return outcome === 'given-up'
    ? ['given up', `${file}, at ${at}: its ${bytes} bytes were incomplete JSON, the version before stays`]
    : ['EIO', `rename of ${from} to ${file}, at ${at}: its ${bytes} bytes are incomplete JSON`];
}

function count(files: number): string {
  return files === 1 ? '1 file' : `${files} files`;
}

const SESSIONS_SHOWN = 10;

function sessionRows(backups: NonNullable<MountStatus['backups']>): [label: string, value: string][] {
  const troubled = backups.filter(({ trouble }) => trouble !== undefined);
  const rows = troubled.slice(0, SESSIONS_SHOWN).flatMap(({ session, dirty, trouble }) => {
    if (trouble === undefined) return [];
    const waiting = trouble.waits === 'calls' ? 'its callers wait' : `${dirty} files are not backed up`;
    return troubleRows({ ...trouble, summary: `${session}: ${waiting} since ${trouble.since}` });
  });
  const more = troubled.length - SESSIONS_SHOWN;
  return more > 0 ? [...rows, ['', `and ${more} more sessions: see --json`]] : rows;
}
