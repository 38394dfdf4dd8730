/** The bucket's key check: which keys a bucket accepts, and what a start says of a bucket that it cannot use. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { Keyring } from '../../src/crypto/keyring.ts';
import { SessionfsError } from '../../src/lib/errors.ts';
import { createLogger } from '../../src/observe/log.ts';
import { BucketHealth } from '../../src/remote/bucket-health.ts';
import { BucketReach } from '../../src/remote/bucket-reach.ts';
import { KEY_CHECK_NAME, KeyCheck } from '../../src/remote/key-check.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';

const [A, B] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')];
const log = createLogger({ level: 'silent', destination: { write: () => {} } });
const CREDS = 'sessions/u/+1/creds.json';

function checkOf(bucket: MemoryBucket, key: string, ...previous: string[]) {
  const reach = new BucketReach();
  const keyCheck = new KeyCheck({
    bucket: reach.watch(bucket),
    keyring: Keyring.fromHex(key, previous),
    log,
  });
  return { keyCheck, health: new BucketHealth({ reach, keyCheck, unshareable: async () => undefined, log }) };
}

function codesOf({ trouble, refusal }: BucketHealth) {
  return [trouble?.code, refusal?.code];
}

/** A bucket with a session, whose check was made by this key. */
async function bucketOf(key: string): Promise<MemoryBucket> {
  const bucket = new MemoryBucket();
  await checkOf(bucket, key).keyCheck.ensure();
  bucket.store(CREDS, Buffer.from('x'));
  return bucket;
}

test('the check is made with the first session; another key is refused by the next start', async () => {
  const bucket = new MemoryBucket();
  await checkOf(bucket, B).health.requireUsable(false);
  assert.equal(bucket.objects.size, 0, 'a start makes nothing');
  await checkOf(bucket, A).keyCheck.ensure();
  bucket.store(CREDS, Buffer.from('x'));
  await checkOf(bucket, A).health.requireUsable(false);
  for (const canServe of [false, true])
    await assert.rejects(checkOf(bucket, B).health.requireUsable(canServe), (error: unknown) => {
      assert.ok(error instanceof SessionfsError);
      assert.equal(error.code, 'KEY_WRONG');
      assert.match(error.message, /memory:\/\/test are sealed with another key/);
      assert.match(String(error.hint), /SESSION_ENCRYPTION_KEYS_PREVIOUS/);
      assert.ok(!`${error.message}${error.hint}`.includes(A) && !`${error.message}${error.hint}`.includes(B));
      return true;
    });
});

test('a previous key opens the check; the first upload seals it anew with the current one', async () => {
  const bucket = await bucketOf(A);
  const rotated = checkOf(bucket, B, A);
  await rotated.health.requireUsable(false);
  await rotated.keyCheck.ensure();
  await checkOf(bucket, B).health.requireUsable(false);
  await assert.rejects(checkOf(bucket, A).health.requireUsable(false), { code: 'KEY_WRONG' });
});

test('nothing is uploaded under another key, also when the bucket did not answer at the start', async () => {
  const bucket = await bucketOf(A);
  const wrong = checkOf(bucket, B);
  bucket.before = () => {
    throw new BucketError('unreachable', 'reset');
  };
  await wrong.health.requireUsable(false);
  assert.deepEqual(codesOf(wrong.health), ['BUCKET_UNAVAILABLE', undefined]);
  bucket.before = () => {};
  await assert.rejects(wrong.keyCheck.ensure(), { code: 'KEY_WRONG' });
  assert.deepEqual(codesOf(wrong.health), ['KEY_WRONG', 'KEY_WRONG']);
});

test('of two mounts that make the first session with two keys one is refused', async () => {
  const bucket = new MemoryBucket();
  const [a, b] = [checkOf(bucket, A).keyCheck, checkOf(bucket, B).keyCheck];
  bucket.after = ({ operation }) => {
    if (operation === 'put') bucket.store(CREDS, Buffer.from('x'));
  };
  const results = await Promise.allSettled([a.ensure(), b.ensure()]);
  assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
});

test('the check of a bucket without sessions locks no mount out; one that is damaged does not, either', async () => {
  const bucket = await bucketOf(A);
  bucket.objects.delete(CREDS);
  const other = checkOf(bucket, B);
  await other.health.requireUsable(false);
  await other.keyCheck.ensure();
  bucket.store(CREDS, Buffer.from('x'));
  await assert.rejects(checkOf(bucket, A).health.requireUsable(false), { code: 'KEY_WRONG' });
  const sealed = bucket.objects.get(KEY_CHECK_NAME)?.bytes ?? Buffer.alloc(0);
  const damaged = Buffer.from(sealed.map((byte, at) => (at === 70 ? byte ^ 1 : byte)));
  bucket.store(KEY_CHECK_NAME, damaged);
  await checkOf(bucket, B).health.requireUsable(false);
  await checkOf(bucket, B).keyCheck.ensure();
});

test('sessions without a check are not taken for those of the present key', async () => {
  const bucket = new MemoryBucket();
  bucket.store(CREDS, Buffer.from('x'));
  await checkOf(bucket, A).keyCheck.ensure();
  assert.equal(bucket.objects.has(KEY_CHECK_NAME), false);
});

for (const [error, code] of [
  [new BucketError('missing', 'no bucket', { about: 'bucket', hint: 'h' }), 'BUCKET_MISSING'],
  [new BucketError('permission', '403', { hint: 'h' }), 'BUCKET_FORBIDDEN'],
  [new BucketError('permission', '401', { about: 'credentials', hint: 'h' }), 'BUCKET_CREDENTIALS'],
] as const)
  test(`${code}: refuses a start with nothing to serve; else it is told, and goes when the bucket answers`, async () => {
    const bucket = new MemoryBucket();
    bucket.before = () => {
      throw error;
    };
    await assert.rejects(checkOf(bucket, A).health.requireUsable(false), {
      code,
      hint: 'h',
      message: error.message,
    });
    const { health, keyCheck } = checkOf(bucket, A);
    await health.requireUsable(true);
    assert.deepEqual([health.trouble?.code, health.refusal?.code, health.trouble?.hint], [code, code, 'h']);
    assert.match(String(health.trouble?.since), /^\d{4}-/);
    bucket.before = () => {};
    await keyCheck.verdict();
    assert.equal(health.trouble, undefined);
  });
