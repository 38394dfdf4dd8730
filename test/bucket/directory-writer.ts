/**
 * A process of its own that works on a directory bucket: `count PATH TURNS` adds one to a number, by compare-and-swap, that
 * often; `replace PATH` replaces, deletes and creates objects until it is killed.
 */
import { ABSENT, type Bucket } from '../../src/bucket/bucket.ts';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { openDirectoryBucket } from '../../src/bucket/directory/directory-bucket.ts';

const [, , task, path = '', turns = '0'] = process.argv;
const bucket = openDirectoryBucket(path, { timeoutMs: 60_000 });
if (task === 'count') await count(Number(turns));
if (task === 'replace') await replace();

async function count(left: number): Promise<void> {
  while (left > 0) {
    const { bytes, generation } = await bucket.get('counter');
    const next = Buffer.from(String(Number(bytes.toString()) + 1));
    const isMine = await unlessChanged(
      bucket.put('counter', next, { ifGeneration: generation, metadata: {} }),
    );
    if (isMine) left--;
  }
}

async function replace(): Promise<void> {
  for (let turn = 0; ; turn++) {
    for (const name of ['a', 'deep/er/b']) {
      const generation = await generationOf(bucket, name);
      if (turn % 3 === 2) {
        await unlessChanged(bucket.delete(name, { ifGeneration: generation }));
        continue;
      }
      const content = Buffer.alloc(1 + (turn % 50) * 1000, `${turn} `);
      const metadata = { turn: String(turn) };
      const put = bucket.put(name, content, { ifGeneration: generation, metadata });
      if (await unlessChanged(put)) process.stdout.write('.');
    }
  }
}

async function generationOf(of: Bucket, name: string): Promise<string> {
  try {
    return (await of.head(name)).generation;
  } catch (error) {
    if (error instanceof BucketError && error.kind === 'missing') return ABSENT;
    throw error;
  }
}

async function unlessChanged(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (error instanceof BucketError && error.kind === 'precondition') return false;
    throw error;
  }
}
