/** Hears what the kernel thread and the daemon want of the sessions in the bucket, and passes it to the part that does it. */
import type { Bucket } from '../bucket/bucket.ts';
import type { Keyring } from '../crypto/keyring.ts';
import type { CoreData, RemoteMessage } from '../drivers/host/messages.ts';
import { sessionOfPath } from '../naming/session-path.ts';
import type { Logger } from '../observe/log.ts';
import type { CheckpointPlan } from '../store/checkpoint/plan.ts';
import type { JournalRest } from '../store/checkpoint/schedule.ts';
import type { BucketSync } from '../sync/bucket-sync.ts';
import type { Ledger } from '../sync/ledger/ledger.ts';
import type { MemoryLimit } from '../sync/memory-limit.ts';
import type { BucketHealth, BucketTrouble } from './bucket-health.ts';
import type { ControlAnswers, ControlQuestion } from './control.ts';
import type { DeletedSessions } from './deleted-sessions.ts';
import type { FinalFlush } from './final-flush.ts';
import type { KernelSide, ThreadSide } from './kernel-side.ts';
import type { MountLeases } from './mount-leases.ts';
import type { SessionOpener } from './session-opener.ts';
import type { BucketStatus } from './status.ts';
import type { WriteThrough } from './write-through.ts';

/** What openRemoteSessions makes. */
export interface RemoteSessionsParts {
  bucket: Bucket;
  ledger: Ledger;
  keyring: Keyring;
  kernel: KernelSide;
  threadData: NonNullable<CoreData['bucket']>;
  leases: MountLeases;
  sync: BucketSync;
  stores: WriteThrough;
  opener: SessionOpener;
  deleted: DeletedSessions;
  health: BucketHealth;
  control: ControlAnswers;
  finalFlush: FinalFlush;
  /** Cloud mode only. */
  memory: MemoryLimit | undefined;
  /** Ends every retry. */
  aborted: AbortController;
  takeover: boolean;
  log: Logger;
}

export class RemoteSessions {
  readonly #parts: RemoteSessionsParts;
  /** Applications may write. */
  #isServed: boolean;
  /** Evictions run one after the other, and before a session that was evicted is opened again. */
  #evicting: Promise<void> = Promise.resolve();

  constructor(parts: RemoteSessionsParts) {
    this.#parts = parts;
    this.#isServed = parts.takeover;
  }

  /** What the kernel thread must know before it builds the tree. */
  get threadData(): NonNullable<CoreData['bucket']> {
    return this.#parts.threadData;
  }

  /** The kernel thread is loaded. */
  connect(side: ThreadSide): void {
    this.#parts.kernel.connect(side);
  }

  /** Before a new mount is served: compares the cache with the bucket, if that answers in time. */
  async prepare(): Promise<void> {
    const { takeover, ledger, log, kernel, sync } = this.#parts;
    if (takeover) return;
    try {
      await sync.settle();
      // Includes sessions that only the journal knew.
      kernel.post({ type: 'absent', sessions: ledger.unservedSessions });
    } catch (error) {
      log.warn({ error: String(error) }, 'The journal is not in the cache yet; the next checkpoint retries');
    }
    await sync.prepare();
  }

  /** The mount is served. */
  start(): void {
    const { takeover, leases, aborted, sync, memory, health } = this.#parts;
    this.#isServed = true;
    if (takeover) void leases.inherit(aborted.signal);
    sync.start();
    memory?.start();
    void health.untilKnown(aborted.signal);
  }

  /**
   * Why an application should not be started yet; undefined: it may. A bucket that refuses takes no mount out of service that
   * serves sessions from its cache: its applications would lose what works. In cloud mode nothing could be written.
   */
  get notReady(): string | undefined {
    const { ledger, threadData, health } = this.#parts;
    const needsBucket = () => threadData.writeThrough || !ledger.hasFilesHere;
    if (health.refusal !== undefined && needsBucket()) return inWords(health.refusal);
    if (ledger.listed || threadData.rootListable) return undefined;
    const { trouble } = health;
    return `the bucket has not said yet which sessions there are${trouble ? `: ${inWords(trouble)}` : ''}`;
  }

  /** The bucket's trouble, told although applications are served. */
  get warning(): string | undefined {
    const { trouble } = this.#parts.health;
    return trouble && inWords(trouble);
  }

  /** What is known without the kernel thread: of the last seconds before a checkpoint nothing. */
  report(): BucketStatus {
    return this.#parts.control.report([]);
  }

  hear(message: RemoteMessage): void {
    const { opener, ledger, sync, stores } = this.#parts;
    switch (message.type) {
      case 'wanted':
        void this.#evicting.then(() => opener.want(message.session));
        break;
      case 'unwanted':
        void this.#evicting.then(() => opener.unwant(message.session));
        break;
      case 'name-wanted':
        void this.#lookUpName(message.name);
        break;
      case 'urgent':
        ledger.serve(message.session);
        sync.flusher.urgent(message.session, message.why);
        break;
      case 'ask':
        void this.#answer(message);
        break;
      case 'store':
        stores.add(message.request, message.unstored);
        break;
      case 'store-cancelled':
        stores.cancel(message.request);
        break;
      case 'evicted':
        this.#evicting = this.#evicting.then(() => this.#evicted(message.session));
        break;
    }
  }

  /**
   * A checkpoint was applied, and the ledger has noted it. What applications have written they see: a folder that was there
   * before this mount was never opened, nor made anew.
   */
  checkpointed(plan: CheckpointPlan): void {
    if (this.#isServed) for (const session of writtenSessions(plan)) this.#parts.ledger.serve(session);
    void this.#parts.deleted.checkpointed(plan);
  }

  /** See FinalFlush, and KernelSide.settled for the end of the mount. */
  flushBefore(deadlineMs: number, settled?: { isComplete: boolean }): Promise<number> {
    if (settled !== undefined) this.#parts.kernel.settled(settled.isComplete);
    return this.#parts.finalFlush.flushBefore(deadlineMs);
  }

  /** See FinalFlush. */
  release(deadlineMs: number, lacking: JournalRest): Promise<void> {
    this.#parts.opener.stop();
    return this.#parts.finalFlush.release(deadlineMs, lacking);
  }

  /** Gives up what is under way; the ledger knows what was done. */
  async end(): Promise<void> {
    const { memory, leases, opener, stores, aborted, bucket, sync, ledger, keyring } = this.#parts;
    memory?.end();
    const ended = Promise.all([leases.end(), opener.end()]);
    stores.leave();
    aborted.abort();
    bucket.close();
    await sync.end();
    await ended;
    ledger.close();
    keyring.destroy();
  }

  async #lookUpName(name: string): Promise<void> {
    const exists = await this.#parts.opener.existsElsewhere(name);
    this.#parts.kernel.post({ type: 'name', name, exists });
  }

  async #evicted(session: string | undefined): Promise<void> {
    try {
      await this.#parts.memory?.evicted(session);
    } catch (error) {
      this.#parts.log.error({ session, error: String(error) }, 'Cannot remove a session from memory');
    }
  }

  async #answer(question: ControlQuestion): Promise<void> {
    const text = await this.#parts.control.answer(question);
    this.#parts.kernel.post({ type: 'answer', id: question.id, text });
  }
}

function writtenSessions({ files }: CheckpointPlan): Set<string> {
  const sessions = new Set<string>();
  for (const [path, { put }] of files) if (put !== undefined) sessions.add(sessionOfPath(path, 'file'));
  sessions.delete('');
  return sessions;
}

/** For everyone who reaches the health pages: a hint names no session, file or key, either. */
function inWords({ summary, hint }: BucketTrouble): string {
  return hint === undefined ? summary : `${summary}. ${hint}`;
}
