import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { importPlainSessions } from '../../src/fs/startup/import-plain.ts';
import { replayJournal } from '../../src/store/journal/replay.ts';
import type { Harness } from './harness.ts';
import { find, harness, read } from './support.ts';

function plainSession(h: Harness, name: string, files: number): string {
  const mountPoint = join(h.directory, 'mnt');
  mkdirSync(join(mountPoint, name));
  writeFileSync(join(mountPoint, name, 'creds.json'), '{"me":1}');
  for (let i = 0; i < files; i++)
    writeFileSync(join(mountPoint, name, `pre-key-${i}.json`), `{"keyId":${i}}`);
  return mountPoint;
}

describe('the import of a plain session', () => {
  it('is one record: a crash leaves all of it or nothing', (t) => {
    const h = harness(t);
    const mountPoint = plainSession(h, 'u-+1', 50);
    plainSession(h, 'u-+2', 50);
    const report = importPlainSessions(h.opened.core, mountPoint, ['u-+1', 'u-+2']);
    assert.deepEqual(report.imported, ['u-+1', 'u-+2']);
    h.crash();
    const seqs = new Set<number>();
    const journal = join(h.cachePath, 'journal');
    replayJournal(journal, (_, { seq }) => seqs.add(seq));
    assert.equal(seqs.size, 2);

    const segment = join(journal, '0000000001.log');
    truncateSync(segment, readFileSync(segment).length - 1);
    h.open();
    assert.equal(read(h, 'u-+1/pre-key-49.json'), '{"keyId":49}');
    assert.equal(find(h, 'u-+2'), 0);
  });
});

const OTHER_USER = 4321;

/** What another process may put into a session after the supervisor has looked at it and before it is read. */
const hostile: readonly [what: string, reason: RegExp, plant: (session: string, secret: string) => void][] = [
  [
    'a link to a file',
    /a-key\.json is a symbolic link/,
    (session, secret) => symlinkSync(secret, join(session, 'a-key.json')),
  ],
  [
    'a link to a folder',
    /keys is a symbolic link/,
    (session, secret) => symlinkSync(join(secret, '..'), join(session, 'keys')),
  ],
  [
    'a FIFO',
    /pipe\.json is neither a file nor a folder/,
    (session) => spawnSync('mkfifo', [join(session, 'pipe.json')]),
  ],
  [
    'a file of another user',
    /foreign\.json belongs to user 4321/,
    (session) => {
      writeFileSync(join(session, 'foreign.json'), '{}');
      chownSync(join(session, 'foreign.json'), OTHER_USER, OTHER_USER);
    },
  ],
  [
    'a folder of another user',
    /keys belongs to user 4321/,
    (session) => {
      mkdirSync(join(session, 'keys'));
      chownSync(join(session, 'keys'), OTHER_USER, OTHER_USER);
    },
  ],
];

describe('a plain session that another process can change while it is imported', () => {
  for (const [what, reason, plant] of hostile) {
    it(`is refused with ${what} in it, and nothing of it is imported`, (t) => {
      const h = harness(t);
      const mountPoint = plainSession(h, 'u-+1', 2);
      const secret = join(h.directory, 'secret.json');
      writeFileSync(secret, '{"secret":true}');
      plant(join(mountPoint, 'u-+1'), secret);
      assert.throws(() => importPlainSessions(h.opened.core, mountPoint, ['u-+1']), {
        code: 'IMPORT_REFUSED',
        message: reason,
      });
      assert.equal(find(h, 'u-+1'), 0);
    });
  }

  it('is refused when its folder has become a link', (t) => {
    const h = harness(t);
    const mountPoint = plainSession(h, 'u-+1', 2);
    symlinkSync('u-+1', join(mountPoint, 'u-+2'));
    assert.throws(() => importPlainSessions(h.opened.core, mountPoint, ['u-+2']), {
      code: 'IMPORT_REFUSED',
    });
  });

  it('costs no memory for a file beyond the limit, which is left out', (t) => {
    const h = harness(t);
    const mountPoint = plainSession(h, 'u-+1', 2);
    const before = process.resourceUsage().maxRSS;
    const huge = join(mountPoint, 'u-+1', 'huge.json');
    writeFileSync(huge, '');
    truncateSync(huge, 1536 * 1024 * 1024);
    const { refused, files } = importPlainSessions(h.opened.core, mountPoint, ['u-+1']);
    assert.equal(files, 3);
    assert.deepEqual(
      refused.map(({ file }) => file),
      ['u-+1/huge.json'],
    );
    assert.ok(process.resourceUsage().maxRSS - before < 256 * 1024);
  });
});
