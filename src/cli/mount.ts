/** `sessionfs mount`: serves a mount in the foreground until SIGTERM or SIGINT, or starts a daemon that does. */
import { resolve } from 'node:path';
import { filesBeside } from '../api/launch.ts';
import { type Launcher, takeLauncher } from '../api/launcher.ts';
import { requireNoHungMount } from '../api/locate.ts';
import { flagTexts } from '../api/options.ts';
import { receiveSecrets } from '../api/passed-secrets.ts';
import { loadConfig } from '../config/load.ts';
import { usage } from '../lib/errors.ts';
import { forbidCoreFiles, forbidTracing } from '../lib/process-protection.ts';
import type { Invocation } from './command.ts';
import { daemonize } from './daemonize.ts';
import { withMountOptions } from './mount-options.ts';
import { withReadOnlyCopy } from './read-only.ts';
import { serve } from './serve.ts';
import { flagsOf, readOnlyFlag } from './setting-flags.ts';

export async function run(invocation: Invocation): Promise<number> {
  const { env } = invocation;
  forbidTracing();
  forbidCoreFiles(env);
  const launcher = takeLauncher(env);
  try {
    return await mount(invocation, launcher);
  } catch (error) {
    await launcher?.failed(error);
    throw error;
  }
}

async function mount(invocation: Invocation, launcher: Launcher | undefined): Promise<number> {
  const { env } = invocation;
  const parsed = { ...invocation, given: withMountOptions(invocation.given) };
  const secrets = launcher === undefined ? parsed.secrets : await receiveSecrets();
  const flags = flagsOf(parsed);
  const config = loadConfig({ ...env, ...secrets }, flags);
  const pidFile = absolute(parsed.given.get('--pid-file'));
  const logFile = absolute(parsed.given.get('--log-file'));
  const isReadOnly = parsed.given.has(readOnlyFlag.flag);
  await requireNoHungMount(config.mountPoint);
  if (parsed.given.has('--daemonize')) {
    const files = filesBeside(config, isReadOnly);
    return daemonize({
      asJson: parsed.given.has('--json'),
      mode: config.storageType,
      mountPoint: config.mountPoint,
      flags: [...flagTexts(flags), ...(isReadOnly ? [readOnlyFlag.flag] : [])],
      ...files,
      logFile: logFile ?? files.logFile,
      logIsNamed: logFile !== undefined,
      pidFile: pidFile ?? files.pidFile,
      env,
      secrets,
    });
  }
  if (logFile !== undefined)
    throw usage('--log-file needs --daemonize: in the foreground the log goes to stderr');
  if (parsed.given.has('--json'))
    throw usage('--json needs --daemonize: in the foreground nothing is printed but the log');
  if (!isReadOnly) return serve({ config, secrets, pidFile, launcher });
  return withReadOnlyCopy(config, { ...env, ...secrets }, (copy) =>
    serve({ config: copy, secrets, pidFile, launcher }),
  );
}

function absolute(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path);
}
