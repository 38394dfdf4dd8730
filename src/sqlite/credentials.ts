/** Where applications keep credentials in a database: Baileys' table and row for them. */
import { pageSizeOf } from './format.ts';
import { type Pages, pagesOf } from './pages.ts';
import { type FoundRow, findRow } from './row.ts';

export const CREDS_TABLE = 'creds';
export const CREDS_KEY = '__creds__';

export function findCredentials(pages: Pages): FoundRow {
  return findRow(pages, CREDS_TABLE, CREDS_KEY);
}

/** Of a database that nothing lies beside; undefined: none that can be found. */
export function savedCredentials(database: Uint8Array): Buffer | undefined {
  const pageBytes = pageSizeOf(database);
  return pageBytes === undefined ? undefined : findCredentials(pagesOf(database, pageBytes)).value;
}
