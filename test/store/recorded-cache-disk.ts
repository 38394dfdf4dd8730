/** What cache and checkpoints do to the disk, in order, by their file operations. */
import { type FileOperations, fileOperations } from '../../src/lib/file-operations.ts';

export interface Step {
  what: 'sync' | 'write' | 'rename' | 'unlink' | 'mkdir' | 'rmdir' | 'open';
  path: string;
  from?: string;
  mode?: number;
}

/** fsync and fdatasync are both 'sync'. A failed step is not noted. */
export function recordedDisk(): { steps: Step[]; operations: FileOperations } {
  const steps: Step[] = [];
  const paths = new Map<number, string>();
  const pathOf = (fd: number) => paths.get(fd) ?? '?';
  const operations: FileOperations = {
    ...fileOperations,
    open: async (path, flags, mode) => {
      const fd = await fileOperations.open(path, flags, mode);
      paths.set(fd, path);
      steps.push({ what: 'open', path, mode });
      return fd;
    },
    write: async (fd, bytes) => {
      await fileOperations.write(fd, bytes);
      steps.push({ what: 'write', path: pathOf(fd) });
    },
    fdatasync: async (fd) => {
      await fileOperations.fdatasync(fd);
      steps.push({ what: 'sync', path: pathOf(fd) });
    },
    fsync: async (fd) => {
      await fileOperations.fsync(fd);
      steps.push({ what: 'sync', path: pathOf(fd) });
    },
    rename: async (from, path) => {
      await fileOperations.rename(from, path);
      steps.push({ what: 'rename', path, from });
    },
    unlink: async (path) => {
      await fileOperations.unlink(path);
      steps.push({ what: 'unlink', path });
    },
    mkdir: async (path, mode) => {
      await fileOperations.mkdir(path, mode);
      steps.push({ what: 'mkdir', path, mode });
    },
    rmdir: async (path) => {
      await fileOperations.rmdir(path);
      steps.push({ what: 'rmdir', path });
    },
  };
  return { steps, operations };
}

/** Where the step is, from `from` on; -1: it was not made. */
export function stepAt(steps: readonly Step[], what: Step['what'], path: string, from = 0): number {
  return steps.findIndex((step, index) => index >= from && step.what === what && step.path === path);
}
