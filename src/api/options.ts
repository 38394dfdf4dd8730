/** From the options of `mount()` to a configuration and a command line. */
import { type Config, type Flags, loadConfig } from '../config/load.ts';
import { Refusal } from '../config/parsers.ts';
import { type SettingName, settings } from '../config/settings.ts';
import { SessionfsError } from '../lib/errors.ts';
import { nearestName } from '../lib/nearest-name.ts';
import { quote } from '../lib/quote.ts';
import { type Secrets, takeSecrets } from '../lib/secrets.ts';
import type { MountOptions } from './contract.ts';

export const READ_ONLY = '--read-only';
/** Those that are no settings with a flag. */
const OTHERS = ['encryptionKey', 'encryptionKeysPrevious', 'readOnly', 'logFile', 'signal'] as const;
const WAYS_TO_A_KEY = [settings.encryptionKeyFile.variable, settings.encryptionKeyCommand.variable];

/** The option of each setting: its flag in camel case. */
export const settingOptions: ReadonlyMap<string, SettingName> = new Map(
  (Object.keys(settings) as SettingName[]).map((name) => [optionName(settings[name].flag ?? ''), name]),
);

function optionName(flag: string): string {
  if (flag === 'DIR') return 'folder';
  return flag.slice(2).replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

export interface MountOrder {
  readonly config: Config;
  /** For the command line of `sessionfs mount`. */
  readonly flags: readonly string[];
  /** Without keys. */
  readonly env: NodeJS.ProcessEnv;
  readonly secrets: Secrets;
}

/** `environment` stays as it is. Throws CONFIG_INVALID, naming the option or the variable. */
export function mountOrder(options: MountOptions, environment: NodeJS.ProcessEnv): MountOrder {
  requireKnown(options);
  const env = { ...environment };
  // A key that is given takes the place of every other way to get one.
  if (options.encryptionKey !== undefined) for (const variable of WAYS_TO_A_KEY) delete env[variable];
  const secrets = { ...takeSecrets(env), ...keysOf(options) };
  const flags = flagsOf(options);
  const config = loadConfig({ ...env, ...secrets }, flags);
  const switches = options.readOnly === true ? [READ_ONLY] : [];
  return { config, flags: [...flagTexts(flags), ...switches], env, secrets };
}

/** For the command line of `sessionfs mount`, where DIR stands apart. */
export function flagTexts(flags: Flags): string[] {
  return (Object.entries(flags) as [SettingName, string][])
    .map(([name, text]) => [settings[name].flag ?? '', text])
    .filter(([flag]) => flag !== 'DIR')
    .map(([flag, text]) => `${flag}=${text}`);
}

function requireKnown(options: MountOptions): void {
  const known = [...settingOptions.keys(), ...OTHERS];
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const nearest = nearestName(name, known);
    throw new SessionfsError('CONFIG_INVALID', `mount() has no option ${quote(name)}`, {
      hint: nearest === undefined ? 'docs/api.md lists them.' : `Did you mean ${nearest}?`,
    });
  }
}

function keysOf(options: MountOptions): Secrets {
  const { encryptionKey, encryptionKeysPrevious, encryptionKeyFile, keyCommand } = options;
  if ([encryptionKey, encryptionKeyFile, keyCommand].filter((way) => way !== undefined).length > 1)
    throw new SessionfsError(
      'CONFIG_INVALID',
      'mount() is given two of the options encryptionKey, encryptionKeyFile and keyCommand',
      { hint: 'Leave one of them out.' },
    );
  return {
    ...(encryptionKey === undefined ? {} : { SESSION_ENCRYPTION_KEY: encryptionKey }),
    ...(encryptionKeysPrevious === undefined
      ? {}
      : { SESSION_ENCRYPTION_KEYS_PREVIOUS: encryptionKeysPrevious.join(',') }),
  };
}

function flagsOf(options: MountOptions): Flags {
  const given = options as Readonly<Record<string, unknown>>;
  const texts = [...settingOptions].flatMap(([option, name]) => {
    const value = given[option];
    return value === undefined ? [] : [[name, checked(option, name, textOf(option, value))] as const];
  });
  return Object.fromEntries(texts);
}

function textOf(option: string, value: unknown): string {
  if (option === 'umask' && typeof value === 'number') return value.toString(8);
  return String(value);
}

function checked(option: string, name: SettingName, text: string): string {
  try {
    settings[name].parse(text);
    return text;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new SessionfsError(
      'CONFIG_INVALID',
      `the option ${option} is ${quote(text)}, but it ${error.message}`,
    );
  }
}
