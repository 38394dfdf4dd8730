import type { Bucket, Known, ObjectVersion } from './bucket.ts';
import { BucketError } from './bucket-error.ts';

/** Pages of the objects whose names begin with `prefix`: one request for a thousand objects. Rejects as `list` does, see there for `known`. */
export async function* listPages(
  bucket: Bucket,
  prefix: string,
  known?: Known,
): AsyncGenerator<readonly ObjectVersion[]> {
  let page: string | undefined;
  do {
    const { objects, nextPage } = await bucket.list(prefix, page, known);
    yield objects;
    if (nextPage !== undefined && nextPage === page)
      throw new BucketError('unreachable', `the listing of ${bucket.address}/${prefix} does not go on`);
    page = nextPage;
  } while (page !== undefined);
}

export async function listAll(bucket: Bucket, prefix: string): Promise<ObjectVersion[]> {
  const all: ObjectVersion[] = [];
  for await (const objects of listPages(bucket, prefix)) all.push(...objects);
  return all;
}
