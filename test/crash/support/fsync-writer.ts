/** FILE: for each line on stdin, appends a large block to it, says `syncing`, fsyncs, and says `synced`, or the error. */
import { fsyncSync, openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { BLOCK_BYTES, block } from './fsync-block.ts';

const STDOUT = 1;
const fd = openSync(process.argv[2] ?? '', 'a');
let written = 0;

createInterface({ input: process.stdin }).on('line', () => {
  try {
    const bytes = block(written++);
    for (let sent = 0; sent < BLOCK_BYTES; ) sent += writeSync(fd, bytes, sent);
    writeSync(STDOUT, 'syncing\n');
    fsyncSync(fd);
    writeSync(STDOUT, 'synced\n');
  } catch (error) {
    writeSync(STDOUT, `${(error as NodeJS.ErrnoException).code ?? error}\n`);
  }
});
