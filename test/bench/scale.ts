import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scope } from '../support/cleanup.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { type Measurement, record, valueTarget } from './measurement.ts';
import { residentBytes } from './sessions.ts';

const FILES_PER_SESSION = 1000;
const CONTENT = JSON.stringify({ data: 'x'.repeat(1013) });

/** Fills a mount with `files` files of 1 KB, mounts it anew, and reads them all. */
export async function measureScale(scope: Scope, files: number): Promise<Measurement[]> {
  const count = files.toLocaleString('en');
  const start: Measurement = {
    name: `start with ${count} files`,
    unit: 's',
    target: valueTarget('<=', 3),
    rounds: {},
  };
  const memory: Measurement = {
    name: `memory of supervisor and daemon after reading ${count} files of 1 KB`,
    unit: 'MB',
    target: valueTarget('<=', 400),
    rounds: {},
  };
  const unchanged: Measurement = {
    name: `unmount of an unchanged mount with ${count} files`,
    unit: 's',
    target: valueTarget('<=', 0.5),
    rounds: {},
  };
  const first = await mountSessionfs(scope);
  const { mountPoint } = first;
  for (let session = 0; session < files / FILES_PER_SESSION; session++)
    await fillSession(mountPoint, session);
  await first.unmount();

  const started = performance.now();
  const second = await mountSessionfs(scope, { mountPoint });
  record(start, 'sessionfs', (performance.now() - started) / 1000);
  const read = readAll(mountPoint);
  if (read !== files) throw new Error(`wrote ${files} files, read ${read}`);
  const processes = [second.pid, await second.daemonPid()];
  record(memory, 'sessionfs', processes.reduce((sum, pid) => sum + residentBytes(pid), 0) / 1e6);
  await second.unmount();
  const third = await mountSessionfs(scope, { mountPoint });
  const stopped = performance.now();
  await third.unmount();
  record(unchanged, 'sessionfs', (performance.now() - stopped) / 1000);
  return [start, memory, unchanged];
}

async function fillSession(mountPoint: string, session: number): Promise<void> {
  const folder = join(mountPoint, `user${session}-+1555${String(session).padStart(6, '0')}`);
  mkdirSync(folder);
  const paths = Array.from({ length: FILES_PER_SESSION }, (_, i) => join(folder, `pre-key-${i}.json`));
  await Promise.all(paths.map((path) => writeFile(path, CONTENT)));
}

function readAll(mountPoint: string): number {
  let count = 0;
  for (const folder of readdirSync(mountPoint)) {
    for (const name of readdirSync(join(mountPoint, folder))) {
      if (readFileSync(join(mountPoint, folder, name), 'utf8') === CONTENT) count++;
    }
  }
  return count;
}
