/**
 * The mark that stands in the place of a deleted object while an upload that named no version may still arrive under its name:
 * the store refuses that one as long as any object is there.
 */
import type { ObjectVersion } from './bucket.ts';

const KEY = 'sessionfs-deleted';

/** Among the metadata of an empty object. */
export const DELETED_MARK: Readonly<Record<string, string>> = { [KEY]: '1' };

/** The object is no file: it was deleted. */
export function isDeletedMark({ metadata }: Pick<ObjectVersion, 'metadata'>): boolean {
  return metadata[KEY] === '1';
}
