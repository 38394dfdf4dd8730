/** Environment and command line to one checked, read-only Config. Nothing else reads a SESSION_ variable, keys apart. */

import { createHash } from 'node:crypto';
import { lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { SessionfsError } from '../lib/errors.ts';
import { nearestName } from '../lib/nearest-name.ts';
import { actsAsRoot, exposureOf } from '../lib/private-path.ts';
import { quote } from '../lib/quote.ts';
import { Refusal } from './parsers.ts';
import { configurationTable, type SettingName, type SettingValues, settings } from './settings.ts';

export type { LogLevel } from './settings.ts';

/** Plain data without a secret: it may be logged and posted to a thread. */
export interface Config extends SettingValues {
  /** Absolute. */
  readonly cachePath: string;
  /** Cloud mode: what would lie in the cache lies in memory. */
  readonly cacheInMemory: boolean;
  /** SESSION_CACHE_PATH was given. */
  readonly cacheIsNamed: boolean;
  /** The mount changes nothing, and shows a copy of this bucket or cache, made then. */
  readonly readOnly?: { readonly source: string; readonly copiedAt: string };
  /** Whole sentences for the log: variables that look like settings and are none. */
  readonly warnings: readonly string[];
}

/** What the command line said, by setting, not yet parsed. */
export type Flags = { readonly [Name in SettingName]?: string };

const KEY_VARIABLE = 'SESSION_ENCRYPTION_KEY';

/**
 * A flag wins over its variable, an empty variable counts as unset. Relative paths become absolute. Throws CONFIG_INVALID
 * (a variable, or settings that do not fit together) or USAGE (a flag), naming it, what was seen and what is allowed.
 */
export function loadConfig(env: NodeJS.ProcessEnv, flags: Flags): Config {
  const values = Object.fromEntries(
    (Object.keys(settings) as SettingName[]).map((name) => [name, settingOf(name, env, flags)]),
  ) as unknown as SettingValues;
  requireBucket(values);
  requireOneKey(env, flags);
  return {
    ...values,
    ...keyOfFlag(flags),
    cacheInMemory: values.storageType === 'cloud',
    cacheIsNamed: values.cachePath !== undefined,
    cachePath: values.cachePath ?? defaultCachePath(withoutLinks(values.mountPoint), values.storageType),
    warnings: unknownVariables(env),
  };
}

/** Root's caches, where the mount point lies in a folder that another user may change. */
const STATE_DIRECTORY = '/var/lib/sessionfs';
const NAME_MAX_BYTES = 200;

/**
 * Beside the mount point. Root's lies elsewhere where another user could put a link into its place; one that is there already is
 * found all the same, and refused when it is used.
 */
function defaultCachePath(mountPoint: string, storageType: SettingValues['storageType']): string {
  const beside = `${mountPoint}.sealed`;
  if (storageType === 'cloud' || !actsAsRoot() || exposureOf(beside) === undefined) return beside;
  return lstatSync(beside, { throwIfNoEntry: false }) === undefined
    ? join(STATE_DIRECTORY, `${fileNameOf(mountPoint)}.sealed`)
    : beside;
}

/** No two paths have the same. */
function fileNameOf(path: string): string {
  const name = path.slice(1).replaceAll('%', '%25').replaceAll('/', '%2F');
  if (Buffer.byteLength(name) <= NAME_MAX_BYTES) return name;
  return createHash('sha256').update(path).digest('hex');
}

/** Where the cache of a mount point lies by default, on a disk. */
export function cachePathBeside(mountPoint: string): string {
  return defaultCachePath(withoutLinks(mountPoint), 'local');
}

const LINKS_MAX = 40;

/**
 * One mount point has one cache, whichever of its names it is given by. Of the last component only its being a link is asked:
 * anything else would ask a mount that is there for an answer.
 */
function withoutLinks(path: string): string {
  let named = path;
  for (let links = 0; links < LINKS_MAX; links++) {
    try {
      named = join(realpathSync(dirname(named)), basename(named));
      named = resolve(dirname(named), readlinkSync(named));
    } catch {
      break;
    }
  }
  return named;
}

/** The mount point alone, absolute, for commands that only look for a mount. Throws as loadConfig does. */
export function loadMountPoint(env: NodeJS.ProcessEnv, argument: string | undefined): string {
  return settingOf('mountPoint', env, argument === undefined ? {} : { mountPoint: argument });
}

function settingOf<Name extends SettingName>(
  name: Name,
  env: NodeJS.ProcessEnv,
  flags: Flags,
): SettingValues[Name] {
  const setting = settings[name];
  const flag = flags[name];
  if (flag !== undefined) return parsed(name, flag, 'USAGE', setting.flag ?? setting.variable);
  const text = env[setting.variable] || setting.default;
  if (text !== undefined) return parsed(name, text, 'CONFIG_INVALID', setting.variable);
  // Only settings that may be undefined have no default.
  return undefined as SettingValues[Name];
}

function parsed<Name extends SettingName>(
  name: Name,
  text: string,
  code: 'USAGE' | 'CONFIG_INVALID',
  source: string,
): SettingValues[Name] {
  try {
    return settings[name].parse(text) as SettingValues[Name];
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new SessionfsError(code, `${source} is ${quote(text)}, but it ${error.message}`);
  }
}

function requireBucket({ storageType, bucket }: SettingValues): void {
  if (storageType === 'local' || bucket !== undefined) return;
  throw new SessionfsError(
    'CONFIG_INVALID',
    `storage type ${storageType} needs STORAGE_BUCKET, which is not set`,
    {
      hint: 'Set STORAGE_BUCKET to a bucket name, gs://NAME, s3://NAME or file:///DIRECTORY.',
    },
  );
}

/** Two keys from one environment would leave it to us which one seals. A flag says it. */
function requireOneKey(env: NodeJS.ProcessEnv, flags: Flags): void {
  const { encryptionKeyFile: file, encryptionKeyCommand: command } = settings;
  if (flags.encryptionKeyFile !== undefined && flags.encryptionKeyCommand !== undefined)
    throw new SessionfsError('USAGE', `${file.flag} and ${command.flag} are both given`, {
      hint: 'Leave one of them out.',
    });
  if (flags.encryptionKeyFile !== undefined || flags.encryptionKeyCommand !== undefined) return;
  const [first, second] = [KEY_VARIABLE, file.variable, command.variable].filter((name) => env[name]);
  if (first === undefined || second === undefined) return;
  throw new SessionfsError('CONFIG_INVALID', `${first} and ${second} are both set`, {
    hint: 'Unset one of them.',
  });
}

/** What the environment says of the other way to get a key does not count then. */
function keyOfFlag({ encryptionKeyFile, encryptionKeyCommand }: Flags): Partial<SettingValues> {
  if (encryptionKeyCommand !== undefined) return { encryptionKeyFile: undefined };
  return encryptionKeyFile === undefined ? {} : { encryptionKeyCommand: undefined };
}

/** Desktop sessions set it on every machine that has one. */
const FOREIGN = ['SESSION_MANAGER'];

function unknownVariables(env: NodeJS.ProcessEnv): string[] {
  const known = configurationTable.map(({ variable }) => variable);
  return Object.keys(env)
    .filter((name) => name.startsWith('SESSION_') && !known.includes(name) && !FOREIGN.includes(name))
    .map((name) => {
      const nearest = nearestName(name, known);
      const meant = nearest === undefined ? 'it is ignored' : `did you mean ${nearest}?`;
      return `${name} is not a variable of sessionfs: ${meant}`;
    });
}
