/** `sessionfs export`: writes a session out of the sealed cache, or the bucket, as plain files. Needs no mount, and disturbs none. */
import { basename, dirname, resolve } from 'node:path';
import { type Config, loadConfig } from '../config/load.ts';
import { loadKeys } from '../crypto/key-source.ts';
import type { Keyring } from '../crypto/keyring.ts';
import { checkFolder, writeFolder } from '../export/folder.ts';
import { readFromBucket, readFromCache, withoutRepeats } from '../export/sources.ts';
import {
  type OpenedVersions,
  openVersions,
  type RefusedFile,
  type SealedVersions,
} from '../export/versions.ts';
import { SessionfsError } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';
import { Cache } from '../store/cache/cache.ts';
import { parseArguments, usage } from './arguments.ts';
import { type Command, print } from './command.ts';
import { flagsOf, settingFlags } from './setting-flags.ts';

const SETTINGS = ['--cache-path', '--bucket', '--encryption-key-file', '--storage-emulator-host'];
const SHOWN = 10;

export const exportSession: Command = {
  name: 'export',
  summary: 'write the files of SESSION, and its versions that were set aside, to FOLDER as plain text',
  synopsis: '[DIR/]SESSION --to FOLDER [FLAGS]',
  flags: [
    { flag: '--to', placeholder: 'FOLDER', meaning: 'where to; a folder that is not there yet, or is empty' },
    { flag: '--set-aside', meaning: 'only the versions that were set aside' },
    {
      flag: '--from',
      placeholder: 'SOURCE',
      meaning: 'cache or bucket; when not set the cache, the bucket for what that lacks',
    },
    ...settingFlags.filter(({ flag }) => SETTINGS.includes(flag)),
  ],
  run,
};

interface Request {
  session: string;
  /** Absolute. */
  folder: string;
  onlySetAside: boolean;
  config: Config;
  fromCache: boolean;
  fromBucket: boolean;
}

async function run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const request = requestOf(args, env);
  const { session, folder, config } = request;
  checkFolder(folder, config.cachePath);
  const keyring = keyringOf(request, env);
  const opened = openVersions(keyring, session, await find(request));
  keyring.destroy();
  requireSome(request, opened);
  writeFolder(folder, [...opened.files, ...opened.setAside]);
  report(request, opened);
  if (opened.refused.length > 0) throw incomplete(opened.refused);
  return 0;
}

function requestOf(args: readonly string[], env: NodeJS.ProcessEnv): Request {
  const parsed = parseArguments(args, exportSession.flags);
  const { directory: named, given } = parsed;
  if (named === undefined) throw usage('which session? sessionfs export [DIR/]SESSION --to FOLDER');
  const to = given.get('--to');
  if (to === undefined) throw usage('where to? --to FOLDER is missing');
  const from = given.get('--from');
  if (from !== undefined && from !== 'cache' && from !== 'bucket')
    throw usage(`--from is ${quote(from)}, but it must be cache or bucket`);
  const session = basename(named);
  if (session === '' || session === '.' || session === '..') throw usage(`${quote(named)} names no session`);
  const mountPoint = named.includes('/') ? dirname(named) : undefined;
  const config = loadConfig(env, flagsOf({ given, directory: mountPoint }));
  const request = { session, folder: resolve(to), onlySetAside: given.has('--set-aside'), config };
  return { ...request, ...sourcesOf(config, from) };
}

function sourcesOf(
  config: Config,
  from: 'cache' | 'bucket' | undefined,
): Pick<Request, 'fromCache' | 'fromBucket'> {
  const hasCache = from !== 'bucket' && Cache.readKeyId(config.cachePath) !== undefined;
  const hasBucket = from !== 'cache' && config.bucket !== undefined;
  if (from === 'bucket' && !hasBucket)
    throw new SessionfsError('CONFIG_INVALID', 'there is no bucket to export from', {
      hint: 'Set STORAGE_BUCKET, or --bucket.',
    });
  if (!hasCache && !hasBucket)
    throw new SessionfsError('SESSION_NOT_FOUND', `there is no cache in ${config.cachePath}`, {
      hint: 'Name the mount (DIR/SESSION) or its cache (--cache-path), or a bucket (--bucket).',
    });
  return { fromCache: hasCache, fromBucket: hasBucket };
}

/** A cache is never without the key that sealed it, so none is made here. */
function keyringOf({ config, fromCache }: Request, env: NodeJS.ProcessEnv): Keyring {
  return loadKeys({
    env,
    keyFile: config.encryptionKeyFile,
    cachePath: config.cachePath,
    mayGenerate: fromCache,
    expectedKeyId: fromCache ? Cache.readKeyId(config.cachePath) : undefined,
  }).keyring;
}

async function find({
  session,
  config,
  onlySetAside,
  fromCache,
  fromBucket,
}: Request): Promise<SealedVersions> {
  const none: SealedVersions = { files: new Map(), setAside: [] };
  const here = fromCache ? await readFromCache(config.cachePath, session) : none;
  if (onlySetAside) here.files.clear();
  const lacksFiles = here.files.size === 0 && !onlySetAside;
  let there = none;
  try {
    if (fromBucket) there = await readFromBucket(config, session, lacksFiles);
  } catch (error) {
    const isEnough = !lacksFiles || here.setAside.length > 0;
    if (!isEnough || !(error instanceof SessionfsError)) throw error;
    warn(`${error.message}; only what the cache has is exported`);
  }
  return {
    files: lacksFiles ? there.files : here.files,
    setAside: withoutRepeats([...there.setAside, ...here.setAside]),
  };
}

function requireSome({ session, config, onlySetAside, ...from }: Request, opened: OpenedVersions): void {
  const refused = [...opened.refused, ...opened.refusedSetAside];
  if (opened.files.length + opened.setAside.length > 0) return;
  if (refused.some(({ reason }) => reason === 'unknown-key'))
    throw new SessionfsError('KEY_WRONG', `${session} is sealed with another key than the one given`, {
      hint: 'Give the key that sealed it, or name it in SESSION_ENCRYPTION_KEYS_PREVIOUS.',
    });
  if (refused.length > 0) throw incomplete(refused);
  const places = [from.fromCache && config.cachePath, from.fromBucket && 'the bucket'].filter(Boolean);
  const what = onlySetAside
    ? `nothing of a session ${session} was set aside`
    : `there is no session ${session}`;
  throw new SessionfsError('SESSION_NOT_FOUND', `${what} in ${places.join(' or ')}`, {
    hint: 'sessionfs status --json lists the sessions of a mount.',
  });
}

function report({ session, folder }: Request, { files, setAside, refusedSetAside }: OpenedVersions): void {
  if (refusedSetAside.length > 0) warn(`left out of set-aside: ${listed(refusedSetAside)}`);
  print(`Exported ${session} to ${folder}: files ${files.length}, versions set aside ${setAside.length}`);
  print('They are not encrypted: whoever reads them can use the account.');
}

function incomplete(refused: readonly RefusedFile[]): SessionfsError {
  return new SessionfsError('EXPORT_INCOMPLETE', `these files could not be exported: ${listed(refused)}`, {
    hint: 'docs/operations.md explains the reasons.',
  });
}

function listed(refused: readonly RefusedFile[]): string {
  const shown = refused.slice(0, SHOWN).map(({ name, reason }) => `${name} (${reason})`);
  return refused.length > SHOWN ? `${shown.join(', ')} and ${refused.length - SHOWN} more` : shown.join(', ');
}

function warn(text: string): void {
  process.stderr.write(`sessionfs: ${text}\n`);
}
