/**
 * What other commands can learn of a mount while no daemon serves it: a small file outside of the mount, named by its device,
 * there only as long as the supervisor is replacing a dead daemon. It is believed only if its owner is root or the asking
 * user. Where it cannot be written, `status` says less, and nothing else changes.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseProcessStat } from '../lib/process-stat.ts';
import { logOutput } from '../observe/log-output.ts';

export interface RestartState {
  mountPoint: string;
  /** Daemons that have died since one last served the mount. */
  deaths: number;
  /** When the first of them died, ISO 8601. */
  since: string;
  /** Where supervisor and daemons log. */
  log: string;
  supervisor: { pid: number; startTime: string };
}

const FOLDER = 'sessionfs';
const STATE_BYTES_MAX = 64 * 1024;

/** Where they are written and looked for, the one that may be written to first. */
export function noticeDirectories(
  env: NodeJS.ProcessEnv = process.env,
  uid: number | undefined = process.geteuid?.(),
): string[] {
  const own = env.XDG_RUNTIME_DIR;
  const user = own?.startsWith('/') === true ? [join(own, FOLDER)] : [];
  const system = join('/run', FOLDER);
  return uid === 0 ? [system, ...user] : [...user, system];
}

/** One mount's file. Nothing here throws. */
export class RestartNotice {
  readonly #mountPoint: string;
  readonly #directories: readonly string[];
  #deaths = 0;
  #since = '';
  #path: string | undefined;

  constructor(mountPoint: string, directories: readonly string[] = noticeDirectories()) {
    this.#mountPoint = mountPoint;
    this.#directories = directories;
  }

  /** A daemon has died and is going to be replaced. `device`: the mount's, as `major:minor`. */
  daemonDied(device: string | undefined): void {
    if (this.#deaths++ === 0) this.#since = new Date().toISOString();
    if (device === undefined) return;
    const state: RestartState = {
      mountPoint: this.#mountPoint,
      deaths: this.#deaths,
      since: this.#since,
      log: logDestination(),
      supervisor: { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' },
    };
    for (const directory of this.#directories) {
      const path = join(directory, fileName(device));
      if (!write(directory, path, JSON.stringify(state))) continue;
      if (this.#path !== undefined && this.#path !== path) rmSync(this.#path, { force: true });
      this.#path = path;
      return;
    }
  }

  /** A daemon serves the mount again, or the mount has ended. */
  clear(): void {
    this.#deaths = 0;
    try {
      if (this.#path !== undefined) rmSync(this.#path, { force: true });
    } catch {
      // Its supervisor will be gone, or newer than the file says: it is not believed.
    }
    this.#path = undefined;
  }
}

/** What the supervisor of the mount with this device says; undefined: it is not replacing a daemon, or none says so that counts. */
export function readRestartState(
  device: string,
  directories: readonly string[] = noticeDirectories(),
  uid: number | undefined = process.geteuid?.(),
): RestartState | undefined {
  for (const directory of directories) {
    const state = parse(readTrusted(join(directory, fileName(device)), uid));
    if (state !== undefined && startTimeOf(state.supervisor.pid) === state.supervisor.startTime) return state;
  }
  return undefined;
}

function fileName(device: string): string {
  return `${device.replace(/[^\w:.-]/g, '_')}.json`;
}

/** False: it could not be written there. */
function write(directory: string, path: string, text: string): boolean {
  const temporary = `${path}.${randomBytes(8).toString('hex')}`;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const { uid, mode } = lstatSync(directory);
    if (
      (mode & constants.S_IFMT) !== constants.S_IFDIR ||
      uid !== process.geteuid?.() ||
      (mode & 0o022) !== 0
    )
      return false;
    const fd = openSync(temporary, flags, 0o600);
    try {
      writeSync(fd, text);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
    return true;
  } catch {
    removeQuietly(temporary);
    return false;
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Nothing depends on it.
  }
}

/** What another user than root and the asking one wrote is not believed. */
function readTrusted(path: string, uid: number | undefined): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    const stats = fstatSync(fd);
    const isTrusted = stats.isFile() && (stats.uid === 0 || stats.uid === uid) && (stats.mode & 0o022) === 0;
    return isTrusted && stats.size <= STATE_BYTES_MAX ? readFileSync(fd, 'utf8') : undefined;
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

function parse(text: string | undefined): RestartState | undefined {
  try {
    const state = JSON.parse(text ?? '') as RestartState;
    const texts = [state.mountPoint, state.since, state.log, state.supervisor.startTime];
    const numbers = [state.deaths, state.supervisor.pid];
    return texts.every((value) => typeof value === 'string') && numbers.every(Number.isSafeInteger)
      ? state
      : undefined;
  } catch {
    return undefined;
  }
}

/** With the id it says which process is meant: ids are used again. */
function startTimeOf(pid: number): string | undefined {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.startTime;
  } catch {
    return undefined;
  }
}

/** A file that stderr goes to, or which process's stderr it is. */
function logDestination(): string {
  return logOutput.path ?? `the stderr of process ${process.pid}`;
}
