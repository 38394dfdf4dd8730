/** The checkpoint of a journal with many small files, beside what the disk can do. */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Cache } from '../../src/store/cache/cache.ts';
import { Checkpointer } from '../../src/store/checkpoint/checkpointer.ts';
import { OpFlag, OpType } from '../../src/store/journal/format.ts';
import { JournalProgress } from '../../src/store/journal/progress.ts';
import { JournalWriter } from '../../src/store/journal/writer.ts';
import type { Scope } from '../support/cleanup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { BASELINE, type Measurement, record, valueTarget } from './measurement.ts';

const FILES_PER_SESSION = 1000;
/** What 1 KB of JSON is when it is sealed. */
const SEALED = Buffer.alloc(1_136, 'x');

export async function measureCheckpoint(scope: Scope, files: number, rounds: number): Promise<Measurement[]> {
  const measurement: Measurement = {
    name: `checkpoint of ${files.toLocaleString('en')} files of 1 KB`,
    unit: 'files/s',
    target: valueTarget('>=', 10_000),
    rounds: {},
  };
  for (let round = 0; round < rounds; round++) {
    record(measurement, BASELINE, files / bareSeconds(temporaryDirectory(scope), files));
    record(measurement, 'sessionfs', files / (await checkpointSeconds(temporaryDirectory(scope), files)));
  }
  return [measurement];
}

/** As many files in as many folders: written, synced once, renamed, synced; one call after another, and nothing else. */
function bareSeconds(directory: string, files: number): number {
  mkdirSync(join(directory, 'tmp'));
  for (let session = 0; session < files / FILES_PER_SESSION; session++)
    mkdirSync(join(directory, String(session)));
  sync(directory);
  const started = performance.now();
  for (let i = 0; i < files; i++) {
    const fd = openSync(join(directory, 'tmp', String(i)), 'wx', 0o600);
    writeSync(fd, SEALED);
    closeSync(fd);
  }
  sync(directory);
  for (let i = 0; i < files; i++) {
    const session = String(Math.floor(i / FILES_PER_SESSION));
    renameSync(join(directory, 'tmp', String(i)), join(directory, session, String(i)));
  }
  sync(directory);
  return (performance.now() - started) / 1000;
}

async function checkpointSeconds(directory: string, files: number): Promise<number> {
  const progress = new JournalProgress();
  const cache = Cache.open(join(directory, 'cache'), {
    mountPoint: join(directory, 'mount'),
    keyId: '0123456789abcdef',
  });
  const writer = new JournalWriter(cache.journalDirectory, { nextSegment: 1, nextSeq: 1, progress });
  for (let i = 0; i < files; i++) {
    const session = `user-+${Math.floor(i / FILES_PER_SESSION)}`;
    writer.begin(0);
    if (i % FILES_PER_SESSION === 0) writer.add(OpType.MKDIR, OpFlag.NONE, session, 0, 0);
    const at = writer.add(OpType.PUT, OpFlag.NONE, `${session}/pre-key-${i}.json`, 0, SEALED.length);
    SEALED.copy(writer.buffer, at);
    writer.commit();
  }
  const upTo = writer.roll();
  sync(directory);
  const started = performance.now();
  const checkpointer = new Checkpointer({
    journalDirectory: cache.journalDirectory,
    cache,
    progress,
    onRetired: () => {},
    log: { warn: (_fields, message) => process.stderr.write(`${message}\n`) },
  });
  const report = await checkpointer.run(upTo);
  const seconds = (performance.now() - started) / 1000;
  writer.close();
  if (report.filesWritten !== files) throw new Error(`${report.filesWritten} of ${files} files were stored`);
  return seconds;
}

function sync(directory: string): void {
  if (spawnSync('sync', ['-f', directory]).status !== 0) throw new Error('sync -f failed');
}
