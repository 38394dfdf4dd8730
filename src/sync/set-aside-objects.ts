/** Versions that were set aside, as objects: `.sessionfs/set-aside/<object name>.<ms>`, outside of what a restore looks at. */
import type { Bucket, ObjectVersion } from '../bucket/bucket.ts';
import { setAsideObjectName } from '../store/set-aside-names.ts';

const SET_ASIDE_ROOT = '.sessionfs/set-aside/';

/** Of a file's name in set-aside/, or of the part that all versions have. */
export function setAsideObject(name: string): string {
  return SET_ASIDE_ROOT + setAsideObjectName(name);
}

/** All whose names begin with `prefix`, from `setAsideObject`; '': all. One request a thousand objects. Rejects with BucketError. */
export async function listSetAsideObjects(bucket: Bucket, prefix: string): Promise<ObjectVersion[]> {
  const all: ObjectVersion[] = [];
  let page: string | undefined;
  do {
    const { objects, nextPage } = await bucket.list(prefix || SET_ASIDE_ROOT, page);
    all.push(...objects);
    page = nextPage;
  } while (page !== undefined);
  return all;
}
