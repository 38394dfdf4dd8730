/** `--read-only`: a mount of a copy, which goes with it. */
import { rmSync } from 'node:fs';
import type { Config } from '../config/load.ts';
import { copyForReading, makeCopyFolder } from '../kit/read-only-copy.ts';
import { warn } from './command.ts';
import { startProgress } from './progress.ts';
import { onStopSignal } from './stop-signals.ts';

const SHOWN = 5;

/** Makes the copy for `use`, and removes it, also when a signal ends this process meanwhile. Throws as makeCopyFolder and copyForReading do. */
export async function withReadOnlyCopy<T>(
  config: Config,
  env: NodeJS.ProcessEnv,
  use: (config: Config) => Promise<T>,
): Promise<T> {
  const folder = makeCopyFolder();
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    return await use(await untilSignal(remove, () => copy(config, env, folder)));
  } finally {
    remove();
  }
}

async function copy(config: Config, env: NodeJS.ProcessEnv, folder: string): Promise<Config> {
  const bar = await startProgress('files');
  const copied = await copyForReading(config, env, folder, bar.update).finally(bar.stop);
  const { unsettled } = copied;
  if (unsettled.length > 0)
    warn(
      `${unsettled.length} sessions changed while they were read, so that their files may not fit together: ${unsettled.slice(0, SHOWN).join(', ')}`,
    );
  return copied.config;
}

async function untilSignal<T>(remove: () => void, work: () => Promise<T>): Promise<T> {
  const off = onStopSignal((signal) => {
    off();
    remove();
    process.kill(process.pid, signal);
  });
  try {
    return await work();
  } finally {
    off();
  }
}
