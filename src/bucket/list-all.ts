import type { Bucket, Known, ObjectVersion, PastKind, PastVersion } from './bucket.ts';
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
    requireNext(bucket, prefix, page, nextPage);
    page = nextPage;
  } while (page !== undefined);
}

/** Pages of what the store still has of objects that were replaced or deleted; none where it keeps nothing. Rejects as `History.list` does. */
export async function* listPast(
  bucket: Bucket,
  kind: PastKind,
  prefix: string,
): AsyncGenerator<readonly PastVersion[]> {
  const { history } = bucket;
  if (history === undefined) return;
  let page: string | undefined;
  do {
    const { versions, nextPage } = await history.list(kind, prefix, page);
    yield versions;
    requireNext(bucket, prefix, page, nextPage);
    page = nextPage;
  } while (page !== undefined);
}

function requireNext(
  { address }: Bucket,
  prefix: string,
  page: string | undefined,
  nextPage: string | undefined,
): void {
  if (nextPage === undefined || nextPage !== page) return;
  throw new BucketError('unreachable', `the listing of ${address}/${prefix} does not go on`);
}

export async function listAll(bucket: Bucket, prefix: string): Promise<ObjectVersion[]> {
  const all: ObjectVersion[] = [];
  for await (const objects of listPages(bucket, prefix)) all.push(...objects);
  return all;
}
