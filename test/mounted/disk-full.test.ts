import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scope } from '../support/cleanup.ts';
import { directTest } from '../support/driver.ts';
import { fileScope } from '../support/file-scope.ts';
import { type Mounted, mountSessionfs } from '../support/mount-sessionfs.ts';
import { assertRefused } from './refused-start.ts';
import { readTree, sessionTree, type Tree, writeTree } from './session-files.ts';
import { SmallDisk } from './small-disk.ts';
import { hasPython, python } from './support/python.ts';

const DISK_MIB = 4;
const KIB = 1024;
const HANG_MS = 60_000;

const SESSION = sessionTree('user1-+15550001');
const full = { code: 'ENOSPC' };
const document = (n: number, length: number) => JSON.stringify({ n, filler: 'x'.repeat(length) });

async function mountOn(scope: Scope, disk: SmallDisk): Promise<Mounted> {
  return mountSessionfs(scope, { mountPoint: disk.mountPoint, args: disk.cacheArguments });
}

/** Writes files beside those that are there until the disk is full. The one that failed is not there. */
function fill(mountPoint: string): void {
  for (let n = fillers(mountPoint).length; ; n++) {
    try {
      writeFileSync(join(mountPoint, `filler-${n}.json`), document(n, 100 * KIB));
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
      assert.ok(n > 0);
      return;
    }
  }
}

function fillers(mountPoint: string): string[] {
  return readdirSync(mountPoint).filter((name) => name.startsWith('filler-'));
}

/** Room comes in the background, once what was deleted or moved to the cache has given its own free. */
async function untilWritable(write: () => void): Promise<void> {
  const deadline = performance.now() + HANG_MS;
  for (;;) {
    try {
      write();
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC' || performance.now() > deadline) throw error;
      await sleep(50);
    }
  }
}

const ofFile = fileScope();
/** What a test that ended well left for the next one. */
let left: { disk: SmallDisk; mounted: Mounted } | undefined;

async function smallMount(): Promise<{ disk: SmallDisk; mounted: Mounted }> {
  const disk = new SmallDisk(ofFile, DISK_MIB);
  return { disk, mounted: await mountOn(ofFile, disk) };
}

async function fullMount() {
  const { disk, mounted } = left ?? (await smallMount());
  left = undefined;
  writeTree(disk.mountPoint, SESSION);
  fill(disk.mountPoint);
  return { disk, mounted, tree: readTree(disk.mountPoint) };
}

test('a full disk is ENOSPC to the writer; the old version stays, for readers and for the next mount', async () => {
  const { disk, mounted, tree } = await fullMount();
  const creds = join(disk.mountPoint, 'user1-+15550001/creds.json');
  for (const length of [500 * KIB, 1200 * KIB]) {
    assert.throws(() => writeFileSync(creds, document(0, length)), full);
    assert.equal(readFileSync(creds, 'utf8'), tree['user1-+15550001/creds.json']);
  }
  assert.throws(() => writeFileSync(join(disk.mountPoint, 'new.json'), document(0, 500 * KIB)), full);
  assert.deepEqual(differing(readTree(disk.mountPoint), tree), []);
  await mounted.unmount();
  assert.match(mounted.log(), /"level":"warn".*The disk of the cache is full: a change was refused/);

  const again = await mountOn(ofFile, disk);
  assert.deepEqual(differing(readTree(disk.mountPoint), tree), []);
  await again.unmount();
});

function differing(actual: Tree, expected: Tree): string[] {
  return Object.keys({ ...actual, ...expected }).filter((path) => actual[path] !== expected[path]);
}

test('a full disk has room again once files are deleted through the mount', async () => {
  const { disk, mounted } = await fullMount();
  for (const name of fillers(disk.mountPoint)) await untilWritable(() => rmSync(join(disk.mountPoint, name)));
  const file = join(disk.mountPoint, 'room.json');
  await untilWritable(() => writeFileSync(file, document(1, 500 * KIB)));
  await mounted.unmount();

  const again = await mountOn(ofFile, disk);
  const expected = { ...SESSION, 'room.json': document(1, 500 * KIB) };
  assert.deepEqual(differing(readTree(disk.mountPoint), expected), []);
  left = { disk, mounted: again };
});

test('what fills a disk to its last byte, over a restart too, can be deleted', async (t) => {
  const disk = new SmallDisk(t, DISK_MIB);
  const first = await mountOn(t, disk);
  fill(disk.mountPoint);
  // The cache takes no segment of this size: the reserve of checkpoints is smaller, and is gone from here on.
  await first.unmount();
  const again = await mountOn(t, disk);
  // A record of this name is longer than those that find the rest of the last block.
  const long = join(disk.mountPoint, 'n'.repeat(250));
  mkdirSync(long);
  assert.throws(() => {
    for (let n = 0; ; n++) mkdirSync(join(disk.mountPoint, `d${n}`));
  }, full);
  rmdirSync(long);
  for (const name of readdirSync(disk.mountPoint))
    await untilWritable(() => rmSync(join(disk.mountPoint, name), { recursive: true }));
  await untilWritable(() => writeFileSync(join(disk.mountPoint, 'room.json'), document(1, 500 * KIB)));
  await again.unmount();
});

/** Its time changes before the disk is full, and is asked for after that: then the kernel drops what it has of the file. */
const MAPS = `
fd = os.open(sys.argv[1], os.O_RDWR)
mapped = mmap.mmap(fd, 32768)
os.pwrite(fd, b'old', 0)
number = 0
def fill(size):
    with open('%s/filler-%d' % (sys.argv[2], number), 'wb', buffering=0) as filler:
        filler.write(b'x' * size)
for size in [100000, 100]:
    while attempt(lambda: fill(size)) == 'ok':
        number += 1
pages = range(0, 32768, 4096)
for page in pages:
    mapped[page:page + 3] = b'new'
os.stat(sys.argv[1])
print(' '.join(bytes(mapped[page:page + 3]).decode() for page in pages), attempt(mapped.flush))
`;

directTest('a mapped page that a full disk does not take is not lost', async (t) => {
  // test/fs/failures.test.ts asks the core.
  if (!hasPython) return;
  const disk = new SmallDisk(t, DISK_MIB);
  const mounted = await mountOn(t, disk);
  const file = join(disk.mountPoint, 'index');
  writeFileSync(file, Buffer.alloc(32 * KIB));
  assert.equal(python(MAPS, file, disk.mountPoint), `${'new '.repeat(8)}ENOSPC`);
  disk.grow(4 * DISK_MIB);
  await mounted.unmount();
  const again = await mountOn(t, disk);
  const content = readFileSync(file);
  for (let page = 0; page < content.length; page += 4 * KIB)
    assert.equal(content.toString('latin1', page, page + 3), 'new');
  await again.unmount();
});

test('a full disk that grows is written to again, without a remount', async () => {
  const { disk, mounted, tree } = await fullMount();
  disk.grow(4 * DISK_MIB);
  const file = join(disk.mountPoint, 'after.json');
  writeFileSync(file, document(1, 500 * KIB));
  await mounted.unmount();
  const again = await mountOn(ofFile, disk);
  assert.deepEqual(
    differing(readTree(disk.mountPoint), { ...tree, 'after.json': document(1, 500 * KIB) }),
    [],
  );
  await again.unmount();
});

test('rewriting small files for long needs no more room than the files', async (t) => {
  const disk = new SmallDisk(t, DISK_MIB);
  const mounted = await mountOn(t, disk);
  const bytesEach = 8 * KIB;
  // Of each file, so that together they are three times the disk.
  const versions = (DISK_MIB * KIB * KIB) / bytesEach;
  const writers = ['creds.json', 'session-1.json', 'session-2.json'].map(async (name) => {
    const file = join(disk.mountPoint, name);
    for (let version = 0; version < versions; version++) await writeFile(file, document(version, bytesEach));
    assert.equal(readFileSync(file, 'utf8'), document(versions - 1, bytesEach));
  });
  await Promise.all(writers);
  await mounted.unmount();
  assert.doesNotMatch(mounted.log(), /disk of the cache is full/);
});

test('a first start on a full disk says that, and leaves no key behind', (t) => {
  const disk = new SmallDisk(t, 1);
  mkdirSync(disk.cachePath, { mode: 0o700 });
  assert.throws(() => writeFileSync(join(disk.path, 'filler'), Buffer.alloc(2 * 1024 * KIB)), full);
  assertRefused(
    { within: disk.within, args: [disk.mountPoint, ...disk.cacheArguments] },
    {
      code: 'CACHE_NOT_WRITABLE',
      message: /cannot write the key file .*ENOSPC/,
      hint: /Free space on its disk/,
    },
  );
  assert.deepEqual(readdirSync(disk.path).sort(), ['cache', 'filler']);
});
