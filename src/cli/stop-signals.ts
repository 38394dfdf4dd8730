import { closeSync, constants, openSync } from 'node:fs';
import type { Logger } from '../observe/log.ts';

/** Those that end a command. */
const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

export type StopSignal = (typeof STOP_SIGNALS)[number];

/** Until the function that it returns is called, such a signal does what `listener` does, and nothing else. */
export function onStopSignal(listener: (signal: NodeJS.Signals) => void): () => void {
  for (const signal of STOP_SIGNALS) process.on(signal, listener);
  return () => {
    for (const signal of STOP_SIGNALS) process.off(signal, listener);
  };
}

/** SIGHUP: the terminal of a mount in the foreground is gone. Without a terminal it is asked to open its log anew. */
export function stopSignals(hasTerminal = hasControllingTerminal()): StopSignal[] {
  return hasTerminal ? [...STOP_SIGNALS] : ['SIGTERM', 'SIGINT'];
}

function hasControllingTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', constants.O_RDWR | constants.O_NOCTTY));
    return true;
  } catch {
    return false;
  }
}

/** Resolves with the first of `signals`. Later ones end nothing: what is not flushed yet would stay behind. */
export function firstStopSignal(
  log: Pick<Logger, 'info'>,
  signals: readonly StopSignal[],
  from: NodeJS.EventEmitter = process,
): Promise<StopSignal> {
  return new Promise((resolve) => {
    let stopping = false;
    const onSignal = (signal: StopSignal) => {
      if (stopping) log.info({ signal }, 'still finishing, nothing is lost by waiting');
      stopping = true;
      resolve(signal);
    };
    for (const signal of signals) from.on(signal, onSignal);
  });
}
