/** A key that a command prints, such as one of a secret manager. */
import { spawnSync } from 'node:child_process';
import { SessionfsError } from '../lib/errors.ts';
import { parseKeyHex } from './keyring.ts';

const TIMEOUT_MS = 60_000;
/** A key is 65 bytes; a command that prints far more prints something else. */
const OUTPUT_MAX = 4096;

/**
 * The raw key, which the caller owns. What the command says on stderr is not shown: it may name the key. Throws KEY_MISSING,
 * KEY_MALFORMED.
 */
export function readKeyFromCommand(command: string): Buffer {
  const { status, signal, error, stdout } = spawnSync('/bin/sh', ['-c', command], {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: OUTPUT_MAX,
  });
  try {
    if (error === undefined && status === 0)
      return parseKeyHex(stdout.toString('latin1').trim(), 'the output of the key command');
  } finally {
    stdout?.fill(0);
  }
  throw new SessionfsError('KEY_MISSING', `the key command ${endOf(status, signal, error)}`, {
    hint: 'Run it by hand, as the user and with the environment of the mount: it must print one line of 64 hex digits.',
  });
}

function endOf(status: number | null, signal: NodeJS.Signals | null, error: Error | undefined): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ETIMEDOUT') return `did not end within ${TIMEOUT_MS / 1000} s`;
  if (code === 'ENOBUFS') return 'printed more than a key';
  if (error !== undefined) return `could not be started (${code})`;
  return signal === null ? `ended with status ${status}` : `was ended by ${signal}`;
}
