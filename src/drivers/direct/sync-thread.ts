/**
 * The thread that answers fsync(2) where there are many: it sleeps on a futex, brings the newest journal segment to the disk and
 * replies, all by itself. On the main thread the same takes two turns of its event loop and one of a pool of threads, which a
 * database that syncs each transaction waits for. All that is not usual stays there: see JournalSync, and `JournalProgress.mayBeSynced`.
 */
import { closeSync, fdatasyncSync, openSync } from 'node:fs';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { FilesystemCounters, operationNames } from '../../observe/filesystem-counters.ts';
import { segmentPath } from '../../store/journal/format.ts';
import { JournalProgress } from '../../store/journal/progress.ts';
import type { FromCore } from '../host/messages.ts';
import { freeSlot } from './in-flight.ts';
import { KernelNotifier } from './notifier.ts';
import { runAtOnce } from './priority.ts';
import { type QueuedSync, SyncQueue } from './sync-queue.ts';

export interface SyncThreadData {
  /** SyncQueue, JournalProgress and FilesystemCounters, shared. */
  queue: SharedArrayBuffer;
  progress: SharedArrayBuffer;
  counters: SharedArrayBuffer;
  journalDirectory: string;
  fuseFd: number;
  inFlightFd: number;
}

const FSYNC = operationNames.indexOf('fsync');
const NONE = { segment: 0, fd: -1 };

class SyncThread {
  readonly #data: SyncThreadData;
  readonly #port: MessagePort;
  readonly #queue: SyncQueue;
  readonly #progress: JournalProgress;
  readonly #counters: FilesystemCounters;
  readonly #kernel: KernelNotifier;
  /** The segment that is open here. The descriptor is this thread's own: the kernel tells each one once of an error of the disk. */
  #open = NONE;

  constructor(data: SyncThreadData, port: MessagePort) {
    this.#data = data;
    this.#port = port;
    this.#queue = new SyncQueue(data.queue);
    this.#progress = new JournalProgress(data.progress);
    this.#counters = new FilesystemCounters(data.counters);
    this.#kernel = new KernelNotifier(data.fuseFd, () => {});
  }

  /** Returns once the queue is closed. */
  serve(): void {
    this.#queue.open();
    for (;;) {
      const { wakes, isOpen } = this.#queue;
      const syncs = this.#queue.take();
      if (syncs.length > 0) this.#answer(syncs, this.#sync());
      else if (!isOpen) break;
      else {
        this.#closeRetired();
        this.#queue.wait(wakes);
      }
    }
    this.#close();
  }

  /** Whether all that was appended before is on stable storage. False: the main thread is to see to it. */
  #sync(): boolean {
    const { appends, segment } = this.#progress.mark();
    if (!this.#progress.mayBeSynced(segment)) return false;
    if (this.#progress.synced) return true;
    try {
      if (this.#open.segment !== segment) this.#openSegment(segment);
      // One that was opened after the main thread had met an error would not meet it again.
      if (!this.#progress.mayBeSynced(segment)) return false;
      fdatasyncSync(this.#open.fd);
    } catch {
      this.#progress.refuse(segment);
      return false;
    }
    this.#progress.setSynced(appends);
    return true;
  }

  #answer(syncs: readonly QueuedSync[], isSynced: boolean): void {
    for (const sync of syncs) {
      if (isSynced) this.#reply(sync);
      else this.#leave(sync);
    }
  }

  #reply({ uniqueLo, uniqueHi, slot, startedMs }: QueuedSync): void {
    this.#kernel.replyError(uniqueLo, uniqueHi, 0);
    this.#counters.operation(FSYNC, 0, performance.timeOrigin + performance.now() - startedMs);
    if (slot !== 0) freeSlot(this.#data.inFlightFd, slot);
  }

  #leave({ uniqueLo, uniqueHi, slot }: QueuedSync): void {
    this.#port.postMessage({
      to: 'kernel',
      type: 'sync-then-reply',
      uniqueLo,
      uniqueHi,
      slot,
    } satisfies FromCore);
  }

  #openSegment(segment: number): void {
    this.#close();
    this.#open = { segment, fd: openSync(segmentPath(this.#data.journalDirectory, segment), 'r') };
  }

  /** An open descriptor keeps a deleted segment's disk space. */
  #closeRetired(): void {
    if (this.#open.segment <= this.#progress.retired) this.#close();
  }

  #close(): void {
    if (this.#open !== NONE) closeSync(this.#open.fd);
    this.#open = NONE;
  }
}

if (parentPort !== null) {
  runAtOnce();
  new SyncThread(workerData as SyncThreadData, parentPort).serve();
}
