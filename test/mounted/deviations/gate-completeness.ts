/** Which content of a *.json becomes its next version, and what becomes of the rest. */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Errno } from '../../../src/lib/errno.ts';
import { CoreFiles } from '../support/core-files.ts';
import type { Deviations } from '../support/deviation.ts';
import { exists, linesAbout, outcome, until } from '../support/probe.ts';
import { hasPython, python } from '../support/python.ts';

const OLD = '{"version":1}';
const read = (file: string) => readFileSync(file, 'utf8');

export const gateCompleteness: Deviations = {
  async 'Incomplete JSON is given up after 10 seconds without a write'({ t, folder, mounted }) {
    const core = new CoreFiles(t);
    core.write(core.create('new.json'), 0, '{"cut');
    core.pass(9_999);
    assert.deepEqual(core.warnedOf(), []);
    core.pass(1);
    core.pass(60_000);
    assert.deepEqual(core.warnedOf(), ['new.json']);

    const replaced = join(folder, 'replaced.json');
    const unpublished = join(folder, 'unpublished.json');
    writeFileSync(replaced, OLD);
    writeFileSync(replaced, '{"version":');
    const fd = openSync(unpublished, 'w');
    writeSync(fd, '{"cut');
    for (const file of ['replaced.json', 'unpublished.json']) {
      const path = `${basename(folder)}/${file}`;
      await until(() => linesAbout(mounted.log(), path).length > 0, `a warning that names ${path}`);
      assert.deepEqual(
        linesAbout(mounted.log(), path).map(({ level, msg }) => [level, /given up/.test(msg)]),
        [['warn', true]],
      );
    }
    assert.equal(read(replaced), OLD);
    assert.equal(statSync(replaced).size, OLD.length);
    assert.ok(!exists(unpublished));
    assert.equal(
      outcome(() => writeSync(fd, '"}')),
      'EIO',
    );
    closeSync(fd);
    writeFileSync(unpublished, OLD);
    assert.equal(read(unpublished), OLD);
  },

  'A descriptor of a file that was given up unpublished is refused further writes'({ t }) {
    const core = new CoreFiles(t);
    const id = core.create('new.json');
    core.write(id, 0, '{"cut');
    core.pass(10_000);
    assert.equal(core.write(id, 5, '"}'), Errno.EIO);
    assert.equal(core.truncate(id, 0), Errno.EIO);
    assert.equal(core.read('new.json'), undefined);
    const again = core.create('new.json');
    assert.notEqual(again, id);
    assert.equal(core.write(again, 0, OLD), OLD.length);
    assert.equal(core.read('new.json'), OLD);
  },

  'A writer that pauses for 10 seconds goes on in the old version'({ t }) {
    const core = new CoreFiles(t);
    const id = core.create('creds.json');
    core.write(id, 0, '{"a":"1","b":"1"}');
    core.truncate(id, 0);
    core.write(id, 0, '{"a":"2",');
    core.pass(10_000);
    core.write(id, 9, '"b":"2"}');
    assert.equal(core.read('creds.json'), '{"a":"1","b":"2"}');
  },

  'fsync of incomplete JSON succeeds and publishes nothing'({ folder }) {
    const file = join(folder, 'creds.json');
    writeFileSync(file, OLD);
    const fd = openSync(file, 'w');
    writeSync(fd, '{"version":');
    fsyncSync(fd);
    assert.equal(read(file), OLD);
    writeSync(fd, '2}');
    assert.equal(read(file), '{"version":2}');
    closeSync(fd);
  },

  'Content that does not begin like JSON is plain POSIX in a `*.json` too'({ folder }) {
    for (const text of ['hello', '1', 'null', '\ufeff{"after":"a mark', '// comment\n{']) {
      const file = join(folder, 'plain.json');
      const fd = openSync(file, 'w');
      writeSync(fd, text);
      assert.equal(read(file), text);
      assert.equal(statSync(file).size, Buffer.byteLength(text));
      closeSync(fd);
    }
  },

  'Several JSON values are complete when each begins on a line of its own'({ folder }) {
    const file = join(folder, 'lines.json');
    appendFileSync(file, '{"a":1}\n');
    appendFileSync(file, '{"b":2}\n');
    assert.equal(read(file), '{"a":1}\n{"b":2}\n');
    appendFileSync(file, '{"c":3} {"d":4}\n');
    assert.equal(read(file), '{"a":1}\n{"b":2}\n');
  },

  'One write whose brackets all close is complete, whatever is between them'({ folder }) {
    const lenient = '{"a": 1, /* not JSON */ }';
    const [whole, pieces] = [join(folder, 'whole.json'), join(folder, 'pieces.json')];
    writeFileSync(whole, lenient);
    assert.equal(read(whole), lenient);
    const fd = openSync(pieces, 'w');
    writeSync(fd, lenient.slice(0, 8));
    writeSync(fd, lenient.slice(8));
    assert.ok(!exists(pieces));
    closeSync(fd);
  },

  'What begins like JSON and is not JSON is not kept'({ t, folder }) {
    writeFileSync(join(folder, 'settings.json'), '[section]\nkey=1\n');
    assert.ok(!exists(join(folder, 'settings.json')));
    for (const size of [4, 100]) {
      const file = join(folder, `resized-to-${size}.json`);
      writeFileSync(file, OLD);
      truncateSync(file, size);
      assert.equal(read(file), OLD);
    }
    const core = new CoreFiles(t);
    core.write(core.create('settings.json'), 0, '[section]\nkey=1\n');
    core.pass(10_000);
    assert.deepEqual(core.warnedOf(), ['settings.json']);
    assert.equal(core.read('settings.json'), undefined);
  },

  'A long document that is changed in place many times a second appears when its writer rests'({ t }) {
    const core = new CoreFiles(t);
    const id = core.create('log.json');
    const [line, lines] = ['{"line":1}\n', 40_000];
    assert.equal(core.write(id, 0, line.repeat(lines)), line.length * lines);
    let end = line.length * lines;
    for (let i = 0; i < 60; i++) {
      assert.equal(core.write(id, end, line), line.length);
      end += line.length;
    }
    const seen = core.read('log.json')?.length ?? 0;
    assert.ok(seen >= line.length * (lines + 1), 'the first lines appear at once');
    assert.ok(seen < end, 'the last ones do not');
    core.pass(1_000);
    assert.equal(core.read('log.json')?.length, end);
  },

  async 'Incomplete JSON cannot be renamed to a `*.json`'({ folder, mounted }) {
    const [file, temporary] = [join(folder, 'creds.json'), join(folder, 'creds.json.tmp')];
    writeFileSync(file, OLD);
    for (const content of ['{"version":', '', '{"version":2}{']) {
      writeFileSync(temporary, content);
      const reader = openSync(file, 'r');
      assert.equal(
        outcome(() => renameSync(temporary, file)),
        'EIO',
      );
      assert.equal(read(file), OLD);
      assert.equal(read(temporary), content);
      closeSync(reader);
    }
    // libfuse hears of the close later, and gave the file another name while it was open.
    for (let tries = 0; tries < 10; tries++) {
      await sleep(10);
      assert.equal(read(file), OLD);
    }
    writeFileSync(temporary, '{"version":2}');
    renameSync(temporary, file);
    assert.equal(read(file), '{"version":2}');
    const path = `${basename(folder)}/creds.json`;
    await until(() => linesAbout(mounted.log(), path).length === 3, 'a log line for each refusal');
  },

  async 'What is written through mmap passes the gate when the kernel writes it back'({ t, folder }) {
    const file = join(folder, 'creds.json');
    if (!hasPython) return mmapThroughCore(t);
    writeFileSync(file, OLD);
    const script = `
fd = os.open(sys.argv[1], os.O_RDWR)
m = mmap.mmap(fd, 0)
at = m.find(sys.argv[2].encode())
m[at:at + 1] = sys.argv[3].encode()
m.flush()
m.close()
os.close(fd)
`;
    python(script, file, '1', '2');
    assert.equal(read(file), '{"version":2}');
    python(script, file, '}', ' ');
    await until(() => read(file) === '{"version":2}', 'that the incomplete content is given up');
  },
};

/** What the kernel sends for a changed page: its bytes up to the end of the file. */
function mmapThroughCore(scope: ConstructorParameters<typeof CoreFiles>[0]): void {
  const core = new CoreFiles(scope);
  const id = core.create('creds.json');
  core.write(id, 0, OLD);
  core.write(id, 0, '{"version":2}');
  assert.equal(core.read('creds.json'), '{"version":2}');
  core.write(id, 0, '{"version":2 ');
  assert.equal(core.read('creds.json'), '{"version":2}');
}
