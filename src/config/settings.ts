/**
 * The one list of what can be configured: environment names, flags, parsers, defaults and help come from here, and the
 * tables in README.md and docs/operations.md are tested against it.
 */
import * as parse from './parsers.ts';

export type StorageType = (typeof STORAGE_TYPES)[number];
export type FuseDriver = (typeof FUSE_DRIVERS)[number];
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What each setting holds once parsed; undefined: not set, and there is no fixed default. */
export interface SettingValues {
  readonly storageType: StorageType;
  /** Absolute. */
  readonly mountPoint: string;
  /** Absolute. */
  readonly cachePath: string | undefined;
  readonly owner: parse.Owner | undefined;
  /** Permission bits. */
  readonly umask: number;
  /** 0: no backups by the clock. */
  readonly backupIntervalMs: number;
  /** Transfers to and from the bucket. */
  readonly backupConcurrency: number;
  /** For the last backup alone; what is written to the local disk is not limited by it. */
  readonly shutdownTimeoutMs: number;
  /** 0: removed sessions are gone at once. */
  readonly trashDays: number;
  readonly bucket: parse.BucketAddress | undefined;
  /** Absolute; or the name of a secret, sm://…. */
  readonly encryptionKeyFile: string | undefined;
  /** For /bin/sh. */
  readonly encryptionKeyCommand: string | undefined;
  /** A URL. */
  readonly storageEmulatorUrl: string | undefined;
  /** A URL. */
  readonly s3EndpointUrl: string | undefined;
  readonly fuseDriver: FuseDriver;
  readonly httpAddress: parse.HttpAddress | undefined;
  /** Absolute. */
  readonly httpTokenFile: string | undefined;
  readonly logLevel: LogLevel;
  readonly maxFileSizeBytes: number;
  readonly memoryLimitBytes: number;
  /** Cloud mode: sealed, as in the bucket. */
  readonly cloudMemoryLimitBytes: number;
  /** Cloud mode; 0: a caller waits for as long as it takes. */
  readonly storeTimeoutMs: number;
  readonly credentialsTimeoutMs: number;
  readonly leaseLookIntervalMs: number;
  readonly leasePermissionMs: number;
  readonly leaseTakeOverMs: number;
  readonly leasePollMs: number;
  /** 0: for as long as the other mount lives. */
  readonly leaseWaitLimitMs: number;
}

export type SettingName = keyof SettingValues;

/** A line of the configuration table. */
export interface Described {
  readonly variable: string;
  /** The flag with its dashes, or DIR for the argument; undefined: environment only. */
  readonly flag: string | undefined;
  /** As a user would type it; undefined: nothing is assumed, and `meaning` says what then. */
  readonly default: string | undefined;
  readonly meaning: string;
}

export interface Setting<T> extends Described {
  /** What stands for the value in the help. */
  readonly placeholder: string;
  /** Throws Refusal. */
  readonly parse: (text: string) => T;
  /** What a shell offers for the value; `meaning` has them in words. */
  readonly values?: readonly string[];
}

const STORAGE_TYPES = ['local', 'hybrid', 'cloud'] as const;
const FUSE_DRIVERS = ['auto', 'direct', 'fuse-native'] as const;
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** The largest delay that a timer takes, 24.8 days. */
const TIMER_MAX_MS = 2 ** 31 - 1;
/** A file is sealed and opened whole, in memory. */
export const FILE_SIZE_LIMIT_BYTES = 2 ** 30;

export const settings: { readonly [Name in SettingName]: Setting<SettingValues[Name]> } = {
  storageType: {
    variable: 'SESSION_STORAGE_TYPE',
    flag: '--storage-type',
    placeholder: 'TYPE',
    parse: parse.choice(...STORAGE_TYPES),
    values: STORAGE_TYPES,
    default: 'local',
    meaning: 'where sessions are kept: local, hybrid or cloud',
  },
  mountPoint: {
    variable: 'SESSION_STORAGE_PATH',
    flag: 'DIR',
    placeholder: 'DIR',
    parse: parse.path,
    default: './sessions',
    meaning: 'the mount point: the folder in which applications see the sessions',
  },
  cachePath: {
    variable: 'SESSION_CACHE_PATH',
    flag: '--cache-path',
    placeholder: 'DIR',
    parse: parse.path,
    default: undefined,
    meaning:
      'folder of the journal and the encrypted files; default: the mount point with `.sealed` appended; for root below `/var/lib/sessionfs` where another user could change that',
  },
  owner: {
    variable: 'SESSION_OWNER',
    flag: '--owner',
    placeholder: 'UID:GID',
    parse: parse.owner,
    default: undefined,
    meaning: 'owner of the mount and its sessions; default: the owner of the mount point',
  },
  umask: {
    variable: 'SESSION_UMASK',
    flag: '--umask',
    placeholder: 'OCTAL',
    parse: parse.umask,
    default: '077',
    meaning:
      'permission bits that new files and folders never get, beside those of the umask of the application; 022 gives what other filesystems give',
  },
  backupIntervalMs: {
    variable: 'SESSION_BACKUP_INTERVAL',
    flag: '--backup-interval',
    placeholder: 'MS',
    parse: parse.integer(0, TIMER_MAX_MS, 'milliseconds'),
    default: '300000',
    meaning: 'backup interval, in ms; 0 turns scheduled backups off',
  },
  backupConcurrency: {
    variable: 'SESSION_BACKUP_CONCURRENCY',
    flag: '--backup-concurrency',
    placeholder: 'COUNT',
    parse: parse.integer(1, 256, 'transfers'),
    default: '16',
    meaning: 'number of uploads and downloads that run at a time',
  },
  shutdownTimeoutMs: {
    variable: 'SESSION_SHUTDOWN_TIMEOUT',
    flag: '--shutdown-timeout',
    placeholder: 'MS',
    parse: parse.integer(0, TIMER_MAX_MS, 'milliseconds'),
    default: '25000',
    meaning: 'time limit of the final backup when the mount stops, in ms',
  },
  trashDays: {
    variable: 'SESSION_TRASH_DAYS',
    flag: '--trash-days',
    placeholder: 'DAYS',
    parse: parse.integer(0, 365, 'days'),
    default: '7',
    meaning: 'for how many days a removed session can be brought back; 0: not at all',
  },
  bucket: {
    variable: 'STORAGE_BUCKET',
    flag: '--bucket',
    placeholder: 'BUCKET',
    parse: parse.bucket,
    default: undefined,
    meaning:
      'bucket of hybrid and cloud mode, required there: a name, gs://NAME, s3://NAME or file:///DIRECTORY',
  },
  encryptionKeyFile: {
    variable: 'SESSION_ENCRYPTION_KEY_FILE',
    flag: '--encryption-key-file',
    placeholder: 'FILE',
    parse: parse.keyFilePath,
    default: undefined,
    meaning:
      'file that holds the encryption key, 64 hex digits, or sm://projects/PROJECT/secrets/SECRET/versions/VERSION of Google Secret Manager; local mode creates one on first use if no key is set',
  },
  encryptionKeyCommand: {
    variable: 'SESSION_ENCRYPTION_KEY_COMMAND',
    flag: '--key-command',
    placeholder: 'COMMAND',
    parse: parse.keyCommand,
    default: undefined,
    meaning:
      'command whose output is the encryption key, 64 hex digits, such as one of a secret manager; it runs at each start',
  },
  storageEmulatorUrl: {
    variable: 'STORAGE_EMULATOR_HOST',
    flag: '--storage-emulator-host',
    placeholder: 'URL',
    parse: parse.emulatorHost,
    default: undefined,
    meaning: 'URL of a Google Cloud Storage emulator, for tests; default: Google itself',
  },
  s3EndpointUrl: {
    variable: 'AWS_ENDPOINT_URL',
    flag: '--aws-endpoint-url',
    placeholder: 'URL',
    parse: parse.endpointUrl,
    default: undefined,
    meaning: 'URL of the S3 server of a bucket s3://NAME, such as MinIO or Cloudflare R2; default: Amazon S3',
  },
  fuseDriver: {
    variable: 'SESSION_FUSE_DRIVER',
    flag: '--fuse-driver',
    placeholder: 'DRIVER',
    parse: parse.choice(...FUSE_DRIVERS),
    values: FUSE_DRIVERS,
    default: 'auto',
    meaning: 'how the filesystem reaches the kernel: auto, direct or fuse-native',
  },
  httpAddress: {
    variable: 'SESSION_HTTP_ADDRESS',
    flag: '--http-address',
    placeholder: 'HOST:PORT',
    parse: parse.httpAddress,
    default: undefined,
    meaning: 'address that serves the status page, health and metrics; default: none',
  },
  httpTokenFile: {
    variable: 'SESSION_HTTP_TOKEN_FILE',
    flag: '--http-token-file',
    placeholder: 'FILE',
    parse: parse.tokenFilePath,
    default: undefined,
    meaning:
      'file that holds the token of the status page; without one the page is there on a loopback address only',
  },
  logLevel: {
    variable: 'LOG_LEVEL',
    flag: '--log-level',
    placeholder: 'LEVEL',
    parse: parse.choice(...LOG_LEVELS),
    values: LOG_LEVELS,
    default: 'info',
    meaning: 'lowest level that is logged: trace, debug, info, warn, error, fatal or silent',
  },
  maxFileSizeBytes: {
    variable: 'SESSION_MAX_FILE_SIZE',
    flag: '--max-file-size',
    placeholder: 'BYTES',
    parse: parse.integer(4096, FILE_SIZE_LIMIT_BYTES, 'bytes'),
    default: '67108864',
    meaning: 'largest file, in bytes; writes beyond it fail with EFBIG',
  },
  memoryLimitBytes: {
    variable: 'SESSION_MEMORY_LIMIT',
    flag: '--memory-limit',
    placeholder: 'BYTES',
    parse: parse.integer(65536, Number.MAX_SAFE_INTEGER, 'bytes'),
    default: '67108864',
    meaning: 'memory for decrypted file contents, in bytes',
  },
  cloudMemoryLimitBytes: {
    variable: 'SESSION_CLOUD_MEMORY_LIMIT',
    flag: '--cloud-memory-limit',
    placeholder: 'BYTES',
    parse: parse.integer(1024 * 1024, Number.MAX_SAFE_INTEGER, 'bytes'),
    default: '268435456',
    meaning:
      'cloud mode: memory for encrypted sessions, in bytes; the least recently used session is evicted first',
  },
  storeTimeoutMs: {
    variable: 'SESSION_STORE_TIMEOUT',
    flag: '--store-timeout',
    placeholder: 'MS',
    parse: parse.integer(0, TIMER_MAX_MS, 'milliseconds'),
    default: '120000',
    meaning:
      'cloud mode: how long a change waits for the bucket before it fails with EIO, in ms; 0: no limit',
  },
  credentialsTimeoutMs: {
    variable: 'SESSION_CREDS_STORE_TIMEOUT',
    flag: '--creds-store-timeout',
    placeholder: 'MS',
    parse: parse.integer(0, TIMER_MAX_MS, 'milliseconds'),
    default: '0',
    meaning: 'cloud mode: the same limit for creds.json, in ms; 0: no limit',
  },
  leaseLookIntervalMs: {
    variable: 'SESSION_LEASE_LOOK_INTERVAL',
    flag: '--lease-look-interval',
    placeholder: 'MS',
    parse: parse.integer(100, TIMER_MAX_MS, 'milliseconds'),
    default: '30000',
    meaning:
      'lease poll interval of a mount that holds sessions, in ms; each poll is one read and renews the lease',
  },
  leasePermissionMs: {
    variable: 'SESSION_LEASE_PERMISSION',
    flag: '--lease-permission',
    placeholder: 'MS',
    parse: parse.integer(150, TIMER_MAX_MS, 'milliseconds'),
    default: '60000',
    meaning: 'how long one renewal permits uploads, in ms',
  },
  leaseTakeOverMs: {
    variable: 'SESSION_LEASE_TAKEOVER',
    flag: '--lease-takeover',
    placeholder: 'MS',
    parse: parse.integer(200, TIMER_MAX_MS, 'milliseconds'),
    default: '90000',
    meaning: 'how long a holder must stay silent before another mount takes its sessions over, in ms',
  },
  leasePollMs: {
    variable: 'SESSION_LEASE_POLL',
    flag: '--lease-poll',
    placeholder: 'MS',
    parse: parse.integer(10, TIMER_MAX_MS, 'milliseconds'),
    default: '2000',
    meaning: 'lease poll interval of a mount that waits for a session, in ms',
  },
  leaseWaitLimitMs: {
    variable: 'SESSION_LEASE_WAIT_LIMIT',
    flag: '--lease-wait-limit',
    placeholder: 'MS',
    parse: parse.integer(0, TIMER_MAX_MS, 'milliseconds'),
    default: '0',
    meaning:
      'how long a call waits for a session of another mount before it fails with EBUSY, in ms; 0: no limit',
  },
};

/** Keys and tokens are no settings: no Config that could be printed holds one. */
const secretVariables: readonly Described[] = [
  {
    variable: 'SESSION_ENCRYPTION_KEY',
    flag: undefined,
    default: undefined,
    meaning: 'encryption key, 64 hex digits; hybrid and cloud mode require it, its file or its command',
  },
  {
    variable: 'SESSION_ENCRYPTION_KEYS_PREVIOUS',
    flag: undefined,
    default: undefined,
    meaning: 'earlier keys, separated by commas; they still open the files that they sealed',
  },
  {
    variable: 'SESSION_HTTP_TOKEN',
    flag: undefined,
    default: undefined,
    meaning: 'token of the status page, of at least 16 characters, in place of its file',
  },
];

/** Every line of the table, in the order of the documentation. */
export const configurationTable: readonly Described[] = [...Object.values(settings), ...secretVariables];
