/** The ledger of a daemon's cache: hybrid mode makes one, local mode goes on with what there is. */
import type { Bucket } from '../bucket/bucket.ts';
import type { Config } from '../config/load.ts';
import { directoryMetaName, toObjectName } from '../naming/object-name.ts';
import type { Logger } from '../observe/log.ts';
import type { Cache } from '../store/cache/cache.ts';
import { Ledger } from '../sync/ledger/ledger.ts';

/** Undefined: this cache has nothing to do with any bucket. With `bucket` there always is one. Throws system errors. */
export function openLedger(
  config: Config,
  cache: Cache,
  bucket: Bucket | undefined,
  log: Logger,
): Ledger | undefined {
  if (bucket === undefined && !Ledger.exists(cache.path)) return undefined;
  const ledger = Ledger.open({
    cachePath: cache.path,
    bucket: bucket?.address,
    cachedObjects: () => cachedObjects(cache),
  });
  const sessions = ledger.absentSessions.length;
  if (config.storageType === 'local' && sessions > 0) {
    log.warn({ sessions }, 'Sessions that only the bucket has are not to be seen in local mode');
  }
  return ledger;
}

function cachedObjects(cache: Cache): string[] {
  const names: string[] = [];
  const meta = (path: string) => {
    if (cache.readDirectoryMetaSync(path) !== undefined) names.push(directoryMetaName(path));
  };
  meta('');
  cache.walkSync((path, kind) => {
    if (kind === 'file') names.push(toObjectName(path, 'file'));
    else meta(path);
  });
  return names;
}
