/**
 * DIRECTORY FIRST [PAUSE_MS]: carries out the steps from FIRST on, says the number of each that returned, and the error that
 * ends it; as a program to its stdout, as a thread to the one that made it.
 */
import { writeSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { step } from './crash-steps.ts';

const STDOUT = 1;
const nobodyWakes = new Int32Array(new SharedArrayBuffer(4));
const [directory = '', first, pauseMs = '0'] = process.argv.slice(2);

function say(text: string): void {
  if (parentPort === null) writeSync(STDOUT, `${text}\n`);
  else parentPort.postMessage(text);
}

try {
  for (let n = Number(first); ; n++) {
    step(n).run(directory);
    say(`${n}`);
    Atomics.wait(nobodyWakes, 0, 0, Number(pauseMs));
  }
} catch (error) {
  say((error as NodeJS.ErrnoException).code ?? String(error));
}
