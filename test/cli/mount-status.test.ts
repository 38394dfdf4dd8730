import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { type MountStatus, parseStatus, readMountStatus, STATUS_FILE } from '../../src/api/mount-status.ts';
import { table } from '../../src/cli/status.ts';
import { agoText } from '../../src/lib/human.ts';
import { cleanUp } from '../support/cleanup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const status: MountStatus = {
  version: '0.1.0',
  mountPoint: '/srv/sessions',
  mode: 'local',
  driver: 'direct',
  restarts: 0,
  pids: { supervisor: 41, daemon: 4242 },
  sessions: 3,
  files: 2500,
  dirty: 7,
};

function withStatusFile(directory: string): string {
  const path = join(directory, ...STATUS_FILE);
  mkdirSync(dirname(path));
  return path;
}

test('a status is read whole, with what only a later version says', async (t) => {
  const directory = temporaryDirectory(t);
  const raw = `${JSON.stringify({ ...status, uptimeMs: 5 })}\n \n`;
  writeFileSync(withStatusFile(directory), raw);
  assert.deepEqual(await readMountStatus(directory), {
    kind: 'answered',
    status: { ...status, uptimeMs: 5 },
    raw,
  });
});

test('a directory without a status file is not a mount', async (t) => {
  const directory = temporaryDirectory(t);
  assert.deepEqual(await readMountStatus(directory), { kind: 'absent' });
  assert.deepEqual(await readMountStatus(join(directory, 'none')), { kind: 'absent' });
});

/** A mount that no process serves, until the end of the test. */
const UNSERVED = `
  exec 3<>/dev/fuse
  mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 unserved "$0" || exit 1
  echo ready
  exec sleep 600`;

test('a mount that does not answer is given up, and nothing of the attempt stays', async (t) => {
  const directory = temporaryDirectory(t);
  const holder = spawn('sh', ['-c', UNSERVED, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanUp(t, () => void holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  assert.deepEqual(await readMountStatus(directory, 300), { kind: 'hung' });
});

test('root opens nothing that another user put in the place of a status', async (t) => {
  const secret = join(temporaryDirectory(t), 'secret');
  writeFileSync(secret, JSON.stringify(status));
  const ways: Record<string, (path: string) => void> = {
    'a link': (path) => symlinkSync(secret, path),
    'a FIFO': (path) => assert.equal(spawnSync('mkfifo', [path]).status, 0),
    'a device without an end': (path) => symlinkSync('/dev/zero', path),
    'more than a status has': (path) => {
      writeFileSync(path, '{}');
      truncateSync(path, 200 * 1024 * 1024);
    },
  };
  for (const [what, make] of Object.entries(ways)) {
    const directory = temporaryDirectory(t);
    make(withStatusFile(directory));
    assert.deepEqual(await readMountStatus(directory), { kind: 'absent' }, what);
  }
  const directory = temporaryDirectory(t);
  writeFileSync(withStatusFile(directory), JSON.stringify(status));
  const linked = temporaryDirectory(t);
  symlinkSync(join(directory, '.sessionfs'), join(linked, '.sessionfs'));
  assert.deepEqual(await readMountStatus(linked), { kind: 'absent' });
});

test('what no daemon of ours wrote is not a status', () => {
  assert.deepEqual(parseStatus(JSON.stringify(status)), status);
  const foreign: unknown[] = [
    null,
    [],
    'text',
    {},
    { ...status, pids: undefined },
    { ...status, pids: { supervisor: 41, daemon: '4242' } },
    { ...status, pids: { supervisor: 41, daemon: 0 } },
    { ...status, pids: { supervisor: 41, daemon: -1 } },
    { ...status, pids: { supervisor: 41, daemon: 1.5 } },
    { ...status, dirty: 'none' },
    { ...status, mode: undefined },
  ];
  for (const value of foreign)
    assert.equal(parseStatus(JSON.stringify(value)), undefined, JSON.stringify(value));
  assert.equal(parseStatus(''), undefined);
});

test('people are shown what is mounted and what is not stored yet', () => {
  const text = table(status);
  assert.match(text, /^mount point +\/srv\/sessions$/m);
  assert.match(text, /^daemon +4242$/m);
  assert.match(text, /^not stored yet +7$/m);
});

test('a name of another mount gives a terminal no orders, and stays on its line', () => {
  const mountPoint = '/srv/\u001b]0;b\u0007\nmode';
  assert.match(table({ ...status, mountPoint }), /^mount point +\/srv\/\?\]0;b\?\?mode\nmode +local$/m);
  const [last] = table({ ...status, backups: [{ session: 'a\u009b2J', dirty: 1 }] })
    .split('\n')
    .slice(-1);
  assert.match(last ?? '', /^a\?2J /);
});

test('a bucket that cannot be used comes first, with what to do', () => {
  const trouble = { summary: 'the bucket refuses permission', error: 'HTTP 403', hint: 'Grant a role.' };
  const lines = table({ ...status, bucket: { trouble } }).split('\n');
  assert.deepEqual(lines.slice(0, 2), [
    `${'TROUBLE'.padEnd(16)}the bucket refuses permission: HTTP 403`,
    `${''.padEnd(16)}Grant a role.`,
  ]);
});

test('a session in trouble: what waits since when, why, and what to do', () => {
  const since = '2026-01-02T03:04:05.678Z';
  const ago = agoText(since, Date.now());
  const backups = [
    {
      session: 'a-+1',
      dirty: 0,
      trouble: { error: 'no key', hint: 'Give it.', since, waits: 'calls' as const },
    },
    { session: 'b-+2', dirty: 3, trouble: { error: 'HTTP 403', since, waits: 'backup' as const } },
    { session: 'c-+3', dirty: 0 },
  ];
  const lines = table({ ...status, backups }).split('\n');
  assert.deepEqual(
    lines.slice(0, 3).map((line) => line.slice(16)),
    [
      `a-+1: its callers wait since 2026-01-02T03:04:05Z (${ago}): no key`,
      'Give it.',
      `b-+2: 3 files not backed up since 2026-01-02T03:04:05Z (${ago}): HTTP 403`,
    ],
  );
  assert.equal(lines[3], table(status).split('\n')[0]);
});

test('a mount that backs nothing up: the sessions of its cache, the one that changed last first', () => {
  const cached = (name: string, minutes: number) =>
    [name, { files: 2, sealedBytes: 9, changedMs: Date.now() - minutes * 60_000 }] as const;
  const lines = (count: number) =>
    table(
      status,
      Array.from({ length: count }, (_, at) => cached(`s-+${at}`, 20.5 - at)),
    )
      .split('\n')
      .slice(-3);
  assert.deepEqual(lines(2), [
    'session  files  last change',
    's-+1     2      19 min ago',
    's-+0     2      20 min ago',
  ]);
  assert.deepEqual(lines(12)[2], 'and 2 more: see sessionfs ls');
});

test('a session that two processes write comes before all else, with both and what to do', () => {
  const since = '2026-01-02T03:04:05.678Z';
  const ago = agoText(since, Date.now());
  const processes = [
    { pid: 41, command: 'node bot.js' },
    { pid: 0, command: 'a process of another PID namespace' },
  ];
  const lines = table({ ...status, sharedSessions: [{ session: 'a-+1', processes, since }] }).split('\n');
  assert.equal(
    lines[0]?.slice(16),
    `a-+1: two processes write it in turns, noticed at 2026-01-02T03:04:05Z (${ago}): 41 (node bot.js) and a process of another PID namespace`,
  );
  assert.match(lines[1] ?? '', /^ +stop one of them: /);
  assert.equal(lines[2], table(status).split('\n')[0]);
});
