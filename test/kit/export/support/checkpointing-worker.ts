/** A daemon's store at work: writes two files in turn, with the same number, and checkpoints all the time, until it is told to end. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { Cache } from '../../../../src/store/cache/cache.ts';
import { Checkpointer } from '../../../../src/store/checkpoint/checkpointer.ts';
import { JournalProgress } from '../../../../src/store/journal/progress.ts';
import { JournalWriter } from '../../../../src/store/journal/writer.ts';
import { append, mkdir, put, remove } from '../../../store/support.ts';

const cache = new Cache(workerData as string);
const progress = new JournalProgress();
const writer = new JournalWriter(cache.journalDirectory, { nextSegment: 1, nextSeq: 1, progress });
const checkpointer = new Checkpointer({
  journalDirectory: join(cache.path, 'journal'),
  cache,
  progress,
  onRetired: () => {},
  log: { warn: () => {} },
});
let isRunning = true;
parentPort?.once('message', () => {
  isRunning = false;
});

/** So that reading takes about as long as a checkpoint. */
const FILLERS = 200;
const PAUSE_MS_MAX = 30;
let number = 0;

function writeSome(): void {
  for (let count = 0; count < 3; count++) {
    number++;
    append(writer, [put('s-+1/first', String(number))]);
    append(writer, [put('s-+1/second', String(number))]);
    // Never both at once, and never none.
    const [gone, there] = number % 2 === 0 ? (['even', 'odd'] as const) : (['odd', 'even'] as const);
    append(writer, [remove(`s-+1/${gone}`), put(`s-+1/${there}`, String(number))]);
  }
}

append(writer, [mkdir('s-+1')]);
for (let index = 0; index < FILLERS; index++) append(writer, [put(`s-+1/filler-${index}`, 'x')]);
while (isRunning) {
  writeSome();
  const checkpoint = checkpointer.run(writer.roll());
  // Into the next segment, while the one before goes into the cache; or that was all there was.
  if (Math.random() < 0.5) writeSome();
  await checkpoint;
  await sleep(Math.random() * PAUSE_MS_MAX);
}
writer.close();
parentPort?.postMessage(number);
