/** What each of libfuse's operations is given and what it is answered, between the native side and operations.ts. */
import type { LibfuseBinding, LibfuseThread, OperationName } from './binding.ts';
import type { LibfuseOperations } from './operations.ts';
import { i64, u64 } from './stat.ts';

/** One request, ready to be carried out any number of times, and to be answered once. */
export interface LibfuseCall {
  name: OperationName;
  run(operations: LibfuseOperations): number;
  answer(thread: LibfuseThread, result: number, operations: LibfuseOperations): void;
  /** Of a rename. */
  readonly renames?: { from: string; to: string };
}

// biome-ignore lint/suspicious/noExplicitAny: the native side's arguments, whose types the table below states.
type Arguments = any[];

interface Shape {
  run(operations: LibfuseOperations, args: Arguments, thread: LibfuseThread): number;
  /** What the native side wants beside the result, whatever that is. */
  more?(operations: LibfuseOperations, args: Arguments): unknown[];
}

/** A buffer is libfuse's memory, and good until the answer, which takes it back. */
const takeBack = (_: LibfuseOperations, [, , buffer]: Arguments): unknown[] => [0, (buffer as Buffer).buffer];

/** How fuse-native.c passes things; numbers of 64 bits come as two of 32. */
const shapes: { readonly [Name in OperationName]: Shape } = {
  init: { run: () => 0 },
  statfs: { run: (o) => o.statfs(), more: (o) => [o.statistics] },
  getattr: { run: (o, [path]) => o.getattr(path), more: (o) => [o.stat] },
  fgetattr: { run: (o, [path, handle]) => o.fgetattr(path, handle), more: (o) => [o.stat] },
  open: { run: (o, [path, flags]) => o.open(path, flags), more: (o) => [o.opened] },
  create: { run: (o, [path, mode]) => o.create(path, mode), more: (o) => [o.opened] },
  release: { run: (o, [path, handle]) => o.release(path, handle) },
  read: {
    run: (o, [path, handle, buffer, , low, high]) => o.read(path, handle, buffer, u64(low, high)),
    more: takeBack,
  },
  write: {
    run: (o, [path, handle, buffer, , low, high]) => o.write(path, handle, buffer, u64(low, high)),
    more: takeBack,
  },
  truncate: { run: (o, [path, low, high]) => o.truncate(path, u64(low, high)) },
  ftruncate: { run: (o, [path, handle, low, high]) => o.ftruncate(path, handle, u64(low, high)) },
  fsync: { run: (o, [path, , handle]) => o.fsync(path, handle) },
  fsyncdir: { run: (o, [path]) => o.fsyncdir(path) },
  readdir: { run: (o, [path]) => o.readdir(path), more: (o) => [o.names, o.stats] },
  readlink: { run: (o, [path]) => o.readlink(path), more: (o) => [o.target] },
  mknod: { run: (o, [path, mode]) => o.mknod(path, mode) },
  mkdir: { run: (o, [path, mode]) => o.mkdir(path, mode) },
  unlink: { run: (o, [path]) => o.unlink(path) },
  rmdir: { run: (o, [path]) => o.rmdir(path) },
  rename: { run: (o, [from, to]) => o.rename(from, to) },
  link: { run: (o) => o.link() },
  symlink: { run: (o, [target, path]) => o.symlink(target, path) },
  chmod: { run: (o, [path, mode]) => o.chmod(path, mode) },
  chown: { run: (o, [path, uid, gid]) => o.chown(path, uid, gid) },
  utimens: {
    run: (o, [path, low, high], thread) => {
      const atimeMs = i64(low, high);
      return o.utimens(path, atimeMs, modificationTimeOf(thread, atimeMs));
    },
  },
};

export function libfuseCall(
  binding: LibfuseBinding,
  name: OperationName,
  thread: LibfuseThread,
  args: unknown[],
): LibfuseCall {
  const { run, more } = shapes[name];
  const signal = binding[`fuse_native_signal_${name}`];
  const [from, to] = args as [string, string];
  return {
    name,
    run: (operations) => run(operations, args, thread),
    answer: (waiting, result, operations) => signal(waiting, result, ...(more?.(operations, args) ?? [])),
    ...(name === 'rename' ? { renames: { from, to } } : {}),
  };
}

/** Where the thread's C structure has the two times of utimens, in 64-bit builds for Linux: size_t atime, mtime. */
const ATIME_AT = 104;

/**
 * fuse-native passes the access time twice and the modification time never. It is in the thread's memory, if what lies before
 * it there is the access time.
 */
function modificationTimeOf(thread: LibfuseThread, atimeMs: number): number {
  if (process.platform !== 'linux' || thread.length < ATIME_AT + 16) return atimeMs;
  const isThere = thread.readBigInt64LE(ATIME_AT) === BigInt(atimeMs);
  return isThere ? Number(thread.readBigInt64LE(ATIME_AT + 8)) : atimeMs;
}
