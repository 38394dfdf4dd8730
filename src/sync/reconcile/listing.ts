/** What the bucket has. */
import type { Bucket, ObjectVersion } from '../../bucket/bucket.ts';
import { OBJECT_ROOT } from '../../naming/object-name.ts';

/** Every object below `sessions/`, or `prefix`, by name. One request a thousand objects, each told to `onPage`. Rejects with BucketError. */
export async function listObjects(
  bucket: Bucket,
  onPage: () => void = () => {},
  prefix: string = OBJECT_ROOT,
): Promise<Map<string, ObjectVersion>> {
  const all = new Map<string, ObjectVersion>();
  let page: string | undefined;
  do {
    const { objects, nextPage } = await bucket.list(`${prefix}/`, page);
    onPage();
    for (const object of objects) all.set(object.name, object);
    page = nextPage;
  } while (page !== undefined);
  return all;
}
