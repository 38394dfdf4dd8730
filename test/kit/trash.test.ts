/** `sessionfs trash`: what is kept of removed sessions, and that only what was meant goes. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ABSENT } from '../../src/bucket/bucket.ts';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { openDirectoryBucket } from '../../src/bucket/directory/directory-bucket.ts';
import { listAll } from '../../src/bucket/list-all.ts';
import { openBucket } from '../../src/bucket/open.ts';
import { loadConfig } from '../../src/config/load.ts';
import { emptyIn, type Trashed } from '../../src/kit/trash.ts';
import { DAY_MS } from '../../src/lib/clock.ts';
import { exitStatus } from '../../src/lib/errors.ts';
import {
  TRASH_FILES,
  TRASH_ROOT,
  trashDirectory,
  trashName,
  trashObject,
} from '../../src/naming/trash-name.ts';
import { packArchive } from '../../src/store/set-aside/archive.ts';
import { runCli } from '../cli/run-cli.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const NOW = Date.now();
const [OLD, YOUNG] = [NOW - 5 * DAY_MS, NOW - DAY_MS];

function archive(session: string, files: number): Buffer {
  return packArchive(
    new Map(Array.from({ length: files }, (_, n) => [`${session}/k-${n}.json`, Buffer.alloc(100)])),
  );
}

/** One session in both places, one in each alone, and what is no archive. */
class Kept {
  readonly cachePath: string;
  readonly bucket: string;

  private constructor(directory: string) {
    this.cachePath = join(directory, 'sessions.sealed');
    this.bucket = join(directory, 'bucket');
  }

  static async make(t: TestContext): Promise<Kept> {
    const kept = new Kept(temporaryDirectory(t));
    const trash = trashDirectory(kept.cachePath);
    mkdirSync(trash, { recursive: true });
    writeFileSync(join(trash, trashName('both-+1', OLD)), archive('both-+1', 3));
    writeFileSync(join(trash, trashName('here-+2', YOUNG)), archive('here-+2', 2));
    writeFileSync(join(trash, 'note'), 'of a person');
    mkdirSync(kept.bucket);
    const bucket = await openBucket({ kind: 'directory', path: kept.bucket });
    const put = (session: string, ms: number, metadata: Record<string, string>) =>
      bucket.put(trashObject(trashName(session, ms)), archive(session, 3), {
        ifGeneration: ABSENT,
        metadata,
      });
    await put('both-+1', OLD, {});
    await put('there-+3', YOUNG, { [TRASH_FILES]: '3' });
    bucket.close();
    return kept;
  }

  run(...args: string[]) {
    const where = ['--cache-path', this.cachePath, '--bucket', `file://${this.bucket}`];
    return runCli(['trash', ...args, ...where], { SESSION_TRASH_DAYS: '9' });
  }

  list(...args: string[]): Trashed[] {
    const { status, stdout, stderr } = this.run('list', '--json', ...args);
    assert.deepEqual([status, stderr], [0, '']);
    return JSON.parse(stdout);
  }

  async left(): Promise<string[]> {
    const bucket = openDirectoryBucket(this.bucket);
    const objects = (await listAll(bucket, TRASH_ROOT)).map(({ name }) => name.slice(TRASH_ROOT.length));
    bucket.close();
    return [...readdirSync(trashDirectory(this.cachePath)), ...objects].map((name) =>
      name.replace(/\.\d+$/, ''),
    );
  }
}

test('the trash of cache and bucket is one list, the oldest first', async (t) => {
  const kept = await Kept.make(t);
  const at = (ms: number) => new Date(ms).toISOString();
  const common = (ms: number) => ({ removedAt: at(ms), until: at(ms + 9 * DAY_MS) });
  const bytes = archive('both-+1', 3).length;
  const listed = kept.list();
  assert.deepEqual(listed[0], {
    session: 'both-+1',
    ...common(OLD),
    files: 3,
    bytes,
    cache: true,
    bucket: true,
  });
  assert.deepEqual(
    listed.slice(1).map(({ session, files, cache, bucket }) => [session, files, cache, bucket]),
    [
      ['there-+3', 3, false, true],
      ['here-+2', 2, true, false],
    ],
  );
  assert.deepEqual(
    kept.list('here-+2').map(({ session }) => session),
    ['here-+2'],
  );
  const where = ['--cache-path', kept.cachePath, '--bucket', `file://${kept.bucket}`];
  const restorable = runCli(['restore', '--list', 'here-+2', '--json', ...where]);
  assert.deepEqual(
    JSON.parse(restorable.stdout).map(({ session }: { session: string }) => session),
    ['here-+2'],
  );
  // What is damaged is listed too, so that it can be deleted.
  writeFileSync(join(trashDirectory(kept.cachePath), trashName('here-+2', YOUNG)), 'SFST');
  assert.match(kept.run().stdout, /^\S+:\d\dZ \(1 d ago\) {2}\S+:\d\dZ {2}- {6}4 B +cache +here-\+2$/m);
});

test('only what was meant goes, for good, and nothing without --yes', async (t) => {
  const kept = await Kept.make(t);
  const before = await kept.left();
  const asked = kept.run('empty');
  assert.equal(asked.status, exitStatus.USAGE);
  assert.match(asked.stderr, /3 archives of 3 removed sessions would be deleted for good; nothing was done/);
  assert.equal(kept.run('empty', '--yes', '--older-than', 'soon').status, exitStatus.USAGE);
  assert.deepEqual(await kept.left(), before);

  const one = kept.run('empty', 'here-+2', '--yes', '--json');
  assert.deepEqual(
    JSON.parse(one.stdout).map(({ session }: Trashed) => session),
    ['here-+2'],
  );
  const sessions = ['note', 'sessions%2Fboth%2F+1', 'sessions/both/+1', 'sessions/there/+3'];
  assert.deepEqual((await kept.left()).sort(), sessions);

  assert.equal(kept.run('empty', '--older-than', '2d', '--yes').status, 0);
  assert.deepEqual(await kept.left(), ['note', 'sessions/there/+3']);
  assert.match(kept.run('empty', '--yes').stdout, /1 archive of removed sessions deleted for good/);
  assert.deepEqual(await kept.left(), ['note']);
  assert.equal(kept.run('empty', '--yes').stdout, 'The trash is empty.\n');
  assert.match(
    kept.run('list').stdout,
    /^The trash is empty\. What was removed just now shows up within 10 s\.\n$/,
  );
});

test('a bucket that fails: what was deleted is said, and the cache comes first', async (t) => {
  const kept = await Kept.make(t);
  const config = loadConfig({ SESSION_CACHE_PATH: kept.cachePath }, {});
  const bucket = new MemoryBucket();
  for (const session of ['both-+1', 'there-+3'])
    await bucket.put(trashObject(trashName(session, OLD)), archive(session, 3), {
      ifGeneration: ABSENT,
      metadata: {},
    });
  bucket.before = ({ operation }) => {
    if (operation === 'delete') throw new BucketError('permission', 'HTTP 403');
  };
  const all = { session: undefined, beforeMs: NOW };
  await assert.rejects(
    emptyIn(bucket, config, all, () => {}),
    {
      code: 'BUCKET_UNAVAILABLE',
      message: '2 of 4 archives are deleted; run it again for the rest: HTTP 403',
    },
  );
  assert.deepEqual(readdirSync(trashDirectory(kept.cachePath)), ['note']);
  assert.equal(bucket.objects.size, 2);
});
