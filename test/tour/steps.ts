/** What the tour of README.md shows, in order. `npm run tour` runs it for real and records it. */
export interface Step {
  /** Shown before it, as a comment. */
  readonly say?: string;
  /** For bash, in the bot's folder. */
  readonly command: string;
  /** What its processes must have said, since it began, before the next command is typed. */
  readonly until?: RegExp;
}

const STATUS = 'sessionfs status sessions';
const BUSY = /identity [0-9a-f]+\n(bot: message \d+\n){2}/;

export const steps: readonly Step[] = [
  {
    say: 'A bot on unmodified Baileys. Its folder is a mount that is backed up to a bucket.',
    command: 'cat settings.env',
  },
  { command: 'mkdir sessions && sessionfs mount ./sessions --daemonize' },
  { command: 'node bot.js &', until: BUSY },
  { say: '1. kill -9 the bot while it writes, and start it again.', command: 'kill -9 $!' },
  { command: 'node bot.js &', until: BUSY },
  {
    say: '2. kill -9 the daemon. The mount stays; the bot does not notice.',
    command: `kill -9 $(${STATUS} | awk '/^daemon/ { print $2 }')`,
    until: /(bot: message \d+\n){2}/,
  },
  { command: `${STATUS} | grep -E '^(mode|daemon|restarts|files)'` },
  {
    say: '3. Lose the machine: all processes, the mount and the disk.',
    command: `kill -9 $! $(${STATUS} | awk '/^(supervisor|daemon)/ { print $2 }')`,
  },
  { command: 'umount -l sessions; rm -rf sessions*; ls' },
  {
    say: 'A new machine with the same bucket and key. The session lives: the same identity.',
    command: 'mkdir sessions && sessionfs mount ./sessions --daemonize',
  },
  { command: 'node bot.js &', until: BUSY },
  { command: 'kill $!; sessionfs unmount ./sessions' },
];

/** A mount that died is waited for; the times are short, so that the tour is. */
export const settings = `SESSION_STORAGE_TYPE=hybrid
STORAGE_BUCKET=gs://tour-sessions
SESSION_ENCRYPTION_KEY_FILE=key
# Another machine takes over after 5 s of silence, not 90 s, for this recording.
SESSION_LEASE_LOOK_INTERVAL=1000 SESSION_LEASE_PERMISSION=3000 SESSION_LEASE_TAKEOVER=5000
`;

export const LABEL =
  'A terminal: the bot, the daemon and the machine are killed one after the other, and the bot logs in with the same identity each time';
