/** The main thread's share of the store: brings the journal to the disk, and moves it into the cache. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalMessage } from '../drivers/host/messages.ts';
import type { Logger } from '../observe/log.ts';
import type { Cache } from '../store/cache/cache.ts';
import { Checkpointer } from '../store/checkpoint/checkpointer.ts';
import { NodeTable } from '../store/checkpoint/node-table.ts';
import type { CheckpointPlan } from '../store/checkpoint/plan.ts';
import { CheckpointSchedule, type JournalRest } from '../store/checkpoint/schedule.ts';
import type { Trash } from '../store/checkpoint/trash.ts';
import type { JournalProgress } from '../store/journal/progress.ts';
import { JournalSync } from '../store/journal/sync.ts';

export interface JournalServiceParts {
  cache: Cache;
  progress: JournalProgress;
  replayed: { segments: readonly number[]; nextSegment: number; records: number; droppedBytes: number };
  /** The cache has this now; rejecting keeps the journal as it is. */
  onApplied?: ((plan: CheckpointPlan) => Promise<void>) | undefined;
  trash?: Trash | undefined;
  /** Asks the kernel thread to close its journal segment. */
  requestRoll: () => void;
  /** Segments are gone: others that have them open are to close them. */
  segmentsGone?: () => void;
  /** Tells the kernel thread that a checkpoint has made as much room as it could. */
  roomMade: () => void;
  /** Cloud mode: what the cache cannot take is an error, since nothing keeps the journal. */
  isVolatile: boolean;
  log: Logger;
}

/** Changes that are not in the cache by then stay in the journal, from where the next start takes them. */
const LAST_CHECKPOINT_MS = 8_000;

export class JournalService {
  readonly #journal: JournalSync;
  readonly #checkpoints: CheckpointSchedule;
  readonly #roomMade: () => void;

  constructor({
    cache,
    progress,
    replayed,
    requestRoll,
    segmentsGone,
    isVolatile,
    roomMade,
    log,
    onApplied,
    trash,
  }: JournalServiceParts) {
    this.#roomMade = roomMade;
    const journalDirectory = cache.journalDirectory;
    const nodes = new NodeTable(cache.path);
    const checkpointer = new Checkpointer({
      journalDirectory,
      cache,
      progress,
      onRetired: () => segmentsGone?.(),
      nodes,
      log,
      ...(onApplied === undefined ? {} : { onApplied }),
      ...(trash === undefined ? {} : { trash }),
    });
    void checkpointer.reserve();
    this.#checkpoints = new CheckpointSchedule({
      checkpoint: (upTo) => checkpointer.run(upTo),
      // Synced first, so that the kernel thread need not wait for the disk when it closes the segment.
      requestRoll: () =>
        void this.sync()
          .catch(() => {})
          .then(requestRoll),
      strict: isVolatile,
      log,
    });
    this.#journal = new JournalSync({
      directory: journalDirectory,
      progress,
      replayed,
      onFailure: (error) => {
        log.error({ error: String(error) }, 'The journal could not be brought to the disk');
        requestRoll();
      },
    });
    const { records, droppedBytes } = replayed;
    if (records > 0 || droppedBytes > 0) {
      log.info({ records, droppedBytes }, 'Went on with the journal of a run that did not end cleanly');
    }
  }

  hear(message: JournalMessage): void {
    switch (message.type) {
      case 'appended':
        this.#journal.appended();
        this.#checkpoints.appended();
        break;
      case 'closed':
        this.#checkpoints.closed(message.segment);
        break;
      case 'disk-full':
        void this.#makeRoom(message.closed);
        break;
    }
  }

  /** The disk is full: moves what is closed into the cache, which leaves only the newest version of each file. */
  async #makeRoom(closed: number | undefined): Promise<void> {
    await this.#checkpoints.tryNow(closed);
    // It closes the files that are gone: until then they take their room all the same.
    await this.sync().catch(() => {});
    this.#roomMade();
  }

  /**
   * Everything that the segments up to `segment` hold, and earlier ones, goes into the cache now; undefined: there is none.
   * Rejects when it does not.
   */
  async settle(segment: number | undefined): Promise<void> {
    await this.sync();
    if (!(await this.#checkpoints.tryNow(segment))) throw new Error('the cache did not take the journal');
  }

  /** Resolves once everything that was appended before the call is on stable storage. */
  sync(): Promise<void> {
    return this.#journal.sync();
  }

  /** Nothing is appended any more. Resolves to what is left in the journal; everything in it is on stable storage. */
  async finish(): Promise<JournalRest> {
    await this.sync().catch(() => {});
    const rest = await Promise.race([
      this.#checkpoints.finish(),
      sleep(LAST_CHECKPOINT_MS, undefined, { ref: false }),
    ]);
    await this.#journal.close();
    return rest;
  }
}
