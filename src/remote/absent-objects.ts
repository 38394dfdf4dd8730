/** What a session lacks in the cache, for those who read both without a mount. */
import { ledgerPath } from '../sync/ledger/ledger.ts';
import { readLedger } from '../sync/ledger/reading.ts';

/**
 * Names of objects of the session of which the cache has nothing, or an older version: it was not restored yet, or a restore was
 * cut short. Throws system errors. Read it before the cache: what is restored meanwhile is then in both.
 */
export function absentObjects(cachePath: string, session: string): ReadonlySet<string> {
  const entries = readLedger(ledgerPath(cachePath))?.state.entriesOf(session)?.values() ?? [];
  return new Set([...entries].flatMap(({ name, local }) => (local === 'absent' ? [name] : [])));
}
