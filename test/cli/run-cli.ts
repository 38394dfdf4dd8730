import { spawnSync } from 'node:child_process';
import { cliMain } from '../support/cli-main.ts';
import { cleanEnvironment } from '../support/environment.ts';

export interface CliResult {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `sessionfs ARGS` to its end, with no settings but those in `env`. The time limit only guards against a hang. */
export function runCli(args: readonly string[], env: Record<string, string> = {}, cwd?: string): CliResult {
  const options = { env: cleanEnvironment(env), encoding: 'utf8', timeout: 60_000, cwd } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [cliMain, ...args], options);
  return { status, stdout, stderr };
}
