/** The thread of bulk-files.ts. */
import fs, { constants } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import type { BulkJob, BulkResult } from './bulk-files.ts';

const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;

function failures(count: number, work: (index: number) => void): BulkResult {
  const failed: number[] = [];
  for (let index = 0; index < count; index++) {
    try {
      work(index);
    } catch {
      failed.push(index);
    }
  }
  return failed;
}

function write(path: string, bytes: Uint8Array): void {
  const fd = fs.openSync(path, FLAGS, 0o600);
  let isWhole = false;
  try {
    // What a disk takes only a part of is left to a second try, which says why.
    isWhole = fs.writeSync(fd, bytes) === bytes.length;
  } finally {
    fs.closeSync(fd);
    if (!isWhole) fs.unlinkSync(path);
  }
  if (!isWhole) throw new Error('cut short');
}

function carryOut(job: BulkJob): BulkResult {
  if (job.kind === 'rename') {
    return failures(job.renamings.length, (index) => {
      const { from = '', to = '' } = job.renamings[index] ?? {};
      fs.renameSync(from, to);
    });
  }
  let at = 0;
  return failures(job.paths.length, (index) => {
    const length = job.lengths[index] ?? 0;
    const bytes = new Uint8Array(job.bytes, at, length);
    at += length;
    write(job.paths[index] ?? '', bytes);
  });
}

parentPort?.on('message', (job: BulkJob) => parentPort?.postMessage(carryOut(job)));
