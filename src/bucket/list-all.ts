import type { Bucket, ObjectVersion } from './bucket.ts';

/** Every object whose name begins with `prefix`. One request a thousand objects. Rejects as `list` does. */
export async function listAll(bucket: Bucket, prefix: string): Promise<ObjectVersion[]> {
  const all: ObjectVersion[] = [];
  let page: string | undefined;
  do {
    const { objects, nextPage } = await bucket.list(prefix, page);
    all.push(...objects);
    page = nextPage;
  } while (page !== undefined);
  return all;
}
