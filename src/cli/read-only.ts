/** `--read-only`: a mount of a copy, which goes with it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Launcher } from '../api/launcher.ts';
import type { Config } from '../config/load.ts';
import { copyForReading } from '../kit/read-only-copy.ts';
import { warn } from './command.ts';
import { startProgress } from './progress.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const SHOWN = 5;

/** Makes the copy for `use`, and removes it, also when a signal ends this process meanwhile. Throws as copyForReading does. */
export async function withReadOnlyCopy<T>(
  config: Config,
  env: NodeJS.ProcessEnv,
  launcher: Launcher | undefined,
  use: (config: Config) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'sessionfs-read-only-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const copied = await untilSignal(remove, () => copy(config, env, folder)).catch(
      async (error: unknown) => {
        await launcher?.failed(error);
        throw error;
      },
    );
    return await use(copied);
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
  const end = (signal: NodeJS.Signals) => {
    off();
    remove();
    process.kill(process.pid, signal);
  };
  const off = () => {
    for (const signal of SIGNALS) process.removeListener(signal, end);
  };
  for (const signal of SIGNALS) process.on(signal, end);
  try {
    return await work();
  } finally {
    off();
  }
}
