import type { Logger } from '../observe/log.ts';

/** SIGHUP: the terminal of a mount in the foreground is gone. */
export type StopSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP';

/** Resolves with the first of the signals. Later ones end nothing: what is not flushed yet would stay behind. */
export function firstStopSignal(
  log: Pick<Logger, 'info'>,
  from: NodeJS.EventEmitter = process,
): Promise<StopSignal> {
  return new Promise((resolve) => {
    let stopping = false;
    const onSignal = (signal: StopSignal) => {
      if (stopping) log.info({ signal }, 'still finishing, nothing is lost by waiting');
      stopping = true;
      resolve(signal);
    };
    from.on('SIGTERM', onSignal).on('SIGINT', onSignal).on('SIGHUP', onSignal);
  });
}
