/** The settings as flags of commands. */
import { type Config, type Flags, loadConfig } from '../config/load.ts';
import { type SettingName, settings } from '../config/settings.ts';
import type { Arguments, FlagSpec, Invocation } from './command.ts';

export const settingFlags: readonly FlagSpec[] = Object.values(settings)
  .filter(({ flag }) => flag?.startsWith('--'))
  .map(
    ({ flag, placeholder, meaning, variable, default: value, values }): FlagSpec => ({
      flag: flag ?? '',
      placeholder,
      meaning,
      variable,
      ...(value === undefined ? {} : { default: value }),
      ...(values === undefined ? {} : { offered: values }),
    }),
  );

/** No setting: an environment that is left over must not make a mount that keeps nothing. */
export const readOnlyFlag: FlagSpec = {
  flag: '--read-only',
  meaning:
    'show a copy of the last flush of the bucket, or of the cache without a bucket: no lease is taken, and nothing written',
};

/** For a command that has no mount: of the environment it takes only the variables of its own flags. Throws as loadConfig does. */
export function configWithoutMount({ given, env, spec }: Invocation): Config {
  const own = spec.flags.flatMap(({ variable }) =>
    variable === undefined ? [] : [[variable, env[variable]]],
  );
  return loadConfig(Object.fromEntries(own), flagsOf({ given, directory: undefined }));
}

/** `directory`: the mount point, where the command line named one. */
export function flagsOf({ given, directory }: Pick<Arguments, 'given' | 'directory'>): Flags {
  const texts = (Object.keys(settings) as SettingName[]).flatMap((name) => {
    const { flag } = settings[name];
    const text = flag === 'DIR' ? directory : given.get(flag ?? '');
    return text === undefined ? [] : [[name, text] as const];
  });
  return Object.fromEntries(texts);
}
