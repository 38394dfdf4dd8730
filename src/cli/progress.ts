/** A bar for what takes more than a moment, on a terminal's stderr; nothing anywhere else. */

export interface Progress {
  update(done: number, total: number): void;
  stop(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const SILENT: Progress = { update: () => {}, stop: () => {} };

export async function startProgress(what: string): Promise<Progress> {
  if (process.stderr.isTTY !== true) return SILENT;
  const { default: progress } = await import('cli-progress');
  const bar = new progress.SingleBar(
    {
      format: `{bar} {value}/{total} ${what}, {eta_formatted} left`,
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
      // Its own handlers would take the signal, and let the process go on.
      gracefulExit: false,
    },
    progress.Presets.shades_classic,
  );
  // Shows the cursor again, then ends the process, unless the command has something to do first.
  const end = (signal: NodeJS.Signals) => {
    stop();
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };
  const stop = () => {
    for (const signal of SIGNALS) process.removeListener(signal, end);
    bar.stop();
  };
  for (const signal of SIGNALS) process.on(signal, end);
  let isStarted = false;
  return {
    update: (done, total) => {
      if (!isStarted) bar.start(total, done);
      isStarted = true;
      bar.update(done);
    },
    stop,
  };
}
