/** What this process does to the disk through node:fs, in order, for tests of what is durable and when. */
import fs from 'node:fs';
import { open } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import type { TestContext } from 'node:test';

/**
 * sync: of a file or a directory. name: `path` is the new name, by a rename or a link, of what was called `from`. remove: the
 * name is gone. Paths are absolute.
 */
export interface DiskEntry {
  what: 'sync' | 'name' | 'remove';
  path: string;
  from?: string;
}

/** Notes from here on until the test ends what is done below `directory`. */
export async function recordDisk(t: TestContext, directory: string): Promise<DiskEntry[]> {
  const done: DiskEntry[] = [];
  const note = (entry: DiskEntry) => {
    if (String(entry.path).startsWith(directory)) done.push(entry);
  };
  const pathOf = (fd: number) => fs.readlinkSync(`/proc/self/fd/${fd}`);
  const handle = await open(tmpdir(), 'r');
  const prototype = Object.getPrototypeOf(handle) as fs.promises.FileHandle;
  await handle.close();
  for (const name of ['sync', 'datasync'] as const)
    before(t, prototype, name, function (this: { fd: number }) {
      note({ what: 'sync', path: pathOf(this.fd) });
    });
  for (const name of ['fsyncSync', 'fdatasyncSync', 'fsync', 'fdatasync'] as const)
    before(t, fs, name, (fd: number) => note({ what: 'sync', path: pathOf(fd) }));
  for (const target of [fs.promises, fs])
    for (const name of ['rename', 'link', 'renameSync', 'linkSync'])
      if (name in target)
        before(t, target, name as never, (from: string, path: string) => note({ what: 'name', path, from }));
  for (const target of [fs.promises, fs])
    for (const name of ['unlink', 'unlinkSync'])
      if (name in target) before(t, target, name as never, (path: string) => note({ what: 'remove', path }));
  syncBuiltinESMExports();
  // Hooks run in order: this one after the mocks above were taken back.
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  return done;
}

/** The disk is asked for nothing else than before: `look` sees the arguments first. */
function before<T extends object>(
  t: TestContext,
  target: T,
  name: keyof T & string,
  look: (...args: never[]) => void,
): void {
  const original = target[name] as (...args: unknown[]) => unknown;
  t.mock.method(
    target,
    name as never,
    function (this: unknown, ...args: unknown[]) {
      (look as (...args: unknown[]) => void).apply(this, args);
      return original.apply(this, args);
    } as never,
  );
}
