/** Where the log of this process goes: standard error, until a log file that it leads to is to be opened anew. */
import { closeSync, constants, fstatSync, openSync, readlinkSync } from 'node:fs';
import { isatty } from 'node:tty';
import { type DestinationStream, destination as openDestination } from 'pino';
import { requirePrivatePath } from '../lib/private-path.ts';
import { humanLine } from './human-line.ts';

const STDERR = 2;
const FILE_MODE = 0o600;
/** The path has no links: one that is there meanwhile was put there to have root write elsewhere. */
const REOPEN_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
/** What a terminal that is gone does not take is kept up to here, then dropped. */
const KEPT_BYTES = 1 << 20;

export class LogOutput implements DestinationStream {
  readonly #isTerminal: boolean;
  #path: string | undefined;
  #fd: number;
  #sink: DestinationStream;

  constructor(fd = STDERR) {
    this.#fd = fd;
    this.#isTerminal = isatty(fd);
    this.#path = fileOf(fd);
    this.#sink = sinkOf(fd);
  }

  /** Absolute; undefined: a terminal, a pipe, a system without /proc. */
  get path(): string | undefined {
    return this.#path;
  }

  /** For processes that are to log to the same place. */
  get fd(): number {
    return this.#fd;
  }

  /** The process that started this one knows the path better: the file may have been renamed meanwhile. */
  named(path: string | undefined): void {
    this.#path = path ?? this.#path;
  }

  /** One JSON object a line; on a terminal, lines for people. */
  write(line: string): void {
    this.#sink.write(this.#isTerminal ? humanLine(line, hasColors(process.env)) : line);
  }

  /** After the file was renamed: goes on in a new one of its name. False: it is no file. Throws system errors, and UNSAFE_PATH; then it goes on as before. */
  reopen(): boolean {
    if (this.#path === undefined) return false;
    requirePrivatePath(this.#path, 'the log', '--log-file');
    const fd = openSync(this.#path, REOPEN_FLAGS, FILE_MODE);
    const before = this.#fd;
    this.#fd = fd;
    this.#sink = sinkOf(fd);
    // What a dying process says of itself goes to standard error, whatever that is.
    if (before !== STDERR) closeSync(before);
    return true;
  }
}

/** The one of this process. */
export const logOutput = new LogOutput();

/** Lines are written before the call returns, so that a process that dies has said why. */
function sinkOf(fd: number): DestinationStream {
  const sink = openDestination({ fd, sync: true, maxLength: KEPT_BYTES });
  // A terminal that is gone, a full disk: no reason to end the mount.
  sink.on('error', () => {});
  return sink;
}

function fileOf(fd: number): string | undefined {
  try {
    return fstatSync(fd).isFile() ? readlinkSync(`/proc/self/fd/${fd}`) : undefined;
  } catch {
    return undefined;
  }
}

/** See https://no-color.org. */
function hasColors({ NO_COLOR, TERM }: NodeJS.ProcessEnv): boolean {
  return !NO_COLOR && TERM !== 'dumb';
}
