/** What a command has to take back before a signal ends it. */
import { onStopSignal } from './stop-signals.ts';

/** A signal ends the command when nothing is left to be taken back. */
export async function shield<T>(work: (stop: AbortSignal) => Promise<T>): Promise<T> {
  const stopped = new AbortController();
  const off = onStopSignal((signal) => stopped.abort(signal));
  try {
    return await work(stopped.signal);
  } finally {
    off();
    if (stopped.signal.aborted) process.kill(process.pid, stopped.signal.reason);
  }
}
