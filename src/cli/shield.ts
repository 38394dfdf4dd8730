/** What a command has to take back before a signal ends it. */
import { STOP_SIGNALS } from './stop-signals.ts';

/** A signal ends the command when nothing is left to be taken back. */
export async function shield<T>(work: (stop: AbortSignal) => Promise<T>): Promise<T> {
  const stopped = new AbortController();
  const stop = (signal: NodeJS.Signals) => stopped.abort(signal);
  for (const signal of STOP_SIGNALS) process.on(signal, stop);
  try {
    return await work(stopped.signal);
  } finally {
    for (const signal of STOP_SIGNALS) process.off(signal, stop);
    if (stopped.signal.aborted) process.kill(process.pid, stopped.signal.reason);
  }
}
