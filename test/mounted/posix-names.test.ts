import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { opendir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Errno } from '../../src/lib/errno.ts';
import { directTest, isNative } from '../support/driver.ts';
import { CoreFiles } from './support/core-files.ts';
import { outcome } from './support/probe.ts';
import { hasPython, python } from './support/python.ts';
import { sharedMount } from './support/shared-mount.ts';

const shared = await sharedMount();

test('mkdir and rmdir refuse what is there, what is missing and what is not empty', () => {
  const folder = shared.folder();
  const [directory, file] = [join(folder, 'directory'), join(folder, 'file')];
  mkdirSync(directory);
  writeFileSync(file, '');
  assert.equal(
    outcome(() => mkdirSync(directory)),
    'EEXIST',
  );
  assert.equal(
    outcome(() => mkdirSync(file)),
    'EEXIST',
  );
  assert.equal(
    outcome(() => mkdirSync(join(folder, 'missing/inner'))),
    'ENOENT',
  );
  assert.equal(
    outcome(() => mkdirSync(join(file, 'inner'))),
    'ENOTDIR',
  );
  assert.equal(statSync(directory).nlink, 2);
  mkdirSync(join(directory, 'inner'));
  assert.equal(statSync(directory).nlink, 3);
  assert.equal(
    outcome(() => rmdirSync(directory)),
    'ENOTEMPTY',
  );
  assert.equal(
    outcome(() => rmdirSync(file)),
    'ENOTDIR',
  );
  assert.equal(
    outcome(() => rmdirSync(join(folder, 'missing'))),
    'ENOENT',
  );
  assert.match(
    outcome(() => unlinkSync(directory)),
    /EISDIR|EPERM/,
  );
  rmdirSync(join(directory, 'inner'));
  rmdirSync(directory);
  assert.deepEqual(readdirSync(folder), ['file']);
});

test('rename replaces a file and an empty folder, and nothing else', () => {
  const folder = shared.folder();
  const path = (name: string) => join(folder, name);
  for (const name of ['a', 'b']) writeFileSync(path(name), name);
  for (const name of ['empty', 'full', 'full/inner', 'moving']) mkdirSync(path(name));
  writeFileSync(path('moving/file'), 'moved along');

  renameSync(path('a'), path('b'));
  assert.equal(readFileSync(path('b'), 'utf8'), 'a');
  assert.ok(!existsSync(path('a')));
  renameSync(path('b'), path('b'));
  assert.equal(readFileSync(path('b'), 'utf8'), 'a');

  assert.equal(
    outcome(() => renameSync(path('missing'), path('b'))),
    'ENOENT',
  );
  assert.equal(
    outcome(() => renameSync(path('b'), path('empty'))),
    'EISDIR',
  );
  assert.equal(
    outcome(() => renameSync(path('empty'), path('b'))),
    'ENOTDIR',
  );
  assert.equal(
    outcome(() => renameSync(path('moving'), path('full'))),
    'ENOTEMPTY',
  );
  assert.equal(
    outcome(() => renameSync(path('full'), path('full/inner/deeper'))),
    'EINVAL',
  );

  renameSync(path('moving'), path('empty'));
  assert.equal(readFileSync(path('empty/file'), 'utf8'), 'moved along');
  renameSync(path('empty'), path('full/inner'));
  assert.equal(readFileSync(path('full/inner/file'), 'utf8'), 'moved along');
  assert.deepEqual(readdirSync(folder).sort(), ['b', 'full']);
});

test('rename over an open file keeps the old data readable', () => {
  const folder = shared.folder();
  const file = join(folder, 'creds.json');
  writeFileSync(file, '{"version":1}');
  const fd = openSync(file, 'r');
  writeFileSync(`${file}.tmp`, '{"version":2}');
  renameSync(`${file}.tmp`, file);
  assert.equal(readFileSync(fd, 'utf8'), '{"version":1}');
  assert.equal(readFileSync(file, 'utf8'), '{"version":2}');
  closeSync(fd);
});

test('a file that is renamed while it is open goes on under its new name', () => {
  const folder = shared.folder();
  const [from, to] = [join(folder, 'from'), join(folder, 'to')];
  const fd = openSync(from, 'w');
  writeSync(fd, 'before ');
  renameSync(from, to);
  writeSync(fd, 'after');
  assert.equal(readFileSync(to, 'utf8'), 'before after');
  closeSync(fd);
});

directTest(
  'RENAME_NOREPLACE refuses to replace, RENAME_EXCHANGE swaps, and both at once are invalid',
  (t) => {
    if (!hasPython) return renameFlagsInCore(t);
    const folder = shared.folder();
    const [a, b, missing] = [join(folder, 'a.json'), join(folder, 'b'), join(folder, 'missing')];
    writeFileSync(a, '{"a":1}');
    mkdirSync(b);
    writeFileSync(join(b, 'inner'), 'inner');
    const renameat2 = (from: string, to: string, flags: number) =>
      python(
        'print(attempt(lambda: renameat2(sys.argv[1], sys.argv[2], int(sys.argv[3]))))',
        from,
        to,
        `${flags}`,
      );
    assert.equal(renameat2(a, b, 1), 'EEXIST');
    assert.equal(renameat2(a, missing, 2), 'ENOENT');
    assert.equal(renameat2(a, b, 3), 'EINVAL');
    assert.equal(renameat2(a, b, 2), 'ok');
    assert.equal(readFileSync(b, 'utf8'), '{"a":1}');
    assert.equal(readFileSync(join(a, 'inner'), 'utf8'), 'inner');
    assert.equal(renameat2(b, missing, 1), 'ok');
    assert.deepEqual(readdirSync(folder).sort(), ['a.json', 'missing']);
  },
);

function renameFlagsInCore(t: TestContext): void {
  const core = new CoreFiles(t);
  for (const name of ['a', 'b']) core.write(core.create(name), 0, name);
  assert.equal(core.rename('a', 'b', 1), Errno.EEXIST);
  assert.equal(core.rename('a', 'missing', 2), Errno.ENOENT);
  assert.equal(core.rename('a', 'b', 3), Errno.EINVAL);
  assert.equal(core.rename('a', 'b', 2), 0);
  assert.deepEqual([core.read('a'), core.read('b')], ['b', 'a']);
  assert.equal(core.rename('a', 'missing', 1), 0);
  assert.equal(core.read('missing'), 'b');
}

test('symbolic links are kept as they are: relative, absolute, dangling and long', () => {
  const folder = shared.folder();
  writeFileSync(join(folder, 'file'), 'content');
  const targets = {
    relative: 'file',
    absolute: join(folder, 'file'),
    dangling: 'nowhere',
    long: 'x/'.repeat(2047),
  };
  for (const [name, target] of Object.entries(targets)) {
    symlinkSync(target, join(folder, name));
    assert.equal(readlinkSync(join(folder, name)), target);
    assert.ok(lstatSync(join(folder, name)).isSymbolicLink());
    assert.equal(lstatSync(join(folder, name)).size, target.length);
  }
  assert.equal(readFileSync(join(folder, 'relative'), 'utf8'), 'content');
  assert.equal(readFileSync(join(folder, 'absolute'), 'utf8'), 'content');
  assert.equal(
    outcome(() => readFileSync(join(folder, 'dangling'))),
    'ENOENT',
  );
  assert.equal(
    outcome(() => symlinkSync('x'.repeat(4096), join(folder, 'too-long'))),
    'ENAMETOOLONG',
  );
  unlinkSync(join(folder, 'relative'));
  assert.equal(readFileSync(join(folder, 'file'), 'utf8'), 'content');
});

test('a listing of 5,000 entries shows each that was there all the time exactly once, whatever comes and goes', async () => {
  const folder = shared.folder();
  const staying = Array.from({ length: 5000 }, (_, index) => `stays-${index}`);
  const going = Array.from({ length: 500 }, (_, index) => `goes-${index}`);
  const [first = [], second = []] = [staying.slice(0, 2500), staying.slice(2500)];
  for (const name of [...first, ...going, ...second]) symlinkSync('x', join(folder, name));
  const seen: string[] = [];
  let step = 0;
  for await (const { name } of await opendir(folder, { bufferSize: 16 })) {
    seen.push(name);
    if (seen.length % 11 !== 0) continue;
    const gone = going.pop();
    if (gone !== undefined) unlinkSync(join(folder, gone));
    writeFileSync(join(folder, `comes-${step++}`), '');
    renameSync(join(folder, `comes-${step - 1}`), join(folder, `came-${step - 1}`));
  }
  assert.ok(step > 100);
  assert.deepEqual(seen.filter((name) => name.startsWith('stays-')).sort(), [...staying].sort());
  assert.equal(new Set(seen).size, seen.length);
});

test('a folder goes with all that is in it', () => {
  const folder = shared.folder();
  const top = join(folder, 'top');
  mkdirSync(join(top, 'a/b/c'), { recursive: true });
  for (const name of ['x.json', 'a/y.json', 'a/b/c/z']) writeFileSync(join(top, name), '{}');
  const open = openSync(top, 'r');
  rmSync(top, { recursive: true });
  assert.deepEqual(readdirSync(folder), []);
  // libfuse names open folders by paths: there fstat(2) gives ENOENT.
  if (!isNative) assert.equal(fstatSync(open).nlink, 0);
  closeSync(open);
});

test('the mount point itself can be neither removed nor renamed', () => {
  const { mountPoint } = shared.mounted;
  assert.equal(
    outcome(() => rmdirSync(mountPoint)),
    'EBUSY',
  );
  assert.equal(
    outcome(() => renameSync(mountPoint, `${mountPoint}-${basename(mountPoint)}`)),
    'EBUSY',
  );
});
