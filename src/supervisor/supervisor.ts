/**
 * Keeps a mount alive. It owns the kernel connection, which lives as long as any process holds its descriptor, and the
 * daemon that serves it. When the daemon dies another one takes over: calls on the mount wait for it and then go on.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/load.ts';
import { chooseDriver, type Driver } from '../drivers/choose.ts';
import { takeRepeated } from '../drivers/direct/in-flight.ts';
import type { NegotiatedSession } from '../drivers/host/messages.ts';
import { findPlainSessions } from '../fs/startup/plain-sessions.ts';
import { leaseTimes } from '../lease/settings.ts';
import { type Deferred, deferred } from '../lib/deferred.ts';
import { exitStatus } from '../lib/errors.ts';
import type { Secrets } from '../lib/secrets.ts';
import { version } from '../lib/version.ts';
import { mountDirect, removeDeadMounts, unmountByForce, unmountLazily } from '../mount/mount.ts';
import { namePlace } from '../mount/mount-folder.ts';
import { findMount, type MountRecord } from '../mount/mountinfo.ts';
import type { Logger } from '../observe/log.ts';
import { logOutput } from '../observe/log-output.ts';
import { DaemonChild, type DaemonExit, isCrash } from './daemon-child.ts';
import { FatalRequests } from './fatal-requests.ts';
import type { OwnedDescriptors, StopReport } from './messages.ts';
import {
  closeDescriptors,
  MEMORY_CACHE,
  mountOrder,
  openDescriptors,
  type PreparedPlace,
  preparePlace,
  releasePlace,
  requireNothingToImport,
  withTmpfs,
} from './resources.ts';
import { RestartNotice } from './restart-notice.ts';
import { RestartPolicy } from './restart-policy.ts';
import { roomForStandby, Standby } from './standby.ts';

/** Set by tests, to be served as by a kernel older than 6.9. */
const NO_RESEND = 'SESSIONFS_TEST_NO_RESEND';
/** Set by tests: a lookup of this name kills the daemon. */
const CRASH_ON = 'SESSIONFS_TEST_CRASH_ON';

export interface SupervisorHooks {
  /** For each daemon. */
  secrets?: Secrets;
  /** No daemon can be started any more. Calls on the mount hang until this resolves, and fail from then on. */
  beforeGivingUp?: () => Promise<void>;
  /** The mount is in a namespace that only its users and this process are in: no other process can end it when this one is gone. */
  endsWithLastUser?: boolean;
  /** Called after the start, with each change. */
  phaseChanged?: (phase: MountPhase) => void;
}

/** Who serves the mount: its daemon; none, as the next one was asked for by `reload`; none, as the last one died. */
export type MountPhase = 'serving' | 'handing-over' | 'replacing';

/** What becomes of the folder below when the mount has ended in order. */
export type FolderAfterwards = 'given-back' | 'shut';

interface SupervisorParts {
  config: Config;
  driver: Driver;
  place: PreparedPlace;
  descriptors: OwnedDescriptors;
  log: Logger;
  hooks: SupervisorHooks;
}

export class Supervisor {
  readonly mountPoint: string;
  /** Resolves when the mount is gone for whatever reason; never rejects. */
  readonly stopped: Promise<StopReport>;
  readonly #config: Config;
  readonly #driver: Driver;
  readonly #place: PreparedPlace;
  readonly #wasShut: boolean;
  readonly #descriptors: OwnedDescriptors;
  readonly #log: Logger;
  readonly #hooks: SupervisorHooks;
  readonly #stopped: Deferred<StopReport> = deferred();
  readonly #policy = new RestartPolicy();
  readonly #fatalRequests = new FatalRequests();
  readonly #standby = new Standby(() => this.#spawnDaemon());
  readonly #hasRoomForStandby = roomForStandby();
  readonly #notice: RestartNotice;
  #plainSessions: string[];
  #session: NegotiatedSession | undefined;
  #mounting: Promise<MountRecord> | undefined;
  #child: DaemonChild;
  #restarts = 0;
  #daemonsStarted = 0;
  #stopReason: string | undefined;
  #folderAfterwards: FolderAfterwards = 'given-back';
  #handingOver = false;

  /** Mounts and serves; resolves when the mount answers. Throws SessionfsError, and leaves nothing behind then. */
  static async start(given: Config, log: Logger, hooks: SupervisorHooks = {}): Promise<Supervisor> {
    const config = withTmpfs(given);
    leaseTimes(config);
    const { driver, reason } = chooseDriver(config.fuseDriver);
    const place = await preparePlace(config.mountPoint, driver, log);
    if (config.readOnly !== undefined) requireNothingToImport(place);
    log.info({ driver, reason }, 'Driver chosen');
    const supervisor = await Supervisor.#prepared({ config, driver, place, log, hooks });
    try {
      await supervisor.#child.ready;
    } catch (error) {
      await supervisor.#abandon();
      throw error;
    }
    supervisor.#plainSessions = [];
    supervisor.#shutFolder();
    supervisor.#reportBelow();
    supervisor.#prepareStandby();
    void supervisor.#watch();
    return supervisor;
  }

  static async #prepared(parts: Omit<SupervisorParts, 'descriptors'>): Promise<Supervisor> {
    const { config, driver, place } = parts;
    let descriptors: OwnedDescriptors;
    try {
      descriptors = await openDescriptors(config, driver, place);
    } catch (error) {
      releasePlace(place);
      throw error;
    }
    return new Supervisor({ ...parts, descriptors });
  }

  private constructor(parts: SupervisorParts) {
    this.#config =
      parts.descriptors.memoryFd === undefined ? parts.config : { ...parts.config, cachePath: MEMORY_CACHE };
    this.#driver = parts.driver;
    this.#place = parts.place;
    this.mountPoint = parts.place.mountPoint;
    this.#plainSessions = parts.place.plainSessions;
    this.#wasShut = parts.place.folder.isShut;
    this.#descriptors = parts.descriptors;
    this.#log = parts.log;
    this.#hooks = parts.hooks;
    this.#notice = new RestartNotice(this.mountPoint);
    this.stopped = this.#stopped.promise;
    // Plain sessions are moved away first. A refusal is met again, and logged, once the daemon is ready.
    if (this.#plainSessions.length === 0) this.#place.folder.shut();
    else this.#place.folder.openForOwner();
    this.#child = this.#startChild();
    // Its failure is met again when the daemon is loaded.
    if (mountOrder(this.#driver, this.#place.covers !== undefined) === 'before-load')
      this.#makeMount().catch(() => {});
  }

  /** Sentences for the terminal of the start. */
  get notices(): readonly string[] {
    return this.#child.notices;
  }

  /** Flushes and unmounts. A daemon that is just being replaced is waited for first. */
  stop(reason: string, folder: FolderAfterwards = 'given-back'): Promise<StopReport> {
    if (this.#stopReason === undefined) {
      this.#stopReason = reason;
      this.#folderAfterwards = folder;
      void this.#standby.discard();
      this.#child.ready.then(
        () => this.#child.kill('SIGTERM'),
        () => {},
      );
    }
    return this.stopped;
  }

  /** A new daemon, perhaps of a newer version, goes on with the mount. Nothing is lost, calls just wait for it. */
  reload(): void {
    if (this.#handingOver || this.#stopReason !== undefined) return;
    this.#handingOver = true;
    this.#log.info({ daemon: this.#child.pid }, 'Handing the mount over to a new daemon');
    this.#hooks.phaseChanged?.('handing-over');
    // It has loaded the code that was on the disk before.
    void this.#standby.discard();
    this.#child.ready.then(
      () => this.#child.handOver(),
      () => {},
    );
  }

  /** See ToDaemon. Daemons that are started later log to the new file, too. */
  reopenLog(): void {
    this.#child.reopenLog();
    // What it has open is the file before.
    void this.#standby.discard().then(() => this.#prepareStandby());
  }

  #startChild(): DaemonChild {
    const { uid, gid, mode } = this.#place.folder;
    const start = {
      config: this.#config,
      logFile: logOutput.path,
      secrets: this.#hooks.secrets ?? {},
      driver: this.#driver,
      mountPoint: this.mountPoint,
      root: { uid, gid, mode },
      plainSessions: this.#plainSessions,
      takeover: this.#session,
      resend: process.env[NO_RESEND] === undefined,
      fatalRequests: this.#fatalRequests.numbers,
      crashOn: process.env[CRASH_ON],
      supervisor: { pid: process.pid, version },
      restarts: this.#restarts,
      generation: this.#daemonsStarted++,
      endsWithLastUser: this.#hooks.endsWithLastUser ?? false,
    };
    const child = this.#standby.take() ?? this.#spawnDaemon();
    child.start(start, {
      loaded: () => void this.#loaded(child),
      initialized: (session) => {
        this.#session = session;
      },
    });
    return child;
  }

  #spawnDaemon(): DaemonChild {
    return new DaemonChild(this.#driver, this.#descriptors);
  }

  /** With fuse-native applications get errors between two daemons anyway: it is not worth the memory. */
  #prepareStandby(): void {
    if (this.#driver === 'direct' && this.#stopReason === undefined && this.#hasRoomForStandby)
      this.#standby.prepare();
  }

  #makeMount(): Promise<MountRecord> {
    this.#mounting ??= mountDirect(this.#descriptors.fuseFd, this.#place, {
      source: 'sessionfs',
      allowOther: true,
      readOnly: this.#config.readOnly !== undefined,
    });
    return this.#mounting;
  }

  async #loaded(child: DaemonChild): Promise<void> {
    try {
      child.serve(
        this.#driver === 'direct' ? (await this.#makeMount()).device : await this.#clearForDaemon(),
      );
    } catch (error) {
      child.fail(error);
    }
  }

  /**
   * With fuse-native a daemon's mount dies with it, and the next one makes another. libfuse mounts on no dead one: that goes as
   * late as can be, and the folder below is shut until the next mount is there.
   */
  async #clearForDaemon(): Promise<''> {
    await removeDeadMounts(this.mountPoint);
    return '';
  }

  /** Failing that, the mount serves all the same. */
  #shutFolder(): void {
    const shutting = this.#place.folder.shut();
    if (shutting.kind !== 'refused') return;
    const { mountPoint } = this;
    this.#log.warn(
      { mountPoint, reason: shutting.reason },
      'The folder below the mount could not be shut: what is written while the mount is away lies there in plain text. Make its owner the user who runs sessionfs',
    );
  }

  /** What was written there while no mount was above it, or by root, whom no mode keeps out. */
  #reportBelow(): void {
    const { folder } = this.#place;
    try {
      const { sessions, foreign } = folder.listed(() => findPlainSessions(folder.path));
      const names = [...sessions, ...foreign];
      if (names.length === 0) return;
      this.#log.error(
        { mountPoint: this.mountPoint, names },
        'Files lie in plain text below the mount, where no application sees them; the next start imports sessions among them. See who writes there: root, or without root this user while a daemon is replaced',
      );
    } catch (error) {
      this.#log.warn(
        { mountPoint: this.mountPoint, error: String(error) },
        'The folder below the mount could not be looked at',
      );
    }
  }

  #giveFolderBack(): void {
    try {
      this.#place.folder.giveBack();
    } catch (error) {
      const { mountPoint } = this;
      this.#log.warn(
        { mountPoint, error: String(error) },
        'The folder below the mount stays shut; sessionfs unmount, run by its owner, opens it',
      );
    }
  }

  /** `serving -> (died | handed over) -> serving`, until the mount has ended or no daemon can be started. */
  async #watch(): Promise<void> {
    for (;;) {
      const exit = await this.#child.exited;
      if (exit.report !== undefined) return await this.#end(exit.report);
      if (!(await this.#replace(exit))) return;
    }
  }

  async #replace(exit: DaemonExit): Promise<boolean> {
    const handedOver = this.#handingOver && exit.code === 0;
    this.#handingOver = false;
    if (!handedOver) {
      this.#logDeath(exit);
      this.#hooks.phaseChanged?.('replacing');
      this.#restarts++;
      const repeated = takeRepeated(this.#descriptors.inFlightFd);
      if (isCrash(exit)) this.#fatalRequests.daemonDied(repeated);
      this.#notice.daemonDied(await this.#device());
      const delayMs = this.#policy.died(exit);
      if (delayMs === undefined) return this.#giveUp();
      if (delayMs > 0) await this.#waitToRetry(delayMs);
    }
    this.#child = this.#startChild();
    this.#child.ready.then(
      () => {
        this.#policy.ready();
        this.#hooks.phaseChanged?.('serving');
        this.#prepareStandby();
        this.#notice.clear();
        if (this.#driver === 'fuse-native') this.#reportBelow();
      },
      (error) => this.#log.error({ error: String(error) }, 'The daemon could not take the mount over'),
    );
    if (this.#stopReason !== undefined)
      this.#child.ready.then(() => this.#child.kill('SIGTERM')).catch(() => {});
    return true;
  }

  #logDeath({ code, signal, spawnError }: DaemonExit): void {
    if (spawnError === undefined)
      this.#log.error(
        { daemon: this.#child.pid, code, signal },
        'The daemon died; another one takes the mount over',
      );
    else
      this.#log.error(
        { error: spawnError.message, executable: process.execPath },
        'No daemon could be started; it is tried again, and calls on the mount wait. Check that the executable is there, and the limits on processes and memory',
      );
  }

  /** As `major:minor`. With fuse-native each daemon's mount has one of its own, which is still there when that daemon is dead. */
  async #device(): Promise<string | undefined> {
    const mount = this.#driver === 'direct' ? this.#mounting : findMount(this.mountPoint);
    return (await mount?.catch(() => undefined))?.device;
  }

  async #waitToRetry(delayMs: number): Promise<void> {
    const { deathsBeforeReady } = this.#policy;
    this.#log.error(
      { deathsBeforeReady, retryInMs: delayMs, mountPoint: this.mountPoint },
      'No daemon has served the mount since the last one died; its callers wait, and the next daemon is started',
    );
    await sleep(delayMs);
  }

  async #giveUp(): Promise<false> {
    this.#log.fatal(
      { restarts: this.#restarts, mountPoint: this.mountPoint },
      'The daemon dies again and again; the mount is given up. What was written is in the cache: see the errors above, and mount again',
    );
    await this.#hooks.beforeGivingUp?.();
    // Calls that hang must return now.
    await unmountByForce(this.mountPoint).catch(() => {});
    await removeDeadMounts(this.mountPoint).catch(() => {});
    this.#folderAfterwards = 'shut';
    await this.#end({ exitStatus: exitStatus.DAEMON_FAILED, lazy: true, holders: [], dirty: 0 });
    return false;
  }

  async #end(report: StopReport): Promise<void> {
    // It has the kernel connection open, which otherwise ends now.
    await this.#standby.discard();
    this.#notice.clear();
    if (this.#folderAfterwards === 'given-back') this.#giveFolderBack();
    closeDescriptors(this.#descriptors);
    releasePlace(this.#place);
    this.#stopped.resolve(report);
  }

  /** The first daemon did not get ready. */
  async #abandon(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#child.exited;
    const isMounted = await (this.#mounting ?? Promise.reject()).then(
      () => true,
      () => false,
    );
    if (isMounted) await unmountLazily(this.mountPoint).catch(() => {});
    await this.#removeCovered();
    if (this.#wasShut) this.#shutFolder();
    else this.#giveFolderBack();
    closeDescriptors(this.#descriptors);
    releasePlace(this.#place);
  }

  /** Another start may have been faster: its mount is above by now. */
  async #removeCovered(): Promise<void> {
    const { folder, covers } = this.#place;
    const seen = await findMount(this.mountPoint);
    if (covers !== undefined && seen?.device === covers)
      await removeDeadMounts(this.mountPoint).catch(() => {});
    // Wherever libfuse has mounted: the folder may have been moved.
    if (this.#driver === 'fuse-native')
      await removeDeadMounts(namePlace(folder.fd, this.mountPoint)).catch(() => {});
  }
}
