/**
 * A program that writes a file in many sessions of a mount at once, waits as long as the mount makes it wait, and says which
 * ones it has written: `racer.js MOUNT TEXT SESSION…`. Begins with the first byte on stdin. Each call that waits takes a thread
 * of its own, see UV_THREADPOOL_SIZE.
 */
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const [mountPoint = '', text = '', ...sessions] = process.argv.slice(2);

async function race(session: string): Promise<void> {
  const folder = join(mountPoint, session);
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'creds.json');
  const before = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '[]';
    throw error;
  });
  await writeFile(path, JSON.stringify([...(JSON.parse(before) as string[]), text]));
  process.stdout.write(`${session}\n`);
}

process.stdout.write('ready\n');
await once(process.stdin, 'data');
process.stdin.destroy();
await Promise.all(sessions.map(race));
