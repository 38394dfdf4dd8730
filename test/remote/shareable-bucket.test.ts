import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../../src/observe/log.ts';
import { foundUnshareable } from '../../src/remote/shareable-bucket.ts';
import { Rig, S } from '../lease/support.ts';

test('a start is refused where another mount has sessions in a bucket that ignores conditions, and only there', async (t) => {
  const rig = new Rig(t);
  const lines: string[] = [];
  const log = createLogger({
    level: 'warn',
    destination: { write: (line: string) => void lines.push(line) },
  });
  const [a, b] = [await rig.mount('a'), await rig.mount('b')];
  const found = ({ identity }: typeof a) => foundUnshareable(rig.bucket, identity, log);
  await a.leases.acquire(S);
  assert.equal(await found(b), undefined, 'this bucket honours conditions');
  assert.deepEqual(lines, []);

  rig.bucket.ignored = ['replace'];
  assert.equal(await found(a), undefined, 'its own sessions');
  assert.match(lines.join(''), /make sure that no other mount uses it/);
  const error = await found(b);
  assert.equal(error?.code, 'BUCKET_UNCONDITIONAL');
  assert.match(error?.message ?? '', /ignores conditions \(replace\)/);
  assert.match(error?.hint ?? '', /sessionfs unmount/);

  await a.leases.release([S]);
  assert.equal(await found(b), undefined, 'it was released');
});
