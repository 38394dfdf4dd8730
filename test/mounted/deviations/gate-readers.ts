/** What readers find of a *.json while it is being written. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  watch,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { driverUnderTest } from '../../support/driver.ts';
import type { Deviations } from '../support/deviation.ts';
import { exists, outcome, until } from '../support/probe.ts';
import { hasPython, python } from '../support/python.ts';
import { killed } from './content.ts';

const OLD = '{"version":1}';
const NEW = '{"version":2,"longer":true}';

const read = (file: string) => readFileSync(file, 'utf8');

export const gateReaders: Deviations = {
  'A truncated `*.json` keeps its old version until the new one is complete'({ folder }) {
    const file = join(folder, 'creds.json');
    writeFileSync(file, OLD);
    const early = openSync(file, 'r');
    const fd = openSync(file, 'w');
    assert.equal(read(file), OLD);
    writeSync(fd, NEW.slice(0, 9));
    assert.equal(read(file), OLD);
    assert.equal(readFileSync(early, 'utf8'), OLD);
    assert.equal(execFileSync('cat', [file], { encoding: 'utf8' }), OLD);
    writeSync(fd, NEW.slice(9));
    assert.equal(read(file), NEW);
    closeSync(fd);
    closeSync(early);
  },

  'Between truncation and completion, stat tells the old size and the old times'({ folder }) {
    const file = join(folder, 'creds.json');
    writeFileSync(file, OLD);
    const before = statSync(file);
    const fd = openSync(file, 'w');
    for (const written of ['', NEW.slice(0, 5)]) {
      writeSync(fd, written);
      const { size, mtimeMs, ctimeMs } = statSync(file);
      assert.deepEqual([size, mtimeMs, ctimeMs], [OLD.length, before.mtimeMs, before.ctimeMs]);
      assert.equal(fstatSync(fd).size, OLD.length);
    }
    writeSync(fd, NEW.slice(5));
    assert.equal(statSync(file).size, NEW.length);
    closeSync(fd);
  },

  'A `*.json` that is truncated and never written keeps its old version for good': killed.of({
    before(folder) {
      const file = join(folder, 'creds.json');
      writeFileSync(file, OLD);
      assert.equal(spawnSync('sh', ['-c', 'exec 3>"$1"; kill -KILL $$', 'sh', file]).signal, 'SIGKILL');
      assert.equal(read(file), OLD);
    },
    after(folder) {
      const file = join(folder, 'creds.json');
      assert.equal(read(file), OLD);
      assert.equal(statSync(file).size, OLD.length);
    },
  }),

  'The writer too reads the old version until its own is complete'({ folder }) {
    const file = join(folder, 'creds.json');
    writeFileSync(file, OLD);
    const fd = openSync(file, 'w+');
    writeSync(fd, '{"version":');
    const out = Buffer.alloc(100);
    assert.equal(out.toString('utf8', 0, readSync(fd, out, 0, 100, 0)), OLD);
    writeSync(fd, '2}');
    assert.equal(out.toString('utf8', 0, readSync(fd, out, 0, 100, 0)), '{"version":2}');
    closeSync(fd);
  },

  'A new `*.json` does not exist until it is complete'({ folder }) {
    const file = join(folder, 'pre-key-1.json');
    readdirSync(folder);
    const fd = openSync(file, 'w');
    writeSync(fd, OLD.slice(0, 5));
    assert.ok(!exists(file));
    assert.deepEqual(readdirSync(folder), []);
    for (const call of [
      () => openSync(file, 'r'),
      () => unlinkSync(file),
      () => chmodSync(file, 0o644),
      () => renameSync(file, `${file}.bak`),
    ]) {
      assert.equal(outcome(call), 'ENOENT');
    }
    writeSync(fd, OLD.slice(5));
    assert.equal(read(file), OLD);
    assert.deepEqual(readdirSync(folder), ['pre-key-1.json']);
    closeSync(fd);
  },

  'A second creator of an unfinished `*.json` goes on with the first one’s file'({ folder }) {
    const file = join(folder, 'pre-key-1.json');
    const first = openSync(file, 'wx');
    writeSync(first, '{"from":"the first"');
    const second = openSync(file, 'wx');
    assert.equal(fstatSync(second).ino, fstatSync(first).ino);
    assert.equal(fstatSync(first).size, 0);
    assert.equal(
      outcome(() => mkdirSync(file)),
      'EEXIST',
    );
    assert.equal(
      outcome(() => symlinkSync('target', file)),
      'EEXIST',
    );
    writeSync(second, '{"from":"the second"}');
    assert.equal(read(file), '{"from":"the second"}');
    assert.equal(
      outcome(() => openSync(file, 'wx')),
      'EEXIST',
    );
    closeSync(first);
    closeSync(second);

    const other = join(folder, 'pre-key-2.json');
    const unfinished = openSync(other, 'wx');
    renameSync(file, other);
    assert.equal(
      outcome(() => writeSync(unfinished, OLD)),
      'EIO',
    );
    assert.equal(read(other), '{"from":"the second"}');
    closeSync(unfinished);
  },

  'An empty `*.json` cannot be made'({ folder }) {
    const file = join(folder, 'creds.json');
    writeFileSync(file, '');
    assert.ok(!exists(file));
    writeFileSync(file, OLD);
    writeFileSync(file, '');
    assert.equal(read(file), OLD);
    writeFileSync(join(folder, 'empty'), '');
    assert.equal(statSync(join(folder, 'empty')).size, 0);
  },

  'A folder that holds only unfinished files can be removed'({ folder }) {
    const inner = join(folder, 'inner');
    mkdirSync(inner);
    const fd = openSync(join(inner, 'creds.json'), 'w');
    rmdirSync(inner);
    assert.ok(!exists(inner));
    assert.equal(
      outcome(() => writeSync(fd, OLD)),
      'EIO',
    );
    closeSync(fd);
  },

  async 'inotify tells of a new `*.json` before it can be opened'({ folder }) {
    const file = join(folder, 'pre-key-1.json');
    const seen: { event: string; wasThere: boolean }[] = [];
    const watcher = watch(folder, (event) => seen.push({ event, wasThere: exists(file) }));
    const fd = openSync(file, 'w');
    await until(() => seen.some(({ event }) => event === 'rename'), 'the event of the creation');
    assert.deepEqual(seen[0], { event: 'rename', wasThere: false });
    writeSync(fd, OLD);
    await until(() => seen.some(({ wasThere }) => wasThere), 'an event after the write');
    watcher.close();
    closeSync(fd);
  },

  'A reader that reads in steps may see a mixture'({ folder }) {
    const file = join(folder, 'creds.json');
    writeFileSync(file, '{"a":1,"b":1}');
    const fd = openSync(file, 'r');
    const out = Buffer.alloc(100);
    const early = readSync(fd, out, 0, 7, 0);
    writeFileSync(file, '{"a":2,"b":2}');
    const late = readSync(fd, out, early, 50, early);
    assert.equal(out.toString('utf8', 0, early + late), '{"a":1,"b":2}');
    closeSync(fd);
  },

  'sendfile and splice through an older descriptor may get held-back content'({ t, folder }) {
    if (!hasPython) return t.diagnostic('python3 is missing here: sendfile was not tried');
    const script = `
old, new = b'{"old":"' + b'o' * 20000 + b'"}', b'{"new":"' + b'n' * 30000 + b'"}'
def sent(fd):
    source, sink = os.pipe()
    content = b''
    while (count := os.sendfile(sink, fd, len(content), 4000)) > 0:
        content += os.read(source, count)
    return 'old' if content == old else 'new' if content == new else 'neither'
def fresh():
    return sent(os.open(sys.argv[1], os.O_RDONLY))
with open(sys.argv[1], 'wb') as file:
    file.write(old)
reader, writer = os.open(sys.argv[1], os.O_RDONLY), os.open(sys.argv[1], os.O_WRONLY)
found = [sent(reader)]
os.ftruncate(writer, 0)
found.append(fresh())
os.pwrite(writer, new[:9000], 0)
found.append(fresh())
os.pwrite(writer, new[9000:20000], 9000)
os.fstat(reader)
found.append(sent(reader) if sys.argv[2] == 'direct' else fresh())
os.pwrite(writer, new[20000:], 20000)
found.append(fresh())
print(*found)
`;
    const found = python(script, join(folder, 'creds.json'), driverUnderTest);
    assert.equal(found, 'old old old old new');
  },

  'The commit gate ends with the name'({ folder }) {
    const file = join(folder, 'creds.json');
    writeFileSync(file, OLD);
    const reader = openSync(file, 'r');
    const writer = openSync(file, 'w');
    unlinkSync(file);
    writeSync(writer, '{"unfin');
    assert.equal(readFileSync(reader, 'utf8'), '{"unfin');
    closeSync(reader);
    closeSync(writer);
  },
};
