/** What every Bucket promises, on every Bucket. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { ABSENT, type Bucket, type ObjectVersion } from '../../src/bucket/bucket.ts';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { retrying } from '../../src/bucket/retry.ts';
import { crc32c } from '../../src/lib/crc32c.ts';
import { gcsEmulator, storeTestObject } from '../support/gcs-emulator.ts';
import { HOSTILE_NAMES } from './hostile-names.ts';
import { ofKind, PAGE_SIZES, subjects } from './subjects.ts';

const create = (bucket: Bucket, name: string, content: string | Buffer = name): Promise<ObjectVersion> =>
  bucket.put(name, Buffer.from(content), { ifGeneration: ABSENT, metadata: {} });

/** As `create`; the emulator gets it without what the SDK takes for an upload. */
async function store(bucket: Bucket, name: string): Promise<void> {
  const [, emulated] = /^gs:\/\/(.*)$/.exec(bucket.address) ?? [];
  if (emulated === undefined) await create(bucket, name);
  else await storeTestObject(await gcsEmulator(), emulated, name);
}

async function listAll(bucket: Bucket, prefix: string): Promise<{ objects: ObjectVersion[]; pages: number }> {
  const objects: ObjectVersion[] = [];
  let page: string | undefined;
  for (let pages = 1; ; pages++) {
    const found = await bucket.list(prefix, page);
    objects.push(...found.objects);
    page = found.nextPage;
    if (page === undefined) return { objects, pages };
  }
}

/** Some answers know the time of a version only to the second. */
function assertSame(found: ObjectVersion | undefined, expected: ObjectVersion): void {
  assert.ok(found !== undefined && Math.abs(found.updatedMs - expected.updatedMs) < 2000);
  assert.deepEqual({ ...found, updatedMs: expected.updatedMs }, expected);
}

for (const [name, subject] of Object.entries(subjects)) {
  describe(name, () => {
    test('what was put is got, with its version, its metadata and its checksum', async (t) => {
      const open = await subject(t);
      const bucket = open();
      const bytes = randomBytes(1000);
      const beforeMs = Date.now();
      const put = await bucket.put('a/b', bytes, {
        ifGeneration: ABSENT,
        metadata: { epoch: '7', 'mount-id': 'x y=z' },
        uploadId: 'try-1',
      });
      assert.equal(put.name, 'a/b');
      assert.equal(put.size, 1000);
      assert.equal(put.crc32c, crc32c(bytes));
      assert.deepEqual(put.metadata, { epoch: '7', 'mount-id': 'x y=z' });
      assert.equal(put.uploadId, 'try-1');
      assert.ok(Math.abs(put.updatedMs - beforeMs) < 60_000, String(put.updatedMs));
      assert.notEqual(put.generation, ABSENT);

      const { bytes: found, ...got } = await bucket.get('a/b');
      assert.deepEqual(found, bytes);
      assertSame(got, put);
      assertSame(await bucket.head('a/b'), put);
      const { objects } = await bucket.list('a/');
      assert.equal(objects.length, 1);
      assertSame(objects[0], put);
      // Another mount knows nothing of it, or its generation.
      const [listed] = (await open().list('a/')).objects;
      assertSame(listed, put);
      assert.deepEqual((await open().list('a/', undefined, () => put.generation)).objects, [listed]);
      assert.deepEqual((await open().list('a/', undefined, () => '12345')).objects, [listed]);
    });

    test('an object that is larger than its reader takes is corrupt, and not read', async (t) => {
      const bucket = (await subject(t))();
      await create(bucket, 'x.json', Buffer.alloc(100));
      assert.equal((await bucket.get('x.json', { maxBytes: 100 })).size, 100);
      await assert.rejects(
        bucket.get('x.json', { maxBytes: 99 }),
        ofKind('corrupt', /more than the 99 bytes/),
      );
    });

    for (const [title, bytes] of [
      ['an empty object', Buffer.alloc(0)],
      ['5 MB that do not compress', randomBytes(5_000_000)],
      ['1 MB that compresses', Buffer.alloc(1_000_000, 'sessions ')],
    ] as const) {
      test(`${title} comes back as it went`, async (t) => {
        const bucket = (await subject(t))();
        await create(bucket, 'x.json', bytes);
        assert.ok((await bucket.get('x.json')).bytes.equals(bytes));
      });
    }

    test('a view of a larger buffer is stored as the view', async (t) => {
      const bucket = (await subject(t))();
      const view = new Uint8Array(Buffer.from('-inside-').buffer.slice(0)).fill(65).subarray(1, 4);
      await bucket.put('view', view, { ifGeneration: ABSENT, metadata: {} });
      assert.equal((await bucket.get('view')).bytes.toString(), 'AAA');
    });

    test('names that libraries stumble over are objects like any other', async (t) => {
      const bucket = (await subject(t))();
      for (const hostile of HOSTILE_NAMES) await create(bucket, hostile);
      for (const hostile of HOSTILE_NAMES) {
        assert.equal((await bucket.get(hostile)).bytes.toString(), hostile);
        assert.equal((await bucket.head(hostile)).name, hostile);
        assert.ok(
          (await bucket.list(hostile)).objects.some((object) => object.name === hostile),
          hostile,
        );
      }
      const { objects } = await listAll(bucket, '');
      assert.deepEqual(objects.map((object) => object.name).sort(), [...HOSTILE_NAMES].sort());
      for (const { name: hostile, generation } of objects)
        await bucket.delete(hostile, { ifGeneration: generation });
      assert.deepEqual((await bucket.list('')).objects, []);
    });

    test('a listing comes in pages, each object once, and only what the prefix asks for', async (t) => {
      const bucket = (await subject(t))();
      const size = name === 'moto' ? PAGE_SIZES.moto : 1000;
      const names = Array.from({ length: size + 3 }, (_, index) => `in/${index % 7}/${index}`);
      const left = [...names, 'in', 'inner', 'in.x', 'other/in/1'].filter((path) => path !== 'in');
      await Promise.all(
        Array.from({ length: 16 }, async () => {
          for (let path = left.pop(); path !== undefined; path = left.pop()) await store(bucket, path);
        }),
      );
      const { objects, pages } = await listAll(bucket, 'in/');
      assert.deepEqual(objects.map((object) => object.name).sort(), [...names].sort());
      assert.equal(pages, 2);
      assert.deepEqual((await bucket.list('in/3/10')).objects.map((object) => object.name).sort(), [
        'in/3/10',
        'in/3/101',
        'in/3/108',
      ]);
      const inside = (await listAll(bucket, 'in')).objects.map((object) => object.name);
      assert.deepEqual(inside.filter((path) => !path.startsWith('in/')).sort(), ['in.x', 'inner']);
      assert.deepEqual((await bucket.list('nothing/')).objects, []);
    });

    test('what is not there is missing', async (t) => {
      const bucket = (await subject(t))();
      await create(bucket, 'a/b');
      for (const absent of ['x', 'a/x', 'a', 'a/b/c']) {
        await assert.rejects(bucket.get(absent), ofKind('missing', /object/));
        await assert.rejects(bucket.head(absent), ofKind('missing'));
        await bucket.delete(absent, { ifGeneration: '12345' });
      }
      await assert.rejects(
        bucket.put('x', Buffer.from('x'), { ifGeneration: '12345', metadata: {} }),
        ofKind('precondition'),
      );
    });

    test('a put replaces the version it names, and no other', async (t) => {
      const bucket = (await subject(t))();
      const first = await create(bucket, 'x', 'one');
      await assert.rejects(create(bucket, 'x', 'two'), ofKind('precondition'));
      const put = (content: string, ifGeneration: string) =>
        bucket.put('x', Buffer.from(content), { ifGeneration, metadata: {} });
      const second = await put('two', first.generation);
      assert.notEqual(second.generation, first.generation);
      await assert.rejects(put('three', first.generation), ofKind('precondition'));
      assert.equal((await bucket.get('x')).bytes.toString(), 'two');
    });

    test('a delete removes the version it names, and no other', async (t) => {
      const bucket = (await subject(t))();
      const first = await create(bucket, 'x', 'one');
      const second = await bucket.put('x', Buffer.from('two'), {
        ifGeneration: first.generation,
        metadata: {},
      });
      await assert.rejects(bucket.delete('x', { ifGeneration: first.generation }), ofKind('precondition'));
      assert.equal((await bucket.get('x')).bytes.toString(), 'two');
      await bucket.delete('x', { ifGeneration: second.generation });
      await assert.rejects(bucket.head('x'), ofKind('missing'));
      await bucket.delete('x', { ifGeneration: second.generation });
    });

    test('the same content again is another version: who knew the first one notices', async (t) => {
      const bucket = (await subject(t))();
      const first = await create(bucket, 'x', 'same');
      await bucket.delete('x', { ifGeneration: first.generation });
      const again = await create(bucket, 'x', 'same');
      assert.notEqual(again.generation, first.generation);
      await assert.rejects(bucket.delete('x', { ifGeneration: first.generation }), ofKind('precondition'));
      const stale = { ifGeneration: first.generation, metadata: {} };
      await assert.rejects(bucket.put('x', Buffer.from('stale'), stale), ofKind('precondition'));
      assert.equal((await bucket.head('x')).generation, again.generation);
    });

    test('of 16 writers at once exactly one wins, each time', async (t) => {
      const open = await subject(t);
      const buckets = [open(), open(), open(), open()];
      let ifGeneration: string = ABSENT;
      for (let round = 0; round < 5; round++) {
        const contents = Array.from({ length: 16 }, (_, writer) => `${round} ${writer}`);
        const results = await Promise.allSettled(
          contents.map((content, writer) =>
            (buckets[writer % 4] as Bucket).put('x', Buffer.from(content), { ifGeneration, metadata: {} }),
          ),
        );
        const winners = results.flatMap((result, writer) => (result.status === 'fulfilled' ? [writer] : []));
        assert.equal(winners.length, 1, `round ${round}: ${winners.length} winners`);
        for (const result of results) {
          if (result.status === 'rejected') assert.ok(ofKind('precondition')(result.reason));
        }
        const { generation, bytes } = await open().get('x');
        assert.equal(bytes.toString(), contents[winners[0] as number]);
        ifGeneration = generation;
      }
    });

    test('a second try of an upload finds what the first one stored; another upload does not', async (t) => {
      const bucket = (await subject(t))();
      const options = { ifGeneration: ABSENT, metadata: { epoch: '1' }, uploadId: 'the-same' };
      const first = await bucket.put('x', Buffer.from('one'), options);
      assertSame(await bucket.put('x', Buffer.from('one'), options), first);
      await assert.rejects(bucket.put('x', Buffer.from('two'), options), ofKind('precondition'));
      await assert.rejects(
        bucket.put('x', Buffer.from('one'), { ...options, uploadId: 'another' }),
        ofKind('precondition'),
      );
    });

    test('metadata that some store would change is refused', async (t) => {
      const bucket = (await subject(t))();
      for (const metadata of [
        { Epoch: '1' },
        { e: 'ü' },
        { e: ' x' },
        { e: '' },
        { e: 'a\nb' },
        { 'sessionfs-upload': 'x' },
      ]) {
        const put = bucket.put('x', Buffer.from('x'), {
          ifGeneration: ABSENT,
          metadata: metadata as Record<string, string>,
        });
        await assert.rejects(put, ofKind('rejected'));
      }
    });

    test('a bucket has no age limit of its own', async (t) => {
      assert.equal(await (await subject(t))().deleteAfterDays(), undefined);
    });

    test('a closed bucket answers nothing', async (t) => {
      const bucket = (await subject(t))();
      await create(bucket, 'x');
      bucket.close();
      await assert.rejects(bucket.get('x'), ofKind('unreachable', /closed/));
      await assert.rejects(retrying(bucket, { attempts: 2, baseMs: 1, capMs: 1 }).get('x'), BucketError);
    });
  });
}
