import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, type FSWatcher, mkdirSync, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cleanUp, type Scope } from './cleanup.ts';
import { cliMain } from './cli-main.ts';
import { DaemonProcess, type Exit } from './daemon-process.ts';
import { cleanEnvironment } from './environment.ts';
import { mountAnswers } from './mount-answers.ts';
import { mountAt, unmountBelow } from './mounts.ts';
import { repository } from './repository.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { until } from './until.ts';

export interface MountOptions {
  /** A real, absolute path, made when missing; default: `sessions` in a new temporary directory. */
  mountPoint?: string;
  /** Further arguments of `sessionfs mount DIR`. */
  args?: readonly string[];
  /** Added to an environment without any setting of sessionfs. */
  env?: Readonly<Record<string, string>>;
  /** Another node executable than this process's. */
  node?: string;
}

/** A mount served by a daemon in another process: this one may use it with synchronous calls. */
export interface Mounted {
  readonly mountPoint: string;
  /** The supervisor's. */
  readonly pid: number;
  /** The daemon's; asks the mount, and so waits for one that is being replaced. */
  daemonPid(): Promise<number>;
  /** All that supervisor and daemons wrote so far, to stdout and stderr. */
  log(): string;
  signal(signal: NodeJS.Signals): void;
  /** Resolves with the supervisor's exit when daemon and supervisor have exited, for whatever reason; the mount may still be there. */
  exited(): Promise<Exit>;
  /**
   * SIGTERM; resolves when the daemon has flushed, unmounted and exited with 0, rejects when it does anything else, or nothing within
   * `hangMs`.
   */
  unmount(hangMs?: number): Promise<void>;
  /** SIGKILL of supervisor and daemon; the mount stays, and no daemon serves it. */
  crash(): void;
  /** SIGKILL of supervisor and daemon, as the end of a container; resolves when the mount is gone as well. */
  kill(): Promise<void>;
}

const START_HANG_MS = 20_000;
const KILL_HANG_MS = 20_000;
const SHUTDOWN_HANG_MS = 60_000;

/** Resolves when the mount answers and its supervisor knows. The mount, the daemon and all it started are gone after the test, whatever happened. */
export async function mountSessionfs(scope: Scope, options: MountOptions = {}): Promise<Mounted> {
  const mountPoint = options.mountPoint ?? join(temporaryDirectory(scope), 'sessions');
  if (!mountAt(mountPoint)) mkdirSync(mountPoint, { recursive: true });
  const pidFile = join(temporaryDirectory(scope), 'supervisor.pid');
  const pidFileMade = watch(dirname(pidFile));
  const args = [cliMain, 'mount', mountPoint, `--pid-file=${pidFile}`, ...(options.args ?? [])];
  const daemon = new DaemonProcess(
    options.node ?? process.execPath,
    args,
    cleanEnvironment(options.env),
    repository,
  );
  const takeDown = async () => {
    daemon.killAll();
    await daemon.waitForExit(KILL_HANG_MS);
    unmountBelow(mountPoint);
  };
  cleanUp(scope, takeDown);
  await firstEvent(pidFileMade, daemon);
  await mountAnswers(daemon, mountPoint, 'fuse.sessionfs');
  await supervisorKnows(daemon, pidFile);
  return {
    mountPoint,
    pid: daemon.pid,
    daemonPid: () => daemonPid(mountPoint),
    log: () => daemon.log(),
    signal: (signal) => daemon.signal(signal),
    exited: () => daemon.waitForExit(SHUTDOWN_HANG_MS),
    unmount: (hangMs) => shutDown(daemon, mountPoint, hangMs),
    crash: () => daemon.killAll(),
    kill: takeDown,
  };
}

/**
 * To ask the mount every few milliseconds takes a quarter of a start's processor time. Resolves as well when the command has ended,
 * or nothing happens for long: the look after this says what is wrong.
 */
async function firstEvent(watcher: FSWatcher, daemon: DaemonProcess): Promise<void> {
  const ended = daemon.waitForExit(START_HANG_MS).catch(() => undefined);
  await Promise.race([once(watcher, 'change'), ended]);
  watcher.close();
}

/**
 * The mount answers a moment before its supervisor hears of it. A daemon that is killed in this moment makes the start fail, as
 * one that cannot start does.
 */
async function supervisorKnows(daemon: DaemonProcess, pidFile: string): Promise<void> {
  await until(() => {
    assert.equal(daemon.exit, undefined, `the mount did not start; the log:\n${daemon.log()}`);
    return existsSync(pidFile);
  });
}

/** A read that straddles a take-over can be cut: the two daemons' texts differ in length. */
async function daemonPid(mountPoint: string, reads = 5): Promise<number> {
  const text = await readFile(join(mountPoint, '.sessionfs/status.json'), 'utf8');
  try {
    return JSON.parse(text).pids.daemon;
  } catch (error) {
    if (reads <= 1) throw error;
    return daemonPid(mountPoint, reads - 1);
  }
}

async function shutDown(daemon: DaemonProcess, mountPoint: string, hangMs = SHUTDOWN_HANG_MS): Promise<void> {
  daemon.signal('SIGTERM');
  const exit = await daemon.waitForExit(hangMs);
  assert.deepEqual(exit, { code: 0, signal: null }, `the daemon did not end well; its log:\n${daemon.log()}`);
  assert.equal(mountAt(mountPoint), undefined, `still mounted; the log:\n${daemon.log()}`);
}
