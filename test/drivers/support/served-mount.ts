import { closeSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { openFuseDevice } from '../../../src/drivers/direct/device.ts';
import { KernelNotifier } from '../../../src/drivers/direct/notifier.ts';
import type { NegotiatedSession } from '../../../src/drivers/host/messages.ts';
import { mountOnOwn } from '../../../src/mount/mount.ts';
import { cleanUp } from '../../support/cleanup.ts';
import { mountAt } from '../../support/mounts.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import type { Command, Report, ServingWorkerData } from './serving-worker.ts';

type Kind = Report['kind'];

/** A thread that serves the connection, as its parent sees it. */
export class Server {
  readonly worker: Worker;
  readonly reports: Report[] = [];
  readonly #waiting: Array<() => void> = [];

  constructor(
    data: ServingWorkerData,
    onReport: (report: Report) => void,
    onDeath: (error: unknown) => void,
  ) {
    this.worker = new Worker(new URL('./serving-worker.js', import.meta.url), { workerData: data });
    this.worker.on('error', onDeath);
    this.worker.on('message', (report: Report) => {
      this.reports.push(report);
      onReport(report);
      for (const look of this.#waiting.splice(0)) look();
    });
  }

  /** The last report of a kind, once there is one. */
  async reported<K extends Kind>(kind: K): Promise<Extract<Report, { kind: K }>> {
    for (;;) {
      const found = this.reports.findLast((report) => report.kind === kind);
      if (found) return found as Extract<Report, { kind: K }>;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

/** A MemoryFilesystem, mounted by the direct driver on `folder`; taken away after the test. */
export class ServedMount {
  readonly folder: string;
  readonly fd: number;
  readonly notifier: KernelNotifier;
  readonly #t: TestContext;
  #isOpen = true;

  private constructor(t: TestContext, folder: string, fd: number) {
    this.#t = t;
    this.folder = folder;
    this.fd = fd;
    this.notifier = new KernelNotifier(fd, (error) => t.diagnostic(`notifier: ${error}`));
  }

  static async create(t: TestContext): Promise<ServedMount> {
    const folder = temporaryDirectory(t);
    const mount = new ServedMount(t, folder, openFuseDevice());
    cleanUp(t, () => mount.close());
    await mountOnOwn(mount.fd, folder, { source: 'sessionfs', allowOther: true });
    return mount;
  }

  /** Lets go of the connection, which ends with its last server. */
  close(): void {
    if (this.#isOpen) closeSync(this.fd);
    this.#isOpen = false;
  }

  /**
   * Starts a server; `session` when it is not the first one, `inFlightFd` to have it serve as on a kernel that sends nothing
   * again. It ends with the mount.
   */
  serve(session?: NegotiatedSession, inFlightFd?: number): Server {
    const data = {
      fd: this.fd,
      ...(session && { session }),
      ...(inFlightFd !== undefined && { inFlightFd }),
    };
    const server = new Server(
      data,
      (report) => this.#onReport(report),
      (error) => this.#onDeath(error),
    );
    cleanUp(this.#t, () => this.#release(server));
    return server;
  }

  /**
   * After a test that failed halfway a request may still be parked. This process waits for it and serves it: it could not
   * even be killed.
   */
  async #release(server: Server): Promise<void> {
    const isServed =
      !server.reports.some(({ kind }) => kind === 'ended') && mountAt(this.folder) !== undefined;
    if (isServed) await this.command(server, 'release').catch((error) => this.#t.diagnostic(String(error)));
  }

  #onReport(report: Report): void {
    if (report.kind === 'sync') this.notifier.replyError(report.uniqueLo, report.uniqueHi, 0);
    if (report.kind === 'trouble') this.#t.diagnostic(report.error);
  }

  /** Callers that wait for the mount get an error instead of waiting for good. */
  #onDeath(error: unknown): void {
    this.#t.diagnostic(`the server died: ${error}`);
    this.close();
  }

  /** Sends a command and wakes the server to read it. */
  async command(server: Server, command: Command): Promise<void> {
    server.worker.postMessage(command);
    await this.#wake();
  }

  /** Resolves when the server says that it has parked something. */
  async untilParked(server: Server): Promise<void> {
    do await this.#wake();
    while ((await server.reported('parked')).count === 0);
  }

  async #wake(): Promise<void> {
    await statfs(this.folder);
  }
}
