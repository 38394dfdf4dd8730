/**
 * The native part of the package fuse-native 2.2.6: libfuse 2, called from threads of its own, which ask this process' main
 * thread. Only that part is used, not the JavaScript around it: that refuses a mount point that is itself a mount (every
 * volume), answers by itself after 15 s, and keeps the open file from fgetattr. Loaded only when its driver is chosen.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants as os } from 'node:os';
import { dirname, join } from 'node:path';
import { SessionfsError } from '../../lib/errors.ts';
import { messageOf } from '../../lib/system-error.ts';
import { installHint } from './packages.ts';

/** What libfuse can be told to ask for. What is left out here the kernel does itself, or does without. */
export const operationNames = [
  'init',
  'statfs',
  'getattr',
  'fgetattr',
  'open',
  'create',
  'release',
  'read',
  'write',
  'truncate',
  'ftruncate',
  'fsync',
  'fsyncdir',
  'readdir',
  'readlink',
  'mknod',
  'mkdir',
  'unlink',
  'rmdir',
  'rename',
  'link',
  'symlink',
  'chmod',
  'chown',
  'utimens',
] as const;

export type OperationName = (typeof operationNames)[number];

/** One of libfuse's threads: it waits until it is signalled. The bytes are its C structure. */
export type LibfuseThread = Buffer;

/** Called on the main thread for each request; `args` depend on the operation. Must not throw. */
export type LibfuseHandler = (thread: LibfuseThread, op: number, ...args: unknown[]) => void;

/** Lets the thread answer the kernel with `result`, a count or a negative errno. May be called within the handler. */
type Signal = (thread: LibfuseThread, result: number, ...more: unknown[]) => void;

type Numbers = { readonly [Name in OperationName as `op_${Name}`]: number };
type Signals = { readonly [Name in OperationName as `fuse_native_signal_${Name}`]: Signal };

export interface LibfuseBinding extends Numbers, Signals {
  readonly sizeof_fuse_thread_t: number;
  /**
   * Mounts, and serves on threads of its own. `thread` is kept by the native side as long as the process lives. `options` is one
   * argument, beginning with -o. Throws Error('fuse failed'); why is on stderr.
   */
  fuse_native_mount(
    mountPoint: string,
    options: string,
    thread: Buffer,
    self: object,
    allocate: (bytes: number) => Buffer,
    handlers: (LibfuseHandler | undefined)[],
    implemented: Uint32Array,
  ): void;
}

const PACKAGE = 'fuse-native';
const RTLD_NODELETE = 0x1000;

/** Throws DRIVER_UNAVAILABLE, which says what to install. */
export function loadBinding(): LibfuseBinding {
  const own = createRequire(import.meta.url);
  try {
    const manifest = own.resolve(`${PACKAGE}/package.json`);
    const library = bundledLibrary(dirname(manifest));
    if (library !== undefined) preload(library);
    // The loader that the package itself uses: what was compiled on this machine comes before what was delivered.
    return createRequire(manifest)('node-gyp-build')(dirname(manifest)) as LibfuseBinding;
  } catch (cause) {
    throw new SessionfsError(
      'DRIVER_UNAVAILABLE',
      `the driver fuse-native cannot be loaded: ${firstLine(cause)}`,
      { cause, hint: installHint({ readRelease, arch: process.arch, platform: process.platform }) },
    );
  }
}

/** The package brings libfuse along for what it brings compiled; what is compiled here links to the machine's own. */
function bundledLibrary(directory: string): string | undefined {
  if (process.platform !== 'linux' || existsSync(join(directory, 'build/Release'))) return undefined;
  const library = join(directory, `prebuilds/linux-${process.arch}/libfuse.so`);
  return existsSync(library) ? library : undefined;
}

/** Makes its symbols known, so that the binding finds them without an installed libfuse.so.2. */
function preload(library: string): void {
  const flags = os.dlopen.RTLD_NOW | os.dlopen.RTLD_GLOBAL | RTLD_NODELETE;
  try {
    process.dlopen({ exports: {} }, library, flags);
  } catch {
    // It is no module of Node's, which is all that this says; if it is not loaded either, the binding says so.
  }
}

function readRelease(): string {
  try {
    return readFileSync('/etc/os-release', 'utf8');
  } catch {
    return '';
  }
}

function firstLine(error: unknown): string {
  return messageOf(error).split('\n', 1)[0] ?? '';
}
