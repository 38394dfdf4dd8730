/** Sizes, holes, and when content is durable. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { Errno } from '../../../src/lib/errno.ts';
import { CoreFiles } from '../support/core-files.ts';
import type { Deviations } from '../support/deviation.ts';
import { exists, outcome } from '../support/probe.ts';
import { SharedRemount } from '../support/shared-remount.ts';

const BLOCK = 512;
const LIMIT = 8192;
/** Of the file that is open while the daemon is killed. */
let unlinked = -1;

function fallocate(...args: string[]): { status: number | null; stderr: string } {
  return spawnSync('fallocate', args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
}

export const killed = new SharedRemount('kill', { first: { SESSION_MAX_FILE_SIZE: String(LIMIT) } });

export const contentDeviations: Deviations = {
  'A file ends at SESSION_MAX_FILE_SIZE': killed.of({
    before(folder) {
      const file = join(folder, 'file');
      writeFileSync(file, Buffer.alloc(LIMIT, 'x'));
      const fd = openSync(file, 'a');
      assert.equal(
        outcome(() => writeSync(fd, 'y')),
        'EFBIG',
      );
      assert.equal(
        outcome(() => truncateSync(file, LIMIT + 1)),
        'EFBIG',
      );
      assert.equal(statSync(file).size, LIMIT);
      closeSync(fd);
      const json = join(folder, 'creds.json');
      writeFileSync(json, '{}');
      assert.equal(
        outcome(() => writeFileSync(json, JSON.stringify('x'.repeat(LIMIT)))),
        'EFBIG',
      );
      assert.equal(readFileSync(json, 'utf8'), '{}');
    },
  }),

  'Holes are stored as zeros'({ folder }) {
    const file = join(folder, 'sparse');
    writeFileSync(file, '');
    truncateSync(file, 1 << 20);
    const { blocks, size } = statSync(file);
    assert.ok(blocks * BLOCK >= size, `${blocks} blocks`);
    assert.ok(readFileSync(file).every((byte) => byte === 0));
  },

  'fallocate reserves nothing and punches no holes'({ folder }) {
    const file = join(folder, 'file');
    writeFileSync(file, 'content');
    utimesSync(file, 1000, 1000);
    assert.equal(fallocate('--keep-size', '--length', '1048576', file).status, 0);
    assert.equal(statSync(file).mtimeMs, 1_000_000);
    assert.equal(statSync(file).size, 7);
    assert.ok(statSync(file).blocks <= 1);
    assert.equal(fallocate('--length', '100', file).status, 0);
    assert.equal(readFileSync(file, 'utf8'), 'content'.padEnd(100, '\0'));
    for (const mode of ['--punch-hole', '--zero-range', '--collapse-range']) {
      const refused = fallocate(mode, '--offset', '0', '--length', '4096', file);
      assert.notEqual(refused.status, 0, mode);
      assert.match(refused.stderr, /supported/);
    }
    assert.equal(readFileSync(file, 'utf8'), 'content'.padEnd(100, '\0'));
  },

  'An unlinked open file goes with the daemon, and all of them together have a limit': killed.of({
    before(folder) {
      const file = join(folder, 'file');
      unlinked = openSync(file, 'w+');
      writeSync(unlinked, 'before ');
      unlinkSync(file);
      writeSync(unlinked, 'after');
    },
    after(folder) {
      assert.notEqual(
        outcome(() => readFileSync(unlinked)),
        'ok',
      );
      outcome(() => closeSync(unlinked));
      assert.ok(!exists(join(folder, 'file')));
    },
  }),

  'A plain file becomes a new version 250 ms after the last write, at rename, and at an fsync once most of it is new'({
    t,
  }) {
    const core = new CoreFiles(t);
    const { harness } = core;
    const id = core.create('notes');
    core.write(id, 0, 'first');
    core.pass(249);
    assert.ok(harness.fs.hasPending);
    // And 100 ms for each MiB.
    core.pass(2);
    assert.ok(!harness.fs.hasPending);

    core.write(id, 0, 'second');
    assert.equal(harness.fs.fsync(id), 0);
    assert.ok(!harness.fs.hasPending);
    core.write(id, 0, '2');
    assert.equal(harness.fs.fsync(id), 0);
    assert.ok(harness.fs.hasPending);

    core.write(id, 0, 'third');
    assert.equal(core.rename('notes', 'renamed'), 0);
    assert.ok(!harness.fs.hasPending);

    // Meanwhile readers see each write at once, and a crash loses none.
    core.write(id, 0, 'fourth');
    assert.equal(core.read('renamed'), 'fourth');
    harness.restart();
    assert.equal(core.read('renamed'), 'fourth');
    assert.equal(core.read('notes'), undefined);
    assert.equal(harness.fs.unlink(1, 'notes'), Errno.ENOENT);
  },
};
