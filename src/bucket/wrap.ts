/** One way to wrap a bucket: something is done around each of its operations. */
import type { Bucket } from './bucket.ts';

export type BucketOperation = 'list' | 'get' | 'head' | 'put' | 'delete' | 'config';

/** Runs `call`, one operation of the wrapped bucket, as often as it likes. */
export type Around = <T>(operation: BucketOperation, call: () => Promise<T>) => Promise<T>;

export function wrapBucket(bucket: Bucket, around: Around): Bucket {
  const { history } = bucket;
  return {
    address: bucket.address,
    history: history && {
      list: (...given) => around('list', () => history.list(...given)),
      read: (...given) => around('get', () => history.read(...given)),
    },
    list: (...given) => around('list', () => bucket.list(...given)),
    get: (...given) => around('get', () => bucket.get(...given)),
    head: (...given) => around('head', () => bucket.head(...given)),
    put: (...given) => around('put', () => bucket.put(...given)),
    delete: (...given) => around('delete', () => bucket.delete(...given)),
    deleteAfterDays: () => around('config', () => bucket.deleteAfterDays()),
    ignoredConditions: () => bucket.ignoredConditions(),
    close: () => bucket.close(),
  };
}
