/** The settings as flags of the commands that mount. */
import type { Flags } from '../config/load.ts';
import { type SettingName, settings } from '../config/settings.ts';
import type { Arguments, FlagSpec } from './arguments.ts';

export const settingFlags: readonly FlagSpec[] = Object.values(settings)
  .filter(({ flag }) => flag?.startsWith('--'))
  .map(
    ({ flag, placeholder, meaning, variable }): FlagSpec => ({
      flag: flag ?? '',
      placeholder,
      meaning: `${meaning} (${variable})`,
    }),
  );

export function flagsOf({ given, directory }: Arguments): Flags {
  const texts = (Object.keys(settings) as SettingName[]).flatMap((name) => {
    const { flag } = settings[name];
    const text = flag === 'DIR' ? directory : given.get(flag ?? '');
    return text === undefined ? [] : [[name, text] as const];
  });
  return Object.fromEntries(texts);
}
