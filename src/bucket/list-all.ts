import type { Bucket, Known, ObjectVersion, PastKind, PastVersion } from './bucket.ts';
import { BucketError } from './bucket-error.ts';

/** Pages of the objects whose names begin with `prefix`: one request for a thousand objects. Rejects as `list` does, see there for `known`. */
export async function* listPages(
  bucket: Bucket,
  prefix: string,
  known?: Known,
): AsyncGenerator<readonly ObjectVersion[]> {
  const ask = (page?: string) => bucket.list(prefix, page, known);
  for await (const { objects } of pages(bucket, prefix, ask)) yield objects;
}

/** Pages of what the store still has of objects that were replaced or deleted; none where it keeps nothing. Rejects as `History.list` does. */
export async function* listPast(
  bucket: Bucket,
  kind: PastKind,
  prefix: string,
): AsyncGenerator<readonly PastVersion[]> {
  const { history } = bucket;
  if (history === undefined) return;
  const ask = (page?: string) => history.list(kind, prefix, page);
  for await (const { versions } of pages(bucket, prefix, ask)) yield versions;
}

async function* pages<Page extends { readonly nextPage: string | undefined }>(
  { address }: Bucket,
  prefix: string,
  ask: (page?: string) => Promise<Page>,
): AsyncGenerator<Page> {
  const asked = new Set<string>();
  let at: string | undefined;
  for (;;) {
    const page = await ask(at);
    yield page;
    at = page.nextPage;
    if (at === undefined) return;
    if (asked.has(at))
      throw new BucketError('unreachable', `the listing of ${address}/${prefix} does not go on`);
    asked.add(at);
  }
}

export async function listAll(bucket: Bucket, prefix: string): Promise<ObjectVersion[]> {
  const all: ObjectVersion[] = [];
  for await (const objects of listPages(bucket, prefix)) all.push(...objects);
  return all;
}
