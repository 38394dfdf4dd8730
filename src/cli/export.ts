/** `sessionfs export`: writes a session out of the sealed cache, or the bucket, as plain files. Needs no mount, and disturbs none. */
import { basename, dirname, resolve } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { type ExportRequest, exportSession, requireComplete } from '../export/export-session.ts';
import { listRefused } from '../export/versions.ts';
import { quote } from '../lib/quote.ts';
import type { Secrets } from '../lib/secrets.ts';
import { parseArguments, usage } from './arguments.ts';
import { type Command, print } from './command.ts';
import { flagsOf, settingFlags } from './setting-flags.ts';

const SETTINGS = ['--cache-path', '--bucket', '--encryption-key-file', '--storage-emulator-host'];

export const exportCommand: Command = {
  name: 'export',
  summary: 'write the files of SESSION and its kept versions to FOLDER, decrypted',
  synopsis: '[DIR/]SESSION --to FOLDER [FLAGS]',
  flags: [
    { flag: '--to', placeholder: 'FOLDER', meaning: 'target folder; it must be empty or not exist yet' },
    { flag: '--set-aside', meaning: 'write the kept versions only' },
    {
      flag: '--from',
      placeholder: 'SOURCE',
      meaning: 'cache or bucket; default: the cache, and the bucket for what the cache lacks',
    },
    ...settingFlags.filter(({ flag }) => SETTINGS.includes(flag)),
  ],
  run,
};

async function run(args: readonly string[], inherited: NodeJS.ProcessEnv, secrets: Secrets): Promise<number> {
  const env = { ...inherited, ...secrets };
  const request = requestOf(args, env);
  const { session, folder } = request;
  const exported = await exportSession(request, env, warn);
  const { files, keptVersions, refusedVersions } = exported;
  if (refusedVersions.length > 0) warn(`left out of set-aside: ${listRefused(refusedVersions)}`);
  print(`Exported ${session} to ${folder}: files ${files.length}, versions set aside ${keptVersions.length}`);
  print('They are not encrypted: anyone who can read them can use the account.');
  requireComplete(exported);
  return 0;
}

function requestOf(args: readonly string[], env: NodeJS.ProcessEnv): ExportRequest {
  const parsed = parseArguments(args, exportCommand.flags);
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
  return { session, folder: resolve(to), onlyKeptVersions: given.has('--set-aside'), config, from };
}

function warn(text: string): void {
  process.stderr.write(`sessionfs: ${text}\n`);
}
