/** One JSON object a line on stderr, or lines for people on a terminal. Keys never get here; should one, it is redacted by its name. */
import { type DestinationStream, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';
import type { LogLevel } from '../config/load.ts';
import { logOutput } from './log-output.ts';

export type Logger = PinoLogger;

/** What a thread without a logger of its own posts to the main thread, as structured-cloneable data. */
export interface LogRecord {
  readonly level: Exclude<LogLevel, 'silent'>;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const SECRET_NAMES = ['key', 'encryptionKey'];
/** pino's wildcard is one level deep; nothing is logged deeper than this. */
const DEPTH_MAX = 4;

export interface LoggerOptions {
  level: LogLevel;
  /** logOutput unless given. */
  destination?: DestinationStream;
}

export function createLogger({ level, destination }: LoggerOptions): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretPaths(), censor: '[redacted]' },
    },
    destination ?? logOutput,
  );
}

/** For a SIGHUP: logrotate(8) has renamed the log file. */
export function reopenLog(log: Logger): void {
  try {
    if (logOutput.reopen()) log.info({ file: logOutput.path }, 'The log file was opened anew');
    else log.info('SIGHUP: the log is no file, and goes on');
  } catch (error) {
    log.error(
      { file: logOutput.path, error: String(error) },
      'The log file cannot be opened anew; the log goes on where it was',
    );
  }
}

/** Logs what another thread posted. */
export function writeLogRecord(log: Logger, { level, message, fields }: LogRecord): void {
  log[level](fields, message);
}

function secretPaths(): string[] {
  return Array.from({ length: DEPTH_MAX }, (_, depth) => '*.'.repeat(depth)).flatMap((prefix) =>
    SECRET_NAMES.map((name) => prefix + name),
  );
}
