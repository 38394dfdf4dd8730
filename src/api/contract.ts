/** The types of the library, docs/api.md. The declarations of the package are made of this file, so it imports nothing. */

/**
 * An option that is left out, or undefined, is taken from its environment variable, and then has the default of the table in
 * docs/operations.md. Times are in milliseconds, sizes in bytes.
 */
export interface MountOptions {
  /** The mount point, `./sessions` by default: an existing folder, in which applications see the sessions. */
  readonly folder?: string | undefined;
  readonly storageType?: 'local' | 'hybrid' | 'cloud' | undefined;
  /** Folder of the journal and the encrypted files; by default the mount point with `.sealed` appended. */
  readonly cachePath?: string | undefined;
  /** UID:GID, two numbers. */
  readonly owner?: string | undefined;
  /** Octal, as umask(1) takes it: '077'. A number is taken as it is: 0o077. */
  readonly umask?: string | number | undefined;
  readonly backupInterval?: number | undefined;
  readonly backupConcurrency?: number | undefined;
  readonly shutdownTimeout?: number | undefined;
  readonly trashDays?: number | undefined;
  /** A name, gs://NAME, s3://NAME or file:///DIRECTORY. */
  readonly bucket?: string | undefined;
  readonly encryptionKeyFile?: string | undefined;
  /** Its output is the encryption key. */
  readonly keyCommand?: string | undefined;
  readonly storageEmulatorHost?: string | undefined;
  readonly awsEndpointUrl?: string | undefined;
  readonly fuseDriver?: 'auto' | 'direct' | 'fuse-native' | undefined;
  /** HOST:PORT, for health and metrics. */
  readonly httpAddress?: string | undefined;
  readonly httpTokenFile?: string | undefined;
  readonly logLevel?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent' | undefined;
  readonly maxFileSize?: number | undefined;
  readonly memoryLimit?: number | undefined;
  readonly cloudMemoryLimit?: number | undefined;
  readonly storeTimeout?: number | undefined;
  readonly credsStoreTimeout?: number | undefined;
  readonly leaseLookInterval?: number | undefined;
  readonly leasePermission?: number | undefined;
  readonly leaseTakeover?: number | undefined;
  readonly leasePoll?: number | undefined;
  readonly leaseWaitLimit?: number | undefined;
  /** 64 hex digits; no child process and no command line gets to see it. */
  readonly encryptionKey?: string | undefined;
  /** They still open the files that they sealed. */
  readonly encryptionKeysPrevious?: readonly string[] | undefined;
  /** Shows a copy of the bucket or the cache, beside the mount that holds the sessions: no lease is taken, nothing can be changed. */
  readonly readOnly?: boolean | undefined;
  /** By default the cache's name with `.log` appended. */
  readonly logFile?: string | undefined;
  /** Gives up a start that has not ended yet. */
  readonly signal?: AbortSignal | undefined;
}

export interface UnmountOptions {
  /** Ends the processes of a mount that hangs, without a flush. What was written is in the cache, and the next mount has it. */
  readonly force?: boolean | undefined;
  /** In ms, 60,000 by default; 0: no limit. The mount goes on ending when it is over. */
  readonly timeout?: number | undefined;
}

export interface Mount {
  /** The mount point, absolute. */
  readonly folder: string;
  /** The process that keeps the mount; it outlives this one. */
  readonly pid: number;
  /** The mount was there before: this call has started none. */
  readonly attached: boolean;
  /** What the start has to say to people: whole sentences. */
  readonly notices: readonly string[];
  status(): Promise<MountStatus>;
  /** Resolves when everything, or one session, is in the bucket. */
  flush(session?: string): Promise<MountStatus>;
  /** Flushes and unmounts; resolves when the processes have ended. */
  unmount(options?: UnmountOptions): Promise<void>;
  /** As `unmount()`; a mount that is gone already is no error. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What `.sessionfs/status.json` says: at least this. A newer daemon may say more. */
export interface MountStatus {
  readonly version: string;
  readonly mountPoint: string;
  readonly mode: string;
  readonly driver: string;
  /** `supervisor`: whom to signal. */
  readonly pids: { readonly supervisor: number; readonly daemon: number };
  /** The mount changes nothing, and shows a copy of this bucket or cache, made then; absent elsewhere. */
  readonly readOnly?: { readonly source: string; readonly copiedAt: string };
  /** How often a daemon of this mount died and was replaced. */
  readonly restarts: number;
  readonly sessions: number;
  readonly files: number;
  readonly dirty: number;
  /** Incomplete JSON that readers do not see; absent in versions before. */
  readonly heldBack?: {
    readonly files: number;
    /** Not all of them. */
    readonly longest: readonly { readonly file: string; readonly bytes: number; readonly since: string }[];
  };
  /** Incomplete JSON that did not become a version, the last ones; absent in versions before. */
  readonly incomplete?: readonly {
    readonly outcome: 'given-up' | 'rename-refused';
    readonly file: string;
    readonly from?: string;
    readonly bytes: number;
    readonly at: string;
  }[];
  /** Sessions whose registered credentials others took the place of, and that are not registered again; absent in versions before. */
  readonly startedOver?: readonly { readonly session: string; readonly keptAs: string }[];
  /** Sessions whose registered credentials were removed and that have other files; absent in versions before. */
  readonly lostCredentials?: readonly { readonly session: string; readonly keptAs: string }[];
  /** Sessions that two living processes write in turns; absent in versions before. */
  readonly sharedSessions?: readonly {
    readonly session: string;
    readonly processes: readonly { readonly pid: number; readonly command: string }[];
    readonly since: string;
  }[];
  /** Absent in local mode. */
  readonly backups?: readonly {
    readonly session: string;
    readonly dirty: number;
    readonly state?: string;
    readonly files?: number;
    readonly lastBackupAt?: string;
    readonly lastError?: string;
    /** Of the lease, where this mount holds it. */
    readonly epoch?: number;
    /** The mount that holds it, where a call waits for that. */
    readonly holder?: string;
    readonly trouble?: {
      readonly error: string;
      readonly hint?: string;
      readonly since: string;
      readonly waits: 'calls' | 'backup';
    };
  }[];
  /** Absent in local mode. */
  readonly bucket?: {
    readonly trouble?: { readonly summary: string; readonly error: string; readonly hint?: string };
  };
  /** Where the sealed files lie; `memory` in cloud mode. */
  readonly cachePath?: string;
}
