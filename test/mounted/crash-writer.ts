/**
 * DIRECTORY FIRST [PAUSE_MS]: carries out the steps from FIRST on, says the number of each that returned, and the error that
 * ends it.
 */
import { writeSync } from 'node:fs';
import { step } from './crash-steps.ts';

const STDOUT = 1;
const nobodyWakes = new Int32Array(new SharedArrayBuffer(4));
const [directory = '', first, pauseMs = '0'] = process.argv.slice(2);

try {
  for (let n = Number(first); ; n++) {
    step(n).run(directory);
    writeSync(STDOUT, `${n}\n`);
    Atomics.wait(nobodyWakes, 0, 0, Number(pauseMs));
  }
} catch (error) {
  writeSync(STDOUT, `${(error as NodeJS.ErrnoException).code ?? error}\n`);
}
