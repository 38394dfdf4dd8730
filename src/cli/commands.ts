/**
 * The one table of commands: the parser, `--help`, the completion scripts and the manual page come from it. A command's code is
 * imported when it runs, and not before: `load` names the module, and nothing here imports one.
 */
import type { CommandSpec, FlagSpec, OperandSpec } from './command.ts';
import { readOnlyFlag, settingFlags } from './setting-flags.ts';

const MOUNTS = 'Mounts';
const SESSIONS = 'Sessions';
const KEYS = 'Keys and costs';
const HELP = 'Something does not work';
const SHELL = 'Shell';

const directory: OperandSpec = { name: 'DIR', meaning: 'the mount point' };
const json: FlagSpec = { flag: '--json', meaning: 'print JSON instead of text' };

const from: FlagSpec = {
  flag: '--from',
  placeholder: 'SOURCE',
  meaning: 'where to read',
  default: 'the cache, and the bucket for what the cache lacks',
  choices: ['cache', 'bucket'],
};

/** Flags of settings, for the commands that need only some. */
function settingsNamed(...names: readonly string[]): readonly FlagSpec[] {
  return settingFlags.filter(({ flag }) => names.includes(flag));
}

/** What it takes to read cache and bucket. */
const storage = settingsNamed(
  '--cache-path',
  '--bucket',
  '--encryption-key-file',
  '--key-command',
  '--storage-emulator-host',
  '--aws-endpoint-url',
);

export const commands: readonly CommandSpec[] = [
  {
    name: 'mount',
    group: MOUNTS,
    summary: 'mount DIR and serve it until SIGTERM',
    synopsis: '[DIR] [FLAGS]',
    operands: [directory],
    flags: [
      ...settingFlags,
      readOnlyFlag,
      {
        flag: '--options',
        short: '-o',
        placeholder: 'OPTIONS',
        meaning: 'settings as mount(8) and /etc/fstab give them: umask=022,key_file=FILE',
      },
      { flag: '--daemonize', meaning: 'return when the mount answers and keep serving it in the background' },
      {
        flag: '--log-file',
        placeholder: 'FILE',
        meaning: 'log file of a daemonized mount',
        default: 'CACHE.log',
      },
      {
        flag: '--pid-file',
        placeholder: 'FILE',
        meaning: 'file that holds the process id of the supervisor; default with --daemonize: CACHE.pid',
      },
      { flag: '--json', meaning: 'with --daemonize: print JSON instead of text' },
    ],
    load: async () => (await import('./mount.ts')).run,
  },
  {
    name: 'unmount',
    group: MOUNTS,
    summary: 'flush and unmount DIR; return when both are done',
    synopsis: '[DIR] [--timeout SECONDS] [--force] [--json]',
    operands: [directory],
    flags: [
      {
        flag: '--timeout',
        placeholder: 'SECONDS',
        meaning: 'how long to wait; 0: no limit',
        default: '60',
      },
      {
        flag: '--force',
        meaning:
          'kill the processes of a mount that hangs, without a flush; what was written is in the cache',
      },
      json,
    ],
    load: async () => (await import('./unmount.ts')).run,
  },
  {
    name: 'run',
    group: MOUNTS,
    summary: 'mount DIR, run COMMAND, flush and unmount, exit with its status',
    synopsis: '[DIR] [FLAGS] -- COMMAND [ARGUMENT…]',
    operands: [directory],
    flags: [...settingFlags, readOnlyFlag],
    takesCommand: true,
    load: async () => (await import('./run.ts')).run,
  },
  {
    name: 'reload',
    group: MOUNTS,
    summary: 'hand DIR over to a new daemon after an upgrade; no call is lost',
    synopsis: '[DIR] [--json]',
    operands: [directory],
    flags: [json],
    load: async () => (await import('./reload.ts')).run,
  },
  {
    name: 'status',
    group: MOUNTS,
    summary: 'print what is mounted on DIR, or everywhere, and what is not stored yet',
    synopsis: '[DIR] [--json]',
    operands: [directory],
    flags: [{ flag: '--json', meaning: 'print the whole status as JSON' }],
    load: async () => (await import('./status.ts')).run,
  },
  {
    name: 'flush',
    group: MOUNTS,
    summary: 'back up what is not in the bucket yet; return when it is',
    synopsis: '[DIR] [SESSION] [--json]',
    operands: [directory, { name: 'SESSION', meaning: 'one session; default: all of them' }],
    flags: [json],
    load: async () => (await import('./flush.ts')).run,
  },
  {
    name: 'logs',
    group: MOUNTS,
    summary: 'print the log of the mount on DIR',
    synopsis: '[DIR] [-f] [--lines COUNT]',
    operands: [directory],
    flags: [
      { flag: '--follow', short: '-f', meaning: 'go on with what is logged from now on' },
      {
        flag: '--lines',
        short: '-n',
        placeholder: 'COUNT',
        meaning: 'how many lines from the end',
        default: '50',
      },
      {
        flag: '--log-file',
        placeholder: 'FILE',
        meaning: 'another log',
        default: 'the log of the mount, or CACHE.log',
      },
      { flag: '--json', meaning: 'print the lines as they are, on a terminal too' },
    ],
    load: async () => (await import('./logs.ts')).run,
  },
  {
    name: 'ls',
    group: SESSIONS,
    summary: 'list the sessions of cache and bucket, or the files of one, without a mount',
    synopsis: '[DIR | [DIR/]SESSION[/FOLDER]] [FLAGS]',
    operands: [{ name: 'PATH', meaning: 'a mount point, or a session; default: all sessions of DIR' }],
    flags: [from, json, ...storage],
    load: async () => (await import('./ls.ts')).run,
  },
  {
    name: 'cat',
    group: SESSIONS,
    summary: 'print a file of a session, decrypted, without a mount',
    synopsis: '[DIR/]SESSION/FILE [FLAGS]',
    operands: [{ name: 'FILE', meaning: 'the file', required: 'which file?' }],
    flags: [from, ...storage],
    load: async () => (await import('./cat.ts')).run,
  },
  {
    name: 'stat',
    group: SESSIONS,
    summary: 'print size, times and key of a file of a session, without a mount',
    synopsis: '[DIR/]SESSION/FILE [FLAGS]',
    operands: [{ name: 'FILE', meaning: 'the file', required: 'which file?' }],
    flags: [from, json, ...storage],
    load: async () => (await import('./stat.ts')).run,
  },
  {
    name: 'export',
    group: SESSIONS,
    summary: 'write the files of SESSION and its kept versions to FOLDER, decrypted',
    synopsis: '[DIR/]SESSION --to FOLDER [FLAGS]',
    operands: [
      { name: 'SESSION', meaning: 'the session, or its path in the mount', required: 'which session?' },
    ],
    flags: [
      { flag: '--to', placeholder: 'FOLDER', meaning: 'target folder; it must be empty or not exist yet' },
      { flag: '--set-aside', meaning: 'write the kept versions only' },
      from,
      json,
      ...storage,
    ],
    load: async () => (await import('./export.ts')).run,
  },
  {
    name: 'verify',
    group: SESSIONS,
    summary: 'open every file of cache and bucket, and say whether each session could log in',
    synopsis: '[DIR | [DIR/]SESSION] [--repair] [FLAGS]',
    operands: [{ name: 'PATH', meaning: 'a mount point, or a session; default: all sessions of DIR' }],
    flags: [
      {
        flag: '--repair',
        meaning: 'put a good copy in the place of one that does not open; not while it is mounted',
      },
      from,
      json,
      ...storage,
    ],
    load: async () => (await import('./verify.ts')).run,
  },
  {
    name: 'restore',
    group: SESSIONS,
    summary: 'bring back SESSION, or the credentials that it lost, through its mount',
    synopsis: '[DIR/]SESSION [--at TIME] [--to FOLDER] [FLAGS], or --list [DIR[/SESSION]]',
    operands: [
      {
        name: 'SESSION',
        meaning: 'the session, or its path in the mount; with --list the mount point, or a session in it',
      },
    ],
    flags: [
      { flag: '--list', meaning: 'list what can be brought back, and change nothing' },
      {
        flag: '--at',
        placeholder: 'TIME',
        meaning:
          'as the bucket had it then, by its object versions or soft-deleted objects, else what was kept until then; as 2026-05-22T10:00:00Z; default: what was kept last',
      },
      {
        flag: '--to',
        placeholder: 'FOLDER',
        meaning:
          'write plain files there, without a mount, and change nothing else; it must not exist yet, or be empty',
      },
      json,
      ...storage,
    ],
    load: async () => (await import('./restore.ts')).run,
  },
  {
    name: 'trash',
    group: SESSIONS,
    summary: 'list what is kept of removed sessions, without a mount, or delete it for good',
    synopsis: '[list | empty] [DIR | [DIR/]SESSION] [--older-than TIME] [--yes] [FLAGS]',
    operands: [
      {
        name: 'ACTION',
        meaning: 'what to do; default: list',
        choices: ['list', 'empty'],
        mayBeLeftOut: true,
      },
      { name: 'PATH', meaning: 'a mount point, or a removed session; default: all of DIR' },
    ],
    flags: [
      {
        flag: '--older-than',
        placeholder: 'TIME',
        meaning: 'only what was removed before: 12h, 3d; default: all',
      },
      { flag: '--yes', meaning: 'delete; without it `trash empty` only says how much it would delete' },
      json,
      ...settingsNamed(
        '--cache-path',
        '--bucket',
        '--trash-days',
        '--storage-emulator-host',
        '--aws-endpoint-url',
      ),
    ],
    load: async () => (await import('./trash.ts')).run,
  },
  {
    name: 'rekey',
    group: KEYS,
    summary: 'seal everything of DIR with its new key, mounted or not; can be stopped and run again',
    synopsis: '[DIR] [--rate FILES] [--json] [FLAGS]',
    operands: [directory],
    flags: [
      { flag: '--rate', placeholder: 'FILES', meaning: 'how many files a second', default: '200' },
      json,
      ...settingFlags,
    ],
    load: async () => (await import('./rekey.ts')).run,
  },
  {
    name: 'bucket',
    group: KEYS,
    summary: 'make a bucket at Google with the settings and the least rights that sessionfs needs',
    synopsis: 'create NAME [FLAGS]',
    operands: [
      { name: 'ACTION', meaning: 'what to do', required: 'what to do?', choices: ['create'] },
      { name: 'NAME', meaning: 'the name of the bucket', required: 'which bucket?' },
    ],
    flags: [
      { flag: '--project', placeholder: 'ID', meaning: 'the project that pays for it' },
      { flag: '--location', placeholder: 'LOCATION', meaning: 'where it lies', default: 'us-central1' },
      {
        flag: '--undo',
        placeholder: 'HOW',
        meaning: 'what brings back what was overwritten or deleted',
        default: 'soft-delete',
        choices: ['soft-delete', 'versioning'],
      },
      { flag: '--undo-days', placeholder: 'DAYS', meaning: 'for how long', default: '7' },
      { flag: '--member', placeholder: 'MEMBER', meaning: 'the account of sessionfs, which gets the rights' },
      {
        flag: '--custom-role',
        meaning:
          'a role of the project with only what sessionfs calls, in place of Google’s; it must be there, see --dry-run',
      },
      { flag: '--dry-run', meaning: 'print the commands of gcloud and the Terraform text, and do nothing' },
      json,
      ...settingsNamed('--trash-days', '--storage-emulator-host'),
    ],
    load: async () => (await import('./bucket.ts')).run,
  },
  {
    name: 'copy',
    group: SESSIONS,
    summary: 'copy all sessions from one bucket to another, encrypted as they are',
    synopsis: 'SOURCE DESTINATION [FLAGS]',
    operands: [
      {
        name: 'SOURCE',
        meaning: 'gs://NAME, s3://NAME or file:///DIRECTORY',
        required: 'from which bucket?',
      },
      { name: 'DESTINATION', meaning: 'another one', required: 'to which bucket?' },
    ],
    flags: [
      { flag: '--overwrite', meaning: 'replace what differs at the destination' },
      { flag: '--force', meaning: 'copy although mounts hold sessions; only if they are gone for good' },
      json,
      ...settingsNamed('--backup-concurrency', '--storage-emulator-host', '--aws-endpoint-url'),
    ],
    load: async () => (await import('./copy.ts')).run,
  },
  {
    name: 'cost',
    group: KEYS,
    summary: 'say what hybrid mode costs a month, beside copying everything',
    synopsis: '[FLAGS]',
    operands: [],
    flags: [
      { flag: '--sessions', placeholder: 'COUNT', meaning: 'sessions', default: '1000' },
      { flag: '--messages-per-hour', placeholder: 'COUNT', meaning: 'messages of a session', default: '60' },
      { flag: '--interval', placeholder: 'TIME', meaning: 'backup interval: 90s, 5m, 1h', default: '5m' },
      { flag: '--files', placeholder: 'COUNT', meaning: 'files of a session', default: '992' },
      { flag: '--mounts', placeholder: 'COUNT', meaning: 'mounts on the bucket', default: '1' },
      {
        flag: '--provider',
        placeholder: 'NAME',
        meaning: 'whose prices',
        default: 'google',
        choices: ['google', 's3', 'r2'],
      },
      json,
    ],
    load: async () => (await import('./cost.ts')).run,
  },
  {
    name: 'doctor',
    group: HELP,
    summary: 'try out everything that a mount on DIR needs, and say what to do',
    synopsis: '[DIR] [FLAGS]',
    operands: [directory],
    flags: [json, ...settingFlags],
    load: async () => (await import('./doctor.ts')).run,
  },
  {
    name: 'keygen',
    group: KEYS,
    summary: 'make a new encryption key',
    synopsis: '[--out FILE] [--json]',
    operands: [],
    flags: [
      {
        flag: '--out',
        placeholder: 'FILE',
        meaning: 'a new file for it, readable by its owner only',
        default: 'stdout',
      },
      json,
    ],
    load: async () => (await import('./keygen.ts')).run,
  },
  {
    name: 'completion',
    group: SHELL,
    summary: 'print the completion script of a shell',
    synopsis: 'SHELL',
    operands: [
      {
        name: 'SHELL',
        meaning: 'the shell',
        required: 'which shell?',
        choices: ['bash', 'zsh', 'fish'],
      },
    ],
    flags: [],
    load: async () => (await import('./completion.ts')).run,
  },
  {
    name: 'man',
    group: SHELL,
    summary: 'print the manual page, for man -l',
    synopsis: '',
    operands: [],
    flags: [],
    load: async () => (await import('./manual.ts')).run,
  },
];
