import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
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
