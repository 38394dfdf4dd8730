/** FILE DAEMON MICROSECONDS: writes a megabyte, and kills the daemon so long after it has begun. Says `written`, or the error. */
import { open, write } from 'node:fs';

const [file = '', daemon, microseconds] = process.argv.slice(2);
const content = Buffer.alloc(1_000_000, 'x');

// By a callback, so that the threads are there which the write is left to.
open(file, 'r+', (error, fd) => {
  if (error !== null) throw error;
  write(fd, content, 0, content.length, 0, (failed) => {
    process.stdout.write(failed === null ? 'written' : `${failed.code}`);
  });
  const endMs = performance.now() + Number(microseconds) / 1000;
  while (performance.now() < endMs);
  process.kill(Number(daemon), 'SIGKILL');
});
