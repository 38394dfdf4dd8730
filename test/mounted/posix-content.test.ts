import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  constants,
  copyFileSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  futimesSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statfsSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { outcome } from './support/probe.ts';
import { hasPython, python } from './support/python.ts';
import { sharedMount } from './support/shared-mount.ts';

const shared = await sharedMount();

for (const name of ['plain', 'creds.json']) {
  test(`an unlinked open file stays readable and writable: ${name}`, () => {
    const folder = shared.folder();
    const fd = openSync(join(folder, name), 'w+');
    writeSync(fd, '{"version":1}');
    unlinkSync(join(folder, name));
    assert.deepEqual(readdirSync(folder), []);
    const out = Buffer.alloc(100);
    assert.equal(out.toString('utf8', 0, readSync(fd, out, 0, 100, 0)), '{"version":1}');
    futimesSync(fd, 1000, 1000);
    writeSync(fd, ' and more');
    assert.ok(fstatSync(fd).mtimeMs > 1_000_000);
    ftruncateSync(fd, 20);
    assert.deepEqual([fstatSync(fd).size, fstatSync(fd).nlink], [20, 0]);
    assert.equal(out.toString('utf8', 0, readSync(fd, out, 0, 100, 0)), '{"version":1} and mo');
    // The name is free for another file meanwhile.
    writeFileSync(join(folder, name), '{}');
    assert.equal(out.toString('utf8', 0, readSync(fd, out, 0, 5, 0)), '{"ver');
    closeSync(fd);
    assert.equal(readFileSync(join(folder, name), 'utf8'), '{}');
  });
}

test('truncation, extension and writes behind the end leave zeros in between', () => {
  const file = join(shared.folder(), 'sparse');
  writeFileSync(file, 'abcdef');
  truncateSync(file, 3);
  truncateSync(file, 5);
  assert.equal(readFileSync(file, 'utf8'), 'abc\0\0');
  const fd = openSync(file, 'r+');
  writeSync(fd, 'z', 10_000);
  closeSync(fd);
  const content = readFileSync(file);
  assert.equal(content.length, 10_001);
  assert.ok(content.subarray(3, 10_000).every((byte) => byte === 0));
  assert.equal(content.toString('utf8', 10_000), 'z');
});

test('reads and writes at offsets touch nothing else, and a read behind the end gets nothing', () => {
  const file = join(shared.folder(), 'file');
  const expected = Buffer.alloc(20_000, '.');
  writeFileSync(file, expected);
  const fd = openSync(file, 'r+');
  for (const [at, text] of [
    [0, 'start'],
    [4094, 'across a page'],
    [19_997, 'end and more'],
  ] as const) {
    writeSync(fd, text, at);
    expected.write(text, at);
  }
  const whole = Buffer.concat([expected, Buffer.from('end and more'.slice(3))]);
  assert.deepEqual(readFileSync(file), whole);
  const out = Buffer.alloc(10);
  assert.equal(readSync(fd, out, 0, 10, 4092), 10);
  assert.equal(out.toString(), '..across a');
  assert.equal(readSync(fd, out, 0, 10, whole.length), 0);
  assert.equal(readSync(fd, out, 0, 10, whole.length - 4), 4);
  closeSync(fd);
});

test('with O_APPEND the lines of several writers are all there, each whole', async () => {
  const file = join(shared.folder(), 'log');
  const writers = await Promise.all([1, 2, 3, 4].map(() => open(file, 'a')));
  const lines = 50;
  await Promise.all(
    writers.map(async (writer, who) => {
      for (let line = 0; line < lines; line++) await writer.write(`writer ${who} line ${line}\n`);
      await writer.close();
    }),
  );
  const shell = `for i in $(seq ${lines}); do echo "writer $0 line $i" >> "$1"; done`;
  const shells = [8, 9].map((who) => spawnSync('sh', ['-c', shell, `${who}`, file]));
  for (const { status } of shells) assert.equal(status, 0);
  const found = readFileSync(file, 'utf8').trimEnd().split('\n');
  assert.equal(found.length, 6 * lines);
  assert.equal(new Set(found).size, 6 * lines);
  for (const line of found) assert.match(line, /^writer \d line \d+$/);
});

test('appending to a truncated *.json begins at its start', () => {
  const file = join(shared.folder(), 'creds.json');
  writeFileSync(file, '{"version":1}');
  const fd = openSync(file, constants.O_WRONLY | constants.O_APPEND | constants.O_TRUNC);
  writeSync(fd, '{"version"');
  writeSync(fd, ':2}');
  closeSync(fd);
  assert.equal(readFileSync(file, 'utf8'), '{"version":2}');
});

test('Baileys’ pairing burst: 812 writeFile at once leave 812 whole files', async () => {
  const folder = shared.folder();
  const numbers = Array.from({ length: 812 }, (_, index) => index + 1);
  const content = (id: number) => JSON.stringify({ id, private: 'p'.repeat(44), public: 'q'.repeat(44) });
  const path = (id: number) => join(folder, `pre-key-${id}.json`);
  await Promise.all(numbers.map((id) => writeFile(path(id), content(id))));
  assert.equal(readdirSync(folder).length, 812);
  const read = await Promise.all(numbers.map((id) => readFile(path(id), 'utf8')));
  assert.deepEqual(read, numbers.map(content));
  // And once more over what is there.
  await Promise.all(numbers.map((id) => writeFile(path(id), content(-id))));
  const again = await Promise.all(numbers.map((id) => readFile(path(id), 'utf8')));
  assert.deepEqual(
    again,
    numbers.map((id) => content(-id)),
  );
});

test('fsync and fdatasync of files and folders return, and what was written before them is there', () => {
  const folder = shared.folder();
  for (const sync of [fsyncSync, fdatasyncSync]) {
    const fd = openSync(join(folder, 'file'), 'w');
    writeSync(fd, 'content');
    sync(fd);
    closeSync(fd);
    const directory = openSync(folder, 'r');
    sync(directory);
    closeSync(directory);
    assert.equal(readFileSync(join(folder, 'file'), 'utf8'), 'content');
  }
  assert.equal(spawnSync('sync', ['-f', folder]).status, 0);
});

test('O_DIRECT and O_SYNC read and write as without them', () => {
  const file = join(shared.folder(), 'file');
  const { O_CREAT, O_DIRECT, O_RDWR, O_SYNC } = constants;
  for (const flag of [O_DIRECT, O_SYNC]) {
    const fd = openSync(file, O_CREAT | O_RDWR | flag, 0o600);
    writeSync(fd, 'unaligned content', 3);
    const out = Buffer.alloc(9);
    assert.equal(readSync(fd, out, 0, 9, 3), 9);
    assert.equal(out.toString(), 'unaligned');
    closeSync(fd);
    assert.equal(readFileSync(file, 'utf8'), '\0\0\0unaligned content');
  }
});

test('copy_file_range, sendfile and cp copy whole files, a *.json too', () => {
  const folder = shared.folder();
  const content = JSON.stringify({ padding: 'x'.repeat(700_000) });
  const source = join(folder, 'source.json');
  writeFileSync(source, content);
  copyFileSync(source, join(folder, 'copied.json'));
  assert.equal(readFileSync(join(folder, 'copied.json'), 'utf8'), content);
  assert.equal(spawnSync('cp', ['-p', source, join(folder, 'cp.json')]).status, 0);
  assert.equal(readFileSync(join(folder, 'cp.json'), 'utf8'), content);
  assert.equal(statSync(join(folder, 'cp.json')).mtimeMs, statSync(source).mtimeMs);
  if (!hasPython) return;
  const script = `
source, target = os.open(sys.argv[1], os.O_RDONLY), os.open(sys.argv[2], os.O_RDWR | os.O_CREAT)
copied = 0
while copied < os.fstat(source).st_size:
    copied += os.sendfile(target, source, copied, 1 << 20)
`;
  python(script, source, join(folder, 'sendfile.json'));
  assert.equal(readFileSync(join(folder, 'sendfile.json'), 'utf8'), content);
});

test('locks keep others out: flock', () => {
  const file = join(shared.folder(), 'lock');
  writeFileSync(file, '');
  const inner = `flock --nonblock "$0" true; echo inner $?`;
  const outer = spawnSync('flock', ['--nonblock', file, 'sh', '-c', inner, file], { encoding: 'utf8' });
  assert.equal(outer.stdout, 'inner 1\n');
  assert.equal(spawnSync('flock', ['--nonblock', file, 'true']).status, 0);
});

test('statfs describes the disk under the cache', () => {
  const here = statfsSync(shared.mounted.mountPoint);
  const disk = statfsSync(join(shared.mounted.mountPoint, '..'));
  assert.deepEqual([here.bsize, here.blocks], [disk.bsize, disk.blocks]);
  assert.ok(here.bavail > 0 && here.bavail <= here.blocks);
});

test('opening what is not there, a folder for writing, or through a file fails as everywhere', () => {
  const folder = shared.folder();
  writeFileSync(join(folder, 'file'), '');
  assert.equal(
    outcome(() => openSync(join(folder, 'missing'), 'r')),
    'ENOENT',
  );
  assert.equal(
    outcome(() => openSync(folder, 'r+')),
    'EISDIR',
  );
  assert.equal(
    outcome(() => readFileSync(folder)),
    'EISDIR',
  );
  assert.equal(
    outcome(() => openSync(join(folder, 'file/inner'), 'r')),
    'ENOTDIR',
  );
  assert.equal(
    outcome(() => openSync(join(folder, 'file'), 'wx')),
    'EEXIST',
  );
  appendFileSync(join(folder, 'file'), '');
  assert.equal(statSync(join(folder, 'file')).size, 0);
});
