/** What opens sessions, on a bucket in memory. */
import { loadConfig } from '../../src/config/load.ts';
import { createLogger } from '../../src/observe/log.ts';
import { MountLeases } from '../../src/remote/mount-leases.ts';
import { SessionOpener, type SessionOpenerParts } from '../../src/remote/session-opener.ts';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import type { MemoryBucket } from '../support/memory-bucket.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const log = createLogger({ level: 'silent', destination: { write: () => {} } });

export function openLeases(
  scope: Scope,
  bucket: MemoryBucket,
  env: Readonly<Record<string, string>> = {},
): MountLeases {
  const leases = new MountLeases({
    bucket,
    config: loadConfig(env, {}),
    cachePath: temporaryDirectory(scope),
    mountPoint: '/nowhere/sessions',
    takeover: false,
    log,
    events: { acquired: () => {}, lost: () => {} },
  });
  cleanUp(scope, () => leases.end());
  return leases;
}

/** In hybrid mode, unless `parts` say otherwise. */
export function openOpener(
  scope: Scope,
  parts: Pick<SessionOpenerParts, 'leases' | 'sync' | 'ledger'> & Partial<SessionOpenerParts>,
): SessionOpener {
  const opener = new SessionOpener({
    servesUnconfirmed: true,
    waitLimitMs: 0,
    refuse: () => {},
    log,
    ...parts,
  });
  cleanUp(scope, async () => {
    opener.stop();
    await parts.leases.end();
    await opener.end();
  });
  return opener;
}
