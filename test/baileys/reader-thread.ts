import { readFileSync } from 'node:fs';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { isMissing, versionOf } from './versioned-json.ts';

export interface ReadReport {
  reads: number;
  /** What was neither whole nor missing. */
  bad: string[];
}

interface Task {
  files: readonly string[];
  stopped: Int32Array;
}

/** Between two rounds: a reader that never rests takes from the writer what it is to race with. */
const REST_MS = 1;

/** Starts a thread that reads `files` round and round until told to stop. */
export function startReader(files: readonly string[]): { stop(): Promise<ReadReport> } {
  const task: Task = { files, stopped: new Int32Array(new SharedArrayBuffer(4)) };
  const worker = new Worker(import.meta.filename, { workerData: task });
  const report = new Promise<ReadReport>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return {
    stop() {
      Atomics.store(task.stopped, 0, 1);
      return report;
    },
  };
}

function readUntilStopped({ files, stopped }: Task): ReadReport {
  const report: ReadReport = { reads: 0, bad: [] };
  while (Atomics.load(stopped, 0) === 0) {
    for (const file of files) readOnce(file, report);
    Atomics.wait(stopped, 0, 0, REST_MS);
  }
  return report;
}

function readOnce(file: string, report: ReadReport): void {
  try {
    versionOf(readFileSync(file, 'utf8'));
    report.reads++;
  } catch (error) {
    if (!isMissing(error)) report.bad.push(`${file}: ${error}`);
  }
}

parentPort?.postMessage(readUntilStopped(workerData as Task));
