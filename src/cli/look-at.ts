/** What the commands that look at cache and bucket have in common. */
import { type Config, loadConfig } from '../config/load.ts';
import type { Source } from '../kit/export/export-session.ts';
import type { Invocation } from './command.ts';
import { mountPointsOf, type NamedPath, pathNamed } from './named-session.ts';
import { flagsOf } from './setting-flags.ts';

export interface Looked extends Pick<NamedPath, 'session' | 'file'> {
  readonly config: Config;
  /** With the keys. */
  readonly env: NodeJS.ProcessEnv;
  readonly from: Source;
}

/** Throws USAGE, CONFIG_INVALID. */
export function lookAt({ directory: named, given, env: inherited, secrets }: Invocation): Looked {
  const env = { ...inherited, ...secrets };
  const { mountPoint, session, file } = pathNamed(named, mountPointsOf(env));
  const config = loadConfig(env, flagsOf({ given, directory: mountPoint }));
  return { config, env, session, file, from: given.get('--from') as Source };
}
