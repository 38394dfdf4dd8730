/** The reader of the race: a thread that reads one file without pause and sorts what it found. */
import { readFileSync } from 'node:fs';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { versionOf } from '../../baileys/versioned-json.ts';

export interface RaceReport {
  reads: number;
  empty: number;
  /** The old version, and zeros after it. */
  padded: number;
  /** Neither whole nor any of the above: cut, or mixed of two versions. */
  mixed: number;
  failed: string[];
}

interface Task {
  file: string;
  stopped: Int32Array;
}

export function startRaceReader(file: string): { stop(): Promise<RaceReport> } {
  const task: Task = { file, stopped: new Int32Array(new SharedArrayBuffer(4)) };
  const worker = new Worker(import.meta.filename, { workerData: task });
  const report = new Promise<RaceReport>((resolve, reject) => {
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

function readUntilStopped({ file, stopped }: Task): RaceReport {
  const report: RaceReport = { reads: 0, empty: 0, padded: 0, mixed: 0, failed: [] };
  while (Atomics.load(stopped, 0) === 0) {
    report.reads++;
    try {
      sort(readFileSync(file, 'utf8'), report);
    } catch (error) {
      report.failed.push(String(error));
    }
  }
  return report;
}

function sort(text: string, report: RaceReport): void {
  if (text === '') report.empty++;
  else if (!isWhole(text)) report[isWhole(text.replace(/\0+$/, '')) ? 'padded' : 'mixed']++;
}

function isWhole(text: string): boolean {
  try {
    versionOf(text);
    return true;
  } catch {
    return false;
  }
}

if (parentPort !== null) parentPort.postMessage(readUntilStopped(workerData as Task));
