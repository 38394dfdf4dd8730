/** One JSON object a line on stderr. Keys never get here; should one, it is redacted by its name. */
import {
  type DestinationStream,
  destination as openDestination,
  type Logger as PinoLogger,
  pino,
  stdTimeFunctions,
} from 'pino';
import type { LogLevel } from '../config/load.ts';

export type Logger = PinoLogger;

/** What a thread without a logger of its own posts to the main thread, as structured-cloneable data. */
export interface LogRecord {
  readonly level: Exclude<LogLevel, 'silent'>;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const STDERR = 2;
const SECRET_NAMES = ['key', 'encryptionKey'];
/** pino's wildcard is one level deep; nothing is logged deeper than this. */
const DEPTH_MAX = 4;

export interface LoggerOptions {
  level: LogLevel;
  /** stderr unless given. */
  destination?: DestinationStream;
}

/** Lines are written before the call returns, so that a process that dies has said why. */
export function createLogger({ level, destination }: LoggerOptions): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretPaths(), censor: '[redacted]' },
    },
    destination ?? openDestination({ fd: STDERR, sync: true }),
  );
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
