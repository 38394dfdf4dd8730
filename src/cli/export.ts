/** `sessionfs export`: writes a session out of the sealed cache, or the bucket, as plain files. Needs no mount, and disturbs none. */
import { resolve } from 'node:path';
import { loadConfig } from '../config/load.ts';
import {
  type ExportRequest,
  exportSession,
  requireComplete,
  type Source,
} from '../kit/export/export-session.ts';
import { listRefused } from '../kit/export/versions.ts';
import { usage } from '../lib/errors.ts';
import { countText } from '../lib/human.ts';
import { type Invocation, printEither, warn } from './command.ts';
import { sessionNamed } from './named-session.ts';
import { flagsOf } from './setting-flags.ts';
import { shield } from './shield.ts';

export async function run(invocation: Invocation): Promise<number> {
  const env = { ...invocation.env, ...invocation.secrets };
  const request = requestOf(invocation, env);
  const { session, folder } = request;
  const exported = await exportSession(request, env, warn);
  const { files, keptVersions, refused, refusedVersions } = exported;
  if (refusedVersions.length > 0) warn(`left out of set-aside: ${listRefused(refusedVersions)}`);
  printEither(
    invocation,
    { session, folder, files: files.length, keptVersions: keptVersions.length, refused, refusedVersions },
    `Exported ${session} to ${folder}: ${countText(files.length, 'file')}, ${countText(keptVersions.length, 'kept version')}\nThey are not encrypted: anyone who can read them can use the account.`,
  );
  requireComplete(exported);
  return 0;
}

function requestOf({ directory: named = '', given }: Invocation, env: NodeJS.ProcessEnv): ExportRequest {
  const to = given.get('--to');
  if (to === undefined) throw usage('where to? --to FOLDER is missing');
  const from = given.get('--from') as Source;
  const { session, mountPoint } = sessionNamed(named);
  const config = loadConfig(env, flagsOf({ given, directory: mountPoint }));
  return { session, folder: resolve(to), onlyKeptVersions: given.has('--set-aside'), config, from, shield };
}
